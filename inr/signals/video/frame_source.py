"""What the readers and writers of video share: what a clip is, ranges of frames, limits, refusals."""

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from inr.errors import InrError, MissingDependencyError, SignalError, SpecError
from inr.signals.limits import MAX_SAMPLES
from inr.signals.refusal import Refusal, first_line
from inr.signals.signal import Array
from inr.signals.video.attributes import VideoAttributes
from inr.signals.video.times import FrameTimes

DEFAULT_RATE = Fraction(25)
"""Frames a second of what states none."""
# What FFmpeg says of files that are sound but beyond it.
_UNSUPPORTED = {"PatchWelcomeError", "DecoderNotFoundError", "DemuxerNotFoundError", "NotImplementedError"}

VideoType = Literal["uint8", "uint16"]
Size = tuple[int, int]


@dataclass(frozen=True)
class VideoInfo:
    """What a video holds.

    Attributes:
        frames: number of frames that decode; at least 1.
        width: in pixels, upright.
        height: in pixels, upright.
        channels: 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha).
        frame_rate: frames a second, the average if they are not equally far apart.
        duration_s: seconds from the begin of the first frame to the end of the last one.
        dtype: "uint8", or "uint16" if the video has more than 8 bits a sample.
        times: how long each frame is shown if they are not equally far apart, else None.
        pixel_aspect: width of a pixel by its height.
    """

    frames: int
    width: int
    height: int
    channels: int
    frame_rate: Fraction
    duration_s: float
    dtype: VideoType
    times: FrameTimes | None = None
    pixel_aspect: Fraction = Fraction(1)

    def attributes(self, first: int, count: int) -> VideoAttributes:
        """Those of a signal that has `count` frames of this video, from number `first` on."""
        return VideoAttributes(self.frame_rate, self.times, self.pixel_aspect).part(first, count)


class FrameSource(Protocol):
    """A video whose frames can be read from any one on."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def info(self) -> VideoInfo:
        """What it holds."""

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """Seconds from the first frame to each frame, shape `(info.frames,)`, increasing."""

    @property
    def tick(self) -> float:
        """Resolution of the times in seconds, 0 if they are exact."""

    def read(self, first: int, count: int, size: Size | None) -> Generator[Array, None, None]:
        """Decode `count` frames from number `first` on, each `(height, width, channels)`; raises `SignalError`."""


def require_av() -> None:
    """Raise `MissingDependencyError` if PyAV is not installed."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"video files need the package av, which cannot be imported ({first_line(error)}); "
            "install it with: pip install 'inr[video]'"
        ) from None


@contextmanager
def reported(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a `SignalError` of one line that begins with `name`."""
    try:
        yield
    except Refusal as refusal:
        raise SignalError(f"{name} {refusal}") from refusal.__cause__
    except (InrError, ImportError):
        raise
    except MemoryError:
        raise SignalError(f"{name} needs more memory than there is") from None
    except Exception as error:
        if type(error).__name__ in _UNSUPPORTED:
            raise SignalError(f"{name} is not supported by the installed av: {words(error)}") from error
        raise SignalError(f"{name} is damaged: {words(error)}") from error


def words(error: Exception) -> str:
    """What an error says, without the number and the path that PyAV puts around it."""
    text = getattr(error, "strerror", None)
    return text[:1].lower() + text[1:] if isinstance(text, str) and text else first_line(error)


def chosen(source: FrameSource, time: tuple[float, float] | None, frames: tuple[int, int] | None) -> tuple[int, int]:
    """The first frame and the number of frames that a caller asks for, all of them if for nothing.

    Args:
        source: the video.
        time: (start, end) in seconds from the first frame, half open; the end may be infinite.
        frames: (first, count).

    Raises:
        SpecError: both are given, the range is empty, or it is not within the video.
    """
    if time is not None and frames is not None:
        raise SpecError(f"video range: give seconds or frames, not both; got time {time} and frames {frames}")
    if time is not None:
        return _frames_within(source, *time)
    count = source.info.frames
    if frames is None:
        return 0, count
    if frames[1] < 1:
        raise SpecError(f"frames: at least 1 is needed; got {frames[1]}")
    if frames[0] < 0 or frames[0] + frames[1] > count:
        raise SpecError(f"frames: {source.name} has frames 0..{count - 1}; got {frames[1]} from {frames[0]}")
    return frames


def _frames_within(source: FrameSource, start: float, end: float) -> tuple[int, int]:
    """The frames that begin at `start` or later and before `end`, in seconds; raises `SpecError`."""
    info = source.info
    if not start >= 0 or not end > start:
        raise SpecError(f"time: needs 0 <= start < end in seconds; got {start:g} to {end:g}")
    if start >= info.duration_s or (math.isfinite(end) and end > info.duration_s + 0.5 / float(info.frame_rate)):
        raise SpecError(f"time: {source.name} lasts {info.duration_s:.6g} s; got {start:g} to {end:g} s")
    # Containers round times, so 1/3 s may be stored as 0.333 s.
    slack = min(0.51 * source.tick, 0.25 / float(info.frame_rate)) + 1e-9
    first, stop = (int(i) for i in np.searchsorted(source.times, (start - slack, end - slack)))
    if first >= stop:
        raise SpecError(
            f"time: no frame of {source.name} begins from {start:g} to {end:g} s; "
            f"they are about {1 / float(info.frame_rate):.4g} s apart"
        )
    return first, stop - first


def checked_size(info: VideoInfo, size: Size | None) -> Size:
    """The (width, height) that frames are read at; raises `SpecError` if what is asked for has no pixels."""
    if size is None:
        return info.width, info.height
    if min(size) < 1:
        raise SpecError(f"video size: width and height must be at least 1; got {size[0]} × {size[1]}")
    return size


def check_samples(name: str, frames: int, size: Size) -> None:
    """Raise `SignalError` if frames of (width, height) together have more than `MAX_SAMPLES` samples."""
    samples = frames * size[0] * size[1]
    if samples > MAX_SAMPLES:
        raise SignalError(
            f"{name}: {frames} frames of {size[0]} × {size[1]} are {samples} samples; at most {MAX_SAMPLES} are read "
            "at once: choose a range of frames or seconds, a smaller size, or read it in segments"
        )
