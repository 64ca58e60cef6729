"""Quality layers: every prefix of the file that ends at a section is a picture."""

from pathlib import Path

from skimage import data

import inr
from inr.cli.terminal import say
from inr.container.file import parse, section_sizes

result = inr.compress(data.chelsea()[:128, 100:228].copy(), "cat.inr", layers=3, bpp=3.0, steps=200)
file = parse(result.data)
for layer, size in enumerate(section_sizes(file), start=1):
    Path(f"cat_{layer}.inr").write_bytes(result.data[:size])
    inr.decompress(f"cat_{layer}.inr", f"cat_{layer}.png")
    say(f"first {size} bytes: {result.report.layer_psnr[layer - 1]:.2f} dB")
