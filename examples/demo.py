"""The main job on a real photo: compress it, decode it at 1x and 2x, and set it beside JPEG at the same size."""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import inr
from inr.cli.terminal import following, say
from inr.metrics.psnr import psnr
from inr.metrics.ssim import ssim

PHOTO = Path(__file__).with_name("coffee.png")  # Rachel Michetti, CC0
REGION = (240, 80, 160, 140)


def jpeg_of_size(photo: np.ndarray, size: int) -> bytes:
    """The best JPEG (4:2:0, optimised, progressive) of at most `size` bytes."""
    best = b""
    for quality in range(1, 96):
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        best = buffer.getvalue() if len(buffer.getvalue()) <= size else best
    return best


def enlarged(samples: np.ndarray) -> np.ndarray:
    """The region at 3x as a good viewer would show it: by Lanczos' filter, which sees the pixels around it too."""
    x, y, w, h = REGION
    return np.asarray(Image.fromarray(samples).resize((3 * w, 3 * h), Image.Resampling.LANCZOS, (x, y, x + w, y + h)))


parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
parser.add_argument("--out", type=Path, default=Path("demo"))
arguments = parser.parse_args()
out: Path = arguments.out
out.mkdir(parents=True, exist_ok=True)

photo = np.asarray(Image.open(PHOTO))
with following(quiet=False, checkpoint=None) as hooks:
    report = inr.compress(photo, out / "photo.inr", hooks, steps=arguments.steps).report
for scale in (1, 2):
    inr.decompress(out / "photo.inr", out / f"photo_{scale}x.png", scale=scale, overwrite=True)
(out / "photo.jpg").write_bytes(jpeg_of_size(photo, report.bytes))
jpeg = np.asarray(Image.open(out / "photo.jpg"))

say("         bytes    bpp  PSNR dB    SSIM  seconds")
say(f"inr   {report.bytes:8d} {report.bpp:6.3f} {report.psnr:8.2f}  {report.ssim:.4f} {report.seconds_total:8.1f}")
size = (out / "photo.jpg").stat().st_size
say(f"JPEG  {size:8d} {8 * size / photo[..., 0].size:6.3f} {psnr(photo, jpeg, 255):8.2f}  {ssim(photo, jpeg, 255):.4f}")

detail = inr.open(out / "photo.inr").decode(region=REGION, scale=3)
sheet = Image.fromarray(np.pad(np.hstack([enlarged(photo), detail, enlarged(jpeg)]), ((24, 0), (0, 0), (0, 0))))
for i, caption in enumerate(("original, Lanczos 3x", "inr, decoded at 3x", "JPEG of the same size, Lanczos 3x")):
    ImageDraw.Draw(sheet).text((i * 3 * REGION[2] + 6, 4), caption, "white", font_size=14)
sheet.save(out / "side_by_side.png")
say(f"written: {', '.join(str(path) for path in sorted(out.iterdir()))}")
