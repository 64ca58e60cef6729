"""Animated PNG, WebP and AVIF pictures as videos; FFmpeg reads animated GIF, and AVIF of more than 8 bits."""

import io
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inr.signals.image.picture import check_size, oriented
from inr.signals.image.pillow import array_of, quiet
from inr.signals.image.tiff_tags import exif_orientation
from inr.signals.signal import Array
from inr.signals.video.apng import frames_of
from inr.signals.video.frame_source import Size, VideoInfo, VideoType, reported, require_av
from inr.signals.video.frames import resampled
from inr.signals.video.times import rate_of

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Frames = Callable[[], Generator[tuple[Array, Fraction], None, None]]
"""Decodes all frames, `(height, width, channels)`, with the seconds that each is shown."""

_INSTEAD = Fraction(1, 10)
"""Seconds for which a frame is shown whose time is 0, as browsers do."""
_ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
_FINEST = 1_000_000
_MILLISECONDS = 1000


@dataclass(frozen=True, eq=False)
class Animation:
    """An animated picture; a `FrameSource`."""

    name: str
    info: VideoInfo
    times: npt.NDArray[np.float64]
    tick: float
    _frames: Frames

    def read(self, first: int, count: int, size: Size | None) -> Generator[Array, None, None]:
        """As `FrameSource.read`."""
        if size == (self.info.width, self.info.height):
            size = None
        if size is not None:
            require_av()
        with reported(self.name), closing(self._frames()) as run:
            for samples, _ in islice(run, first, first + count):
                frame = _channels(samples, self.info.channels)
                yield frame if size is None else resampled(frame, size)


def open_animation(data: bytes, name: str, format_: str) -> Animation:
    """Look through an animated picture.

    Args:
        data: the file.
        name: what messages call it.
        format_: "apng", "webp" or "avif".

    Raises:
        SignalError: it is damaged or too large.
    """

    def frames() -> Generator[tuple[Array, Fraction], None, None]:
        yield from frames_of(data, _INSTEAD) if format_ == "apng" else _pillow_frames(data, format_)

    with reported(name):
        ends, transparent = [Fraction(0)], False
        for samples, seconds in frames():
            transparent = transparent or _is_transparent(samples)
            ends.append(ends[-1] + seconds)
        height, width, channels = samples.shape
        dtype: VideoType = "uint8" if samples.dtype == np.uint8 else "uint16"
        edges, tick = _ticks(ends)
        # Times of AVIF are those of a film, rounded by Pillow; those of the others were chosen by an author.
        rate, times = rate_of(edges, tick, *([(len(ends) - 1) / ends[-1]] if format_ == "avif" else []))
        kept = 4 if transparent else 1 if channels <= 2 else 3
        info = VideoInfo(len(edges) - 1, width, height, kept, rate, float(ends[-1]), dtype, times)
        begins: npt.NDArray[np.float64] = edges[:-1] * np.float64(tick)
        return Animation(name, info, begins, float(tick), frames)


def is_for_ffmpeg(data: bytes) -> bool:
    """True for an AVIF file of more than 8 bits a sample, which Pillow cuts to 8; FFmpeg leaves alpha out."""
    place = data.find(b"av1C") + 6
    return 5 < place < len(data) and bool(data[place] & 0b01000000) and _ALPHA not in data


def _ticks(ends: list[Fraction]) -> tuple[npt.NDArray[np.int64], Fraction]:
    """Times in seconds as multiples of one tick; rounded if they have none in common that is long enough."""
    parts = 1
    for end in ends:
        parts = int(np.lcm(parts, end.denominator)) if parts <= _FINEST else parts
    parts = min(parts, _FINEST)
    return np.array([round(end * parts) for end in ends], np.int64), Fraction(1, parts)


def _pillow_frames(data: bytes, format_: str) -> Iterator[tuple[Array, Fraction]]:
    """The frames of a WebP or AVIF file."""
    with _image(data, format_) as image:
        begin = 0
        for number in range(int(getattr(image, "n_frames", 1))):
            image.seek(number)
            image.load()
            samples = array_of(image)
            samples = samples[:, :, np.newaxis] if samples.ndim == 2 else samples
            # The sum of rounded times would drift away from the rounded sum.
            end = round(image.info.get("timestamp") or 0) + round(image.info.get("duration") or 0)
            length = end - begin if end > begin else int(_INSTEAD * _MILLISECONDS)
            begin += length
            yield oriented(samples, exif_orientation(image.info.get("exif"))), Fraction(length, _MILLISECONDS)


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


def _is_transparent(samples: Array) -> bool:
    """True if any pixel of a frame with an alpha channel is not opaque."""
    return samples.shape[2] in (2, 4) and bool(samples[:, :, -1].min() < np.iinfo(samples.dtype).max)


def _channels(samples: Array, channels: int) -> Array:
    """Gray, RGB, or RGB with alpha of a frame that has as much or more; gray with alpha as RGB with alpha."""
    if channels == 4 and samples.shape[2] == 2:
        samples = samples[:, :, [0, 0, 0, 1]]
    return np.ascontiguousarray(samples[:, :, :channels])
