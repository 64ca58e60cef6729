"""Compress a picture from Python and look at what came out. Usage: 01_compress.py [PICTURE [STEPS]]."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import inr
from inr.cli.terminal import say

photo = np.asarray(Image.open(Path(__file__).with_name("coffee.png")).reduce(4))
source = sys.argv[1] if len(sys.argv) > 1 else photo
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 200

report = inr.compress(source, "picture.inr", bpp=2.0, steps=steps).report
say(f"{report.bytes} bytes, {report.bpp:.2f} bpp, {report.psnr:.2f} dB after {report.steps} steps")

picture = inr.open("picture.inr").signal()
inr.save(picture, "picture.png")
