"""A field is a function of coordinates: call it, differentiate it, sample it between pixels, and take it to torch."""

import pickle
from pathlib import Path

import numpy as np
from PIL import Image

import inr
from inr.cli.terminal import say

photo = np.asarray(Image.open(Path(__file__).with_name("coffee.png")).convert("L").reduce(4))
field = inr.compress(photo, model="siren", bpp=4.0, steps=200)

# Coordinates are (row, column) at cell centres in [-1, 1]; values are in the units of the samples, here 0 to 255.
middle = field([0.0, 0.0])
circle = 0.5 * np.stack([np.sin(np.linspace(0, 7, 100)), np.cos(np.linspace(0, 7, 100))], axis=-1)
say(f"in the middle {middle[0]:.1f}; along a circle {field(circle).shape}; slopes there {field.gradient(circle).shape}")

# Positions are in samples: 0.5 lies between the first two.
between = field.at([[40, 40.0], [40, 40.5], [40, 41.0]])
say("between two pixels: " + " ".join(f"{value:.1f}" for value in between[:, 0]))

picture = np.asarray(field)
say(f"as an array {picture.shape} {picture.dtype}; off by {np.abs(picture[..., 0].astype(int) - photo).mean():.1f}")

again = pickle.loads(pickle.dumps(field))  # noqa: S301 (our own)
say(f"from a pickle the same: {np.array_equal(again(circle), field(circle))}")

# The same function as a module of torch, to train on or to use inside another model.
import torch  # noqa: E402

module = field.module()
points = torch.tensor(circle, dtype=torch.float32, requires_grad=True)
values = module(points)
(slopes,) = torch.autograd.grad(values.sum(), points)
known = field.gradient(circle)[:, 0]
off = np.abs(slopes.numpy() - known).max() / np.abs(known).max()
say(f"a module of {sum(p.numel() for p in module.parameters())} parameters; its slopes differ by {100 * off:.4f} %")
