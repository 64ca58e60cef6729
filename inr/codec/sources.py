"""Where signals come from and go to: files of any kind, bytes, arrays."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from inr.errors import SignalError, SpecError
from inr.files import check_other, check_writable, read_bytes, write_bytes
from inr.meta import SignalMeta
from inr.signals import array as arrays
from inr.signals import image as images
from inr.signals import video as videos
from inr.signals.signal import Samples, Signal

Source = str | Path | bytes | npt.NDArray[Any] | Signal
Seconds = tuple[float, float]
VideoType = Literal["uint8", "uint16"]

MIN_SIDE = 2
"""Samples that a picture needs on each side to be a field of its coordinates."""


def load(source: Source, *, time: Seconds | None = None, axes: int | None = None) -> Signal:
    """A signal from a path (``-``: standard input), the bytes of a file, an array, or a signal.

    A ``.npy`` file or array of shape `(h, w)` or `(h, w, 1..4)` is a picture unless `axes` says otherwise; any other
    shape has a coordinate for every axis.

    Args:
        source: an image, a video, a folder of frames, a ``.npy`` file, or an array.
        time: (start, end) in seconds of a video.
        axes: how many axes of an array are coordinates; one more may hold channels.

    Raises:
        FileAccessError: the path cannot be read.
        SignalError: not a signal that can be fitted.
        SpecError: an option that does not go with this kind of signal.
    """
    if isinstance(source, Signal):
        _check_options("a signal", time, axes)
        return source
    if is_video(source):
        _check_options("a video", None, axes)
        return videos.load_video(_of_video(source), time=time)
    if isinstance(source, np.ndarray):
        array, name = source, "array"
    else:
        data = source if isinstance(source, bytes) else read_bytes(source)
        name = "data" if isinstance(source, bytes) else "standard input" if str(source) == "-" else str(source)
        if not data.startswith(arrays.MAGIC):
            _check_options("a picture", time, axes)
            return images.decode_image(data, name)
        array = arrays.read_npy(data, name)
    _check_options("an array", time, None)
    if axes is None and arrays.is_picture(array):
        return images.image_from_array(array, name)
    return arrays.signal_of(array, axes, name)


@dataclass(frozen=True)
class Parts:
    """A signal in parts along its first axis, to be fitted one after the other.

    Attributes:
        lengths: samples of each part along the first axis.
        signals: the parts; iterating reads them, one at a time.
    """

    lengths: tuple[int, ...]
    signals: Iterable[Signal]

    @staticmethod
    def of(signal: Signal) -> "Parts":
        """A signal as a single part."""
        return Parts(signal.domain.shape[:1], (signal,))


def load_parts(
    source: Source, *, segment: int | None = None, time: Seconds | None = None, axes: int | None = None
) -> Parts:
    """A long video in segments, everything else whole.

    Args:
        source: as for `load`.
        segment: frames of a segment of a video, at most; None for a few million pixels.
        time: as for `load`.
        axes: as for `load`.

    Raises:
        InrError: as `load`; damage within the frames of a video is found when its parts are read.
    """
    if not is_video(source):
        if segment is not None:
            raise SpecError(f"segment: only a video has segments; got {segment}")
        return Parts.of(check_fittable(load(source, time=time, axes=axes)))
    _check_options("a video", None, axes)
    segments = videos.video_segments(_of_video(source), segment, time=time)
    _check_sides(segments.height, segments.width)
    return Parts(segments.lengths, segments)


def is_video(source: Source) -> bool:
    """True for a video file, the bytes of one, or a folder of frames."""
    if isinstance(source, Signal | np.ndarray) or str(source) == "-":
        return False
    return videos.is_video(Path(source) if isinstance(source, str) else source)


def _of_video(source: Source) -> Path | bytes:
    if isinstance(source, bytes | Path):
        return source
    return Path(str(source))


def _check_options(what: str, time: Seconds | None, axes: int | None) -> None:
    if time is not None:
        raise SpecError(f"time: only a video has times; this is {what}")
    if axes is not None:
        raise SpecError(f"axes: only an array has a number of axes to choose; this is {what}")


def check_fittable(signal: Signal) -> Signal:
    """The signal, if a field of its coordinates can be fitted to it; raises `SignalError`."""
    if signal.meta.kind != "array":
        _check_sides(*signal.domain.shape[-2:])
    return signal


def _check_sides(height: int, width: int) -> None:
    if min(height, width) < MIN_SIDE:
        raise SignalError(f"a picture needs at least {MIN_SIDE} pixels on each side; got {width}x{height}")


def save(signal: Signal, path: str | Path) -> None:
    """Write a signal in the format that the suffix names (``-``: PNG, or ``.npy`` for an array, to standard output).

    Raises:
        SpecError: an unknown suffix, or a format that cannot hold the signal.
        FileAccessError: the path cannot be written.
    """
    save_blocks(path, [signal.samples], signal.domain.shape, signal.channels, signal.meta)


def save_blocks(
    path: str | Path, blocks: Iterable[Samples], shape: tuple[int, ...], channels: int, meta: SignalMeta
) -> None:
    """As `save`, of samples that come in consecutive blocks of rows or frames; a video is written as they come.

    Args:
        path: where to.
        blocks: `(rows, *shape[1:], channels)` each.
        shape: of the whole.
        channels: values a sample.
        meta: meaning of the samples.
    """
    _check_format(path, shape, channels, meta)
    if meta.kind == "video" and not _is_npy(path) and meta.frame_rate is not None:
        height, width = shape[1:]
        dtype = cast(VideoType, meta.dtype)  # checked above
        with videos.VideoWriter(Path(path), meta.frame_rate, width, height, channels, dtype) as writer:
            for block in blocks:
                writer.write(block)
        return
    samples = np.empty((*shape, channels), dtype=meta.dtype)
    row = 0
    for block in blocks:
        samples[row : row + len(block)] = block
        row += len(block)
    if meta.kind == "array" or _is_npy(path):
        write_bytes(path, arrays.npy_bytes(samples))
    else:
        images.save_image(path, samples, meta)


def check_name(source: Source, destination: str | Path) -> None:
    """Raise an `InrError` if a destination is the input or cannot be written, before anything is decoded."""
    if isinstance(source, str | Path):
        check_other(source, destination)
    if str(destination) != "-" and (not Path(destination).suffix or os.path.isdir(destination)):
        return  # a folder of frames, which the writer of videos checks; pictures and arrays are refused by their suffix
    check_writable(destination)


def _check_format(path: str | Path, shape: tuple[int, ...], channels: int, meta: SignalMeta) -> None:
    """Raise `SpecError` if the format that a path names cannot hold such samples."""
    if meta.kind == "array":
        if str(path) != "-" and not _is_npy(path):
            raise SpecError(f"{path}: an array is written as .npy; got the suffix {Path(path).suffix!r}")
    elif meta.kind == "video":
        if str(path) == "-":
            raise SpecError("a video cannot go to standard output; name a file or a folder")
        if not _is_npy(path):
            size = (shape[2], shape[1])
            videos.check_video_format(Path(path), channels, meta.dtype, size=size, frame_rate=meta.frame_rate)
    else:
        images.check_format("png" if str(path) == "-" else images.format_of(path), channels, meta.dtype)


def _is_npy(path: str | Path) -> bool:
    return Path(path).suffix.lower() == ".npy"
