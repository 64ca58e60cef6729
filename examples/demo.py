"""The main job on a real photo: compress it, decode it at 1x and 2x, and set it beside JPEG and AVIF at equal bytes."""

import argparse
import bisect
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
JPEG = {"format": "JPEG", "optimize": True, "progressive": True}  # 4:2:0
AVIF = {"format": "AVIF", "subsampling": "4:4:4", "speed": 6, "advanced": {"tune": "psnr"}}


def written(photo: np.ndarray, options: dict, quality: int) -> bytes:
    """The file of another codec."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, quality=quality, **options)
    return buffer.getvalue()


def enlarged(samples: np.ndarray) -> np.ndarray:
    """The region at 3x as a good viewer would show it: by Lanczos' filter, which sees the pixels around it too."""
    x, y, w, h = REGION
    return np.asarray(Image.fromarray(samples).resize((3 * w, 3 * h), Image.Resampling.LANCZOS, (x, y, x + w, y + h)))


parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int)
parser.add_argument("--out", type=Path, default=Path("demo"))
arguments = parser.parse_args()
photo, out = np.asarray(Image.open(PHOTO)), arguments.out
out.mkdir(parents=True, exist_ok=True)
with following(quiet=False, checkpoint=None) as hooks:
    report = inr.compress(photo, out / "photo.inr", hooks, steps=arguments.steps).report
for scale in (1, 2):
    inr.decompress(out / "photo.inr", out / f"photo_{scale}x.png", scale=scale, overwrite=True)
say("         bytes    bpp  PSNR dB    SSIM  seconds")
say(f"inr   {report.bytes:8d} {report.bpp:6.3f} {report.psnr:8.2f}  {report.ssim:.4f} {report.seconds_total:8.1f}")
shown = {"original": enlarged(photo), "inr, decoded at 3x": inr.open(out / "photo.inr").decode(region=REGION, scale=3)}
for name, options in {"JPEG": JPEG, "AVIF": AVIF}.items():  # the best that is no larger, or the smallest there is
    fits = bisect.bisect(range(96), report.bytes, key=lambda q, options=options: len(written(photo, options, q)))
    data = written(photo, options, max(fits - 1, 0))
    (out / f"photo.{name.lower()}").write_bytes(data)
    other, bpp = np.asarray(Image.open(io.BytesIO(data))), 8 * len(data) / photo[..., 0].size
    say(f"{name}  {len(data):8d} {bpp:6.3f} {psnr(photo, other, 255):8.2f}  {ssim(photo, other, 255):.4f}")
    shown[f"{name} of the same size"] = enlarged(other)
panels = [np.pad(panel, ((24, 0), (0, 4), (0, 0))) for panel in shown.values()]
sheet, (height, width, _) = Image.fromarray(np.vstack([np.hstack(panels[:2]), np.hstack(panels[2:])])), panels[0].shape
for i, caption in enumerate(shown):
    ImageDraw.Draw(sheet).text((i % 2 * width + 6, i // 2 * height + 4), caption, "white", font_size=14)
sheet.save(out / "side_by_side.png")
say(f"written: {', '.join(str(path) for path in sorted(out.iterdir()))}")
