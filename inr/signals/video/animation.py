"""Animated WebP and AVIF pictures as videos, read by Pillow; FFmpeg reads animated GIF and PNG."""

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inr.signals.image.picture import check_size, oriented
from inr.signals.image.pillow import array_of, avif_samples, quiet
from inr.signals.image.tiff_tags import exif_orientation
from inr.signals.signal import Array
from inr.signals.video.frame_source import Size, VideoInfo, VideoType, reported, require_av
from inr.signals.video.frames import resampled
from inr.signals.video.times import rate_of

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_TICK = Fraction(1, 1000)
_LEAST = 11
"""Milliseconds; a frame that is to be shown for less is shown for `_INSTEAD`, as browsers do."""
_INSTEAD = 100


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
                frame = _frame(image, number, self._data, self._format)
                samples = np.ascontiguousarray(frame[:, :, : self.info.channels])
                yield samples if size is None else resampled(samples, size)


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
            samples = _frame(image, number, data, format_)
            transparent = transparent or _is_transparent(samples)
            edges[number + 1] = edges[number] + _milliseconds(image, int(edges[number]), format_)
        height, width, channels = samples.shape
        dtype: VideoType = "uint8" if samples.dtype == np.uint8 else "uint16"
        kept = channels if transparent else 1 if channels <= 2 else 3
        seconds = int(edges[-1]) * _TICK
        rate, times = rate_of(edges, _TICK) if format_ == "webp" else rate_of(edges, _TICK, frames / seconds)
        info = VideoInfo(frames, width, height, kept, rate, float(seconds), dtype, times)
        return Animation(name, info, edges[:-1] * float(_TICK), float(_TICK), data, format_)


def _milliseconds(image: "ImageFile", begin: int, format_: str) -> int:
    """How long the frame that was read last is shown, if the ones before it end at `begin`."""
    length = round(image.info.get("duration") or 0)
    if format_ == "webp":
        return length if length >= _LEAST else _INSTEAD
    # The sum of rounded times would drift away from the rounded sum.
    return max(1, round(image.info.get("timestamp") or 0) + length - begin)


def _is_transparent(samples: Array) -> bool:
    """True if any pixel of a frame with an alpha channel is not opaque."""
    top = 255 if samples.dtype == np.uint8 else 65535
    return samples.shape[2] in (2, 4) and int(samples[:, :, -1].min()) < top


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


def _frame(image: "ImageFile", number: int, data: bytes, format_: str) -> Array:
    """One frame, upright, `(height, width, channels)`; one of 10 or 12 bits as 16 bits."""
    image.seek(number)
    image.load()
    samples = array_of(image) if format_ == "webp" else avif_samples(data, number)
    if samples.ndim == 2:
        samples = samples[:, :, np.newaxis]
    return oriented(samples, exif_orientation(image.info.get("exif")))
