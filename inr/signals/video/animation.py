"""Animated WebP and AVIF pictures as videos, read by Pillow.

FFmpeg reads animated GIF and PNG, and AVIF of more than 8 bits, which Pillow cuts to 8.
"""

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inr.signals.image.picture import check_size, oriented
from inr.signals.image.pillow import array_of, quiet
from inr.signals.image.tiff_tags import exif_orientation
from inr.signals.signal import Array
from inr.signals.video.frame_source import Size, VideoInfo, reported, require_av
from inr.signals.video.frames import resampled
from inr.signals.video.times import rate_of

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_TICK = Fraction(1, 1000)
_INSTEAD = 100
"""Milliseconds for which a frame is shown whose time is 0, as browsers do."""


@dataclass(frozen=True, eq=False)
class Animation:
    """An animated picture; a `FrameSource`."""

    name: str
    info: VideoInfo
    times: npt.NDArray[np.float64]
    tick: float
    _data: bytes
    _format: str

    def read(self, first: int, count: int, size: Size | None) -> Generator[Array, None, None]:
        """As `FrameSource.read`."""
        if size == (self.info.width, self.info.height):
            size = None
        if size is not None:
            require_av()
        with reported(self.name), _image(self._data, self._format) as image:
            for number in range(first, first + count):
                frame = _frame(image, number)
                samples = np.ascontiguousarray(frame[:, :, : self.info.channels])
                yield samples if size is None else resampled(samples, size)


def is_for_ffmpeg(data: bytes) -> bool:
    """True for an AVIF file of more than 8 bits a sample."""
    place = data.find(b"av1C") + 6
    return place > 5 and place < len(data) and bool(data[place] & 0b01000000)


def open_animation(data: bytes, name: str, format_: str) -> Animation:
    """Look through an animated picture.

    Args:
        data: the file.
        name: what messages call it.
        format_: "webp" or "avif".

    Raises:
        SignalError: it is damaged or too large.
    """
    with reported(name), _image(data, format_) as image:
        frames = int(getattr(image, "n_frames", 1))
        edges, transparent = np.zeros(frames + 1, np.int64), False
        for number in range(frames):
            samples = _frame(image, number)
            transparent = transparent or _is_transparent(samples)
            edges[number + 1] = edges[number] + _milliseconds(image, int(edges[number]), format_)
        height, width, channels = samples.shape
        kept = channels if transparent else 1 if channels <= 2 else 3
        seconds = int(edges[-1]) * _TICK
        rate, times = rate_of(edges, _TICK) if format_ == "webp" else rate_of(edges, _TICK, frames / seconds)
        info = VideoInfo(frames, width, height, kept, rate, float(seconds), "uint8", times)
        return Animation(name, info, edges[:-1] * float(_TICK), float(_TICK), data, format_)


def _milliseconds(image: "ImageFile", begin: int, format_: str) -> int:
    """How long the frame that was read last is shown, if the ones before it end at `begin`."""
    length = round(image.info.get("duration") or 0) or _INSTEAD
    if format_ == "webp":
        return length
    # The sum of rounded times would drift away from the rounded sum.
    return max(1, round(image.info.get("timestamp") or 0) + length - begin)


def _is_transparent(samples: Array) -> bool:
    """True if any pixel of a frame with an alpha channel is not opaque."""
    return samples.shape[2] in (2, 4) and int(samples[:, :, -1].min()) < 255


@contextmanager
def _image(data: bytes, format_: str) -> "Iterator[ImageFile]":
    """Open a picture of several frames whose size is allowed."""
    from PIL.AvifImagePlugin import AvifImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    if format_ == "webp" and data[12:16] == b"VP8X":
        check_size(*(int.from_bytes(data[i : i + 3], "little") + 1 for i in (27, 24)))
    with quiet(), (WebPImageFile if format_ == "webp" else AvifImageFile)(io.BytesIO(data)) as image:
        check_size(image.height, image.width)
        yield image


def _frame(image: "ImageFile", number: int) -> Array:
    """One frame, upright, `(height, width, channels)`."""
    image.seek(number)
    image.load()
    samples = array_of(image)
    if samples.ndim == 2:
        samples = samples[:, :, np.newaxis]
    return oriented(samples, exif_orientation(image.info.get("exif")))
