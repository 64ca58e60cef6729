"""JPEG, WebP and AVIF as Pillow writes them, at the settings that give the highest PSNR at a size."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import AvifImagePlugin, Image, features
from PIL import __version__ as pillow

from inr.bench.codec.base import Codec
from inr.errors import MissingDependencyError
from inr.signals.signal import Samples, Signal

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Of Pillow, by the number of channels."""


class Rival(Codec):
    """A format of Pillow.

    Args:
        name: of the codec.
        format: of Pillow.
        library: what encodes, as Pillow's `features` call it.
        label: the settings in words.
        channels: how many a picture may have.
        values: of Pillow's quality.
        settings: what else Pillow is told.

    Raises:
        MissingDependencyError: this Pillow was built without the library.
    """

    parameter = "quality"

    def __init__(
        self,
        name: str,
        format: str,
        library: str,
        label: str,
        channels: tuple[int, ...],
        values: tuple[int, ...],
        settings: dict[str, Any],
    ) -> None:
        if not features.check(library):
            raise MissingDependencyError(f"{name}: Pillow {pillow} was built without it")
        self.name, self.format, self.settings, self.channels = name, format, label, channels
        self.values, self.suffix = tuple(float(value) for value in values), f".{format.lower()}"
        self.version = f"Pillow {pillow}, {_library_version(library)}"
        self._told = settings

    def refusal(self, signal: Signal) -> str | None:
        """See `Codec`."""
        if signal.meta.dtype != "uint8":
            return f"Pillow's {self.format} has 8 bits a sample; the picture is {signal.meta.dtype}"
        if signal.channels not in self.channels:
            return f"Pillow's {self.format} cannot hold {signal.channels} channels"
        return None

    def encode(self, signal: Signal, value: float, path: Path) -> None:
        """See `Codec`."""
        samples = np.ascontiguousarray(signal.samples[..., 0] if signal.channels == 1 else signal.samples)
        told = dict(self._told)
        if self.name == "avif" and signal.channels == 1:
            told["subsampling"] = "4:0:0"  # no chroma at all
        Image.fromarray(samples).save(path, self.format, quality=round(value), **told)

    def decode(self, path: Path) -> Samples:
        """See `Codec`."""
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
        with Image.open(path) as image:
            samples: Samples = np.asarray(image)
        return samples if samples.ndim == 3 else samples[..., None]

    def decoded(self, path: Path, channels: int) -> Samples:
        """See `Codec`: gray of a format that knows colours only is made gray again."""
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
        with Image.open(path) as image:
            samples: Samples = np.asarray(image.convert(MODES[channels]))
        return samples if samples.ndim == 3 else samples[..., None]


def _library_version(library: str) -> str:
    if library == "jpg":
        return f"libjpeg-turbo {features.version('libjpeg_turbo')}"
    if library == "avif":
        encoder = AvifImagePlugin.get_codec_version("aom")
        return f"libavif {features.version('avif')}, aom {encoder}"
    return f"libwebp {features.version(library)}"


def jpeg(threads: int) -> Rival:
    """JPEG 4:2:0 with optimised tables, progressive; it has no use for threads."""
    del threads
    return Rival(
        "jpeg",
        "JPEG",
        "jpg",
        "4:2:0, optimised, progressive",
        (1, 3),
        (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 98),
        {"subsampling": "4:2:0", "optimize": True, "progressive": True},
    )


def webp(threads: int) -> Rival:
    """Lossy WebP at its slowest; it has no use for threads."""
    del threads
    values = (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 98)
    return Rival("webp", "WEBP", "webp", "method 6", (1, 3, 4), values, {"method": 6})


def avif(threads: int) -> Rival:
    """AVIF 4:4:4 (gray: 4:0:0) at speed 6, tuned for PSNR."""
    return Rival(
        "avif",
        "AVIF",
        "avif",
        "4:4:4 (gray 4:0:0), speed 6, tune=psnr, one tile",
        (1, 3, 4),
        (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90),
        {
            "subsampling": "4:4:4",
            "speed": 6,
            "codec": "aom",
            "advanced": {"tune": "psnr"},
            "autotiling": False,  # it would cut large pictures into as many tiles as there are threads
            "max_threads": threads,
        },
    )


RIVALS = {"jpeg": jpeg, "webp": webp, "avif": avif}
"""By name, each for a number of threads."""
