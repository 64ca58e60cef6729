"""A file is a continuous picture: decode all of it, or a region, at any size."""

from pathlib import Path

import numpy as np
from PIL import Image

import inr
from inr.cli.terminal import say

photo = np.asarray(Image.open(Path(__file__).with_name("coffee.png")).reduce(4))
inr.compress(photo, "coffee.inr", model="siren", bpp=3.0, steps=200)
field = inr.open("coffee.inr")

twice = field.decode(scale=2.0)
thumbnail = field.decode(size=(36, 24))
cup = field.decode(region=(60, 20, 40, 35), size=(400, 350))
for name, samples in (("twice", twice), ("thumbnail", thumbnail), ("cup", cup)):
    say(f"{name}: {samples.shape[1]}x{samples.shape[0]} {samples.dtype}")
