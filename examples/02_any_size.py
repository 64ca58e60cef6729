"""A file is a continuous picture: decode all of it, or a region, at any size."""

from skimage import data

import inr
from inr.cli.terminal import say

inr.compress(data.camera()[::4, ::4].copy(), "camera.inr", model="siren", bpp=3.0, steps=200)
field = inr.open("camera.inr")

twice = field.decode(scale=2.0)
thumbnail = field.decode(size=(32, 32))
eye = field.decode(region=(50, 20, 30, 30), size=(300, 300))
for name, samples in (("twice", twice), ("thumbnail", thumbnail), ("eye", eye)):
    say(f"{name}: {samples.shape[1]}x{samples.shape[0]} {samples.dtype}")
