"""Arrays of frames to video files and folders of images.

MKV (FFV1) and folders of PNG are lossless and keep 16 bits; MP4 (H.264), WebM (VP9) and GIF are lossy and get 16 bits
scaled to 8. A file appears whole or not at all.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from inr.errors import FileAccessError, InrError, SpecError
from inr.files import beside, check_writable, reason, replacing, temporary
from inr.meta import INTEGER_RANGE, SignalMeta
from inr.signals.image.attributes import ImageAttributes
from inr.signals.image.png import MAX_SIDE
from inr.signals.image.write import encode_image, to_integers
from inr.signals.signal import Array, Samples
from inr.signals.video.attributes import VideoAttributes
from inr.signals.video.encode import Encoder, check_encoder
from inr.signals.video.frame_source import VideoType, require_av, words

_CHANNEL_NAMES = {1: "gray", 2: "gray with alpha", 3: "RGB", 4: "RGB with alpha"}
_TYPES = ("uint8", "uint16")
# System errors that encoders borrow to say that they do not support something.
_NOT_THE_DISK = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ERANGE, errno.EDOM)


@dataclass(frozen=True)
class _Format:
    """A format to write.

    Attributes:
        description: for people.
        channels: numbers of channels it can hold.
        deep: whether it keeps 16 bits.
        max_side: largest width or height, or None.
        rates: slowest and fastest frame rate; containers count time in ticks.
    """

    description: str
    channels: tuple[int, ...]
    deep: bool = False
    max_side: int | None = None
    rates: tuple[Fraction, Fraction] | None = (Fraction(1, 1000), Fraction(1000))


_FOLDER = ""
_FORMATS = {
    ".mp4": _Format("H.264 in MP4, lossy, 8 bits; gray becomes RGB", (1, 3), max_side=16384),
    ".mkv": _Format("FFV1 in Matroska, lossless, 8 and 16 bits", (1, 3, 4), deep=True),
    ".webm": _Format("VP9 in WebM, lossy, 8 bits; gray becomes RGB", (1, 3, 4), max_side=16383),
    # Players slow down what has less than 2 hundredths of a second between frames.
    ".gif": _Format("animated GIF, 256 colours a frame", (1, 3), False, 65535, (Fraction(1, 600), Fraction(50))),
    _FOLDER: _Format("a folder of PNG images, lossless, 8 and 16 bits", (1, 2, 3, 4), True, MAX_SIDE, None),
}


def video_formats() -> dict[str, str]:
    """The suffixes that videos can be written with and what each means; the empty one is a folder."""
    return {suffix: format_.description for suffix, format_ in _FORMATS.items()}


def check_video_format(
    path: str | Path,
    channels: int,
    dtype: str,
    *,
    size: tuple[int, int] | None = None,
    attributes: VideoAttributes | None = None,
) -> None:
    """Check that the format of a path's suffix can hold a video, without writing anything.

    Args:
        path: where to; without a suffix, or an existing folder, for a folder of PNG images.
        channels: 1 (gray), 2 (gray with alpha), 3 (RGB) or 4 (RGB with alpha).
        dtype: "uint8" or "uint16".
        size: (width, height), if known.
        attributes: times of the frames, if known.

    Raises:
        SpecError: the suffix is unknown, or the format cannot hold the video; the message names those that can.
        MissingDependencyError: PyAV is needed and not installed.
        BackendUnavailableError: the installed PyAV lacks the encoder.
    """
    suffix = _format_of(path)
    if dtype not in _TYPES:
        raise SpecError(f"video {path}: frames are {' or '.join(_TYPES)}; got {dtype}")
    if channels not in _CHANNEL_NAMES:
        raise SpecError(f"video {path}: 1 to 4 channels are allowed; got {channels}")
    format_ = _FORMATS[suffix]
    if channels not in format_.channels:
        able = ", ".join(_shown(name) for name, other in _FORMATS.items() if channels in other.channels)
        raise SpecError(
            f"video {path}: {_shown(suffix)} cannot hold {_CHANNEL_NAMES[channels]}; those that can: {able}"
        )
    if size is not None and min(size) < 1:
        raise SpecError(f"video {path}: width and height must be at least 1; got {size[0]} × {size[1]}")
    if size is not None and format_.max_side is not None and max(size) > format_.max_side:
        raise SpecError(f"video {path}: a side has at most {format_.max_side} pixels; got {size[0]} × {size[1]}")
    _check_rate(path, attributes, format_)
    if suffix != _FOLDER:
        require_av()
        check_encoder(suffix)


def _check_rate(path: str | Path, attributes: VideoAttributes | None, format_: _Format) -> None:
    """Raise `SpecError` for times of frames that a format cannot hold."""
    if attributes is None or format_.rates is None:
        return
    (low, high), rate, times = format_.rates, attributes.frame_rate, attributes.times
    if not low <= rate <= high:
        raise SpecError(f"video {path}: {low} to {high} frames a second are allowed; got {float(rate):g}")
    longest = 0 if times is None else max(ticks for ticks, _ in times.runs) * times.tick
    if longest * low > 1:
        raise SpecError(f"video {path}: frames may be shown for {1 / low} s; one is for {float(longest):g} s")


def _format_of(path: str | Path) -> str:
    """The suffix that stands for the format of a path; raises `SpecError`."""
    if str(path) == "-":
        raise SpecError("video -: a video cannot be written to standard output; name a file or a folder")
    suffix = Path(path).suffix.lower()
    if Path(path).is_dir():
        return _FOLDER
    if suffix not in _FORMATS:
        allowed = ", ".join(name for name in _FORMATS if name)
        raise SpecError(f"video {path}: unknown suffix {suffix!r}; allowed are {allowed}, and none for a folder of PNG")
    return suffix


def _shown(suffix: str) -> str:
    return suffix or "a folder"


class _Sink(Protocol):
    """Where frames go."""

    def write(self, frame: Array) -> None:
        """Take one frame `(height, width, channels)`."""

    def finish(self) -> None:
        """Write what is left."""

    def abandon(self) -> None:
        """Let go of the file; never raises."""


class _ImageFolder:
    """Frames as numbered PNG files."""

    def __init__(self, folder: Path, dtype: VideoType) -> None:
        low, high = INTEGER_RANGE[dtype]
        self._folder, self._number = folder, 0
        self._meta = SignalMeta(dtype, (float(low), float(high)), ImageAttributes())

    def write(self, frame: Array) -> None:
        (self._folder / f"{self._number:05d}.png").write_bytes(encode_image(frame, self._meta, "png"))
        self._number += 1

    def finish(self) -> None:
        """Nothing is left."""

    def abandon(self) -> None:
        """Nothing is open."""


class _AbandonedError(Exception):
    """Passed to the context of a temporary file to have it removed."""


class VideoWriter:
    """Writes a video frame by frame; a context manager.

    The file appears when the writer is closed. On an error within the context, or without any frame, nothing is left.
    """

    def __init__(
        self, path: str | Path, attributes: VideoAttributes, width: int, height: int, channels: int, dtype: VideoType
    ) -> None:
        """Open a video for writing.

        Args:
            path: where to: .mp4, .mkv, .webm, .gif; without suffix a new or empty folder, for PNG images, which keep
                neither times nor the shape of pixels.
            attributes: times of the frames, and the shape of pixels.
            width: in pixels, at least 1.
            height: in pixels, at least 1.
            channels: 1 to 4.
            dtype: "uint8" or "uint16".

        Raises:
            SpecError: as `check_video_format`.
            FileAccessError: the file cannot be written, or the folder is not empty.
            MissingDependencyError: as `check_video_format`.
            BackendUnavailableError: as `check_video_format`.
        """
        check_video_format(path, channels, dtype, size=(width, height), attributes=attributes)
        suffix = _format_of(path)
        self._path, self._shape, self._dtype = path, (height, width, channels), dtype
        self._expected = None if attributes.times is None else attributes.times.frames
        self._frames, self._open = 0, True
        self._deep = _FORMATS[suffix].deep
        self._stack = contextlib.ExitStack()
        if suffix == _FOLDER:
            made = self._stack.enter_context(_replacing_folder(Path(path)))
            self._sink: _Sink = _ImageFolder(made, dtype)
            return
        made = self._stack.enter_context(replacing(path))
        try:
            with self._reported():
                stored = dtype if self._deep else "uint8"
                self._sink = Encoder(made, suffix, attributes, self._shape, stored)
        except BaseException:
            self._remove()
            raise

    def write(self, frames: Array) -> None:
        """Append frames.

        Args:
            frames: `(n, height, width, channels)` of the writer's size and type.

        Raises:
            SpecError: another shape or type, the writer is closed, or the encoder refuses the frames.
            FileAccessError: the disk is full or fails; the writer is closed and nothing is left.
        """
        if not self._open:
            raise SpecError(f"video {self._path}: it is closed; no more frames can be written")
        if frames.ndim != 4 or frames.shape[1:] != self._shape or frames.dtype.name != self._dtype:
            expected = ", ".join(str(n) for n in self._shape)
            raise SpecError(
                f"video {self._path}: needs frames of shape (n, {expected}) and type {self._dtype}; "
                f"got {frames.shape} and {frames.dtype}"
            )
        try:
            with self._reported():
                for frame in frames:
                    if self._frames == self._expected:
                        raise SpecError(f"video {self._path}: has times for {self._expected} frames; got more")
                    self._sink.write(frame if self._deep else to_integers(frame, self._meta(), np.uint8))
                    self._frames += 1
        except BaseException:
            self.abort()
            raise

    def close(self) -> None:
        """Finish the video and put it in its place; nothing if it is closed already.

        Raises:
            SpecError: no frame was written; nothing is left.
            FileAccessError: it cannot be written; nothing is left.
        """
        if not self._open:
            return
        try:
            if self._frames == 0:
                raise SpecError(f"video {self._path}: at least 1 frame is needed; got 0")
            if self._expected is not None and self._frames != self._expected:
                raise SpecError(f"video {self._path}: has times for {self._expected} frames; got {self._frames}")
            with self._reported():
                self._sink.finish()
        except BaseException:
            self.abort()
            raise
        self._open = False
        self._stack.close()

    def abort(self) -> None:
        """Drop the video and leave nothing; nothing if it is closed already."""
        if self._open:
            self._sink.abandon()
            self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def _remove(self) -> None:
        """Remove the temporary file."""
        self._open = False
        # An exception is what makes the context of the temporary file remove it instead of renaming it.
        self._stack.__exit__(_AbandonedError, _AbandonedError(), None)

    def _meta(self) -> SignalMeta:
        low, high = INTEGER_RANGE[self._dtype]
        return SignalMeta(self._dtype, (float(low), float(high)), ImageAttributes())

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn what an encoder or the disk raises into an error of one line."""
        try:
            yield
        except (InrError, ImportError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno not in _NOT_THE_DISK:
                raise FileAccessError(f"cannot write {self._path}: {words(error)}") from None
            raise SpecError(f"video {self._path}: the encoder refuses it: {words(error)}") from error


@contextlib.contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, renamed to it on success and removed on any failure."""
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            if any(target.iterdir()):
                raise FileAccessError(f"cannot write frames into {path}: the folder is not empty")
            check_writable(target / "00000.png")
        else:
            check_writable(path)
            if target.exists():
                raise FileAccessError(f"cannot write frames into {path}: it is a file")
        with temporary(beside(target)) as made:
            made.mkdir()
            yield made
            if target.is_dir():
                target.rmdir()  # it is empty; not every system renames over a folder
            made.rename(target)
    except FileAccessError:
        raise
    except OSError as error:
        raise FileAccessError(f"cannot write {path}: {reason(error)}") from None


def save_video(path: str | Path, samples: Samples, meta: SignalMeta) -> None:
    """Write a video in the format of the suffix of its path.

    Args:
        path: as for `VideoWriter`; the file is written whole or not at all.
        samples: `(frames, height, width, channels)` of type uint8 or uint16; at least 1 frame.
        meta: of a video; its times and the shape of its pixels are written.

    Raises:
        SpecError: as `VideoWriter`, or the samples are not those of a video.
        FileAccessError: as `VideoWriter`.
        MissingDependencyError: as `VideoWriter`.
        BackendUnavailableError: as `VideoWriter`.
    """
    own = meta.attributes
    if samples.ndim != 4 or samples.size == 0 or not isinstance(own, VideoAttributes):
        raise SpecError(
            f"video {path}: needs samples (frames, height, width, channels), none of them 0, and a frame rate; "
            f"got {samples.shape} of kind {meta.kind}"
        )
    if samples.dtype.name not in _TYPES:
        raise SpecError(f"video {path}: frames are {' or '.join(_TYPES)}; got {samples.dtype}")
    dtype: VideoType = "uint8" if samples.dtype == np.uint8 else "uint16"
    _, height, width, channels = samples.shape
    with VideoWriter(path, own, width, height, channels, dtype) as writer:
        writer.write(samples)
