"""Quality layers: every prefix of the file that ends at a section is a picture."""

from pathlib import Path

import numpy as np
from PIL import Image

import inr
from inr.cli.terminal import say
from inr.container.file import parse, section_sizes

photo = np.asarray(Image.open(Path(__file__).with_name("coffee.png")).reduce(4))
result = inr.compress(photo, "coffee.inr", layers=3, bpp=3.0, steps=200)
file = parse(result.data)
for layer, size in enumerate(section_sizes(file), start=1):
    Path(f"coffee_{layer}.inr").write_bytes(result.data[:size])
    inr.decompress(f"coffee_{layer}.inr", f"coffee_{layer}.png", overwrite=True)
    say(f"first {size} bytes: {result.report.layer_psnr[layer - 1]:.2f} dB")
