"""Where signals come from and go to: files of any kind, bytes, arrays."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from inr.container import limits
from inr.domain import Domain
from inr.errors import SignalError, SpecError
from inr.files import check_other, check_writable, read_bytes, write_bytes
from inr.meta import SignalMeta
from inr.signals.array import npy as arrays
from inr.signals.image import read as images
from inr.signals.parts import default_length, part_lengths
from inr.signals.signal import Samples, Signal
from inr.signals.stored import open_stored
from inr.signals.video import read as videos

Source = str | Path | bytes | npt.NDArray[Any] | Signal
Seconds = tuple[float, float]
VideoType = Literal["uint8", "uint16"]

MIN_SIDE = 2
"""Samples that a picture needs on each side to be a field of its coordinates, and an array on each axis."""
WHOLE_SAMPLES = 2**26
"""Samples of a picture or an array, or of a part of one, unless longer parts are asked for. At the default 1.5 bits a
sample, weights of 6 bits are then as many as a tile may have, 2^24, and 8,192 steps see each sample but once."""
_NAMES = {"image": "a picture", "array": "an array"}
_PARTS = {"image": "rows of a band", "array": "samples of a slab along the first axis", "video": "frames of a segment"}


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
    if axes is None and arrays.is_picture(array.shape, array.dtype):
        return images.image_from_array(array, name)
    return arrays.signal_of(array, axes, name)


class _Signals(Protocol):
    """What a tuple of signals is, the segments of a video, and a signal that is cut."""

    def __iter__(self) -> Iterator[Signal]: ...

    def __getitem__(self, number: int, /) -> Signal: ...


@dataclass(frozen=True, eq=False)
class _Cut:
    """Parts of a signal; `part` gives its samples from one index along the first axis to before another."""

    lengths: tuple[int, ...]
    part: Callable[[int, int], Signal]

    def __getitem__(self, number: int) -> Signal:
        length, first = self.lengths[number], sum(self.lengths[:number])
        return self.part(first, first + length)

    def __iter__(self) -> Iterator[Signal]:
        return (self[number] for number in range(len(self.lengths)))


@dataclass(frozen=True)
class Parts:
    """A signal in parts along its first axis, to be fitted one after the other.

    Attributes:
        lengths: samples of each part along the first axis.
        signals: the parts; iterating reads them one at a time, an index only that one.
        shape: samples along each axis of the whole.
    """

    lengths: tuple[int, ...]
    signals: "_Signals"
    shape: tuple[int, ...]

    @staticmethod
    def of(signal: Signal) -> "Parts":
        """A signal as a single part."""
        return Parts(signal.domain.shape[:1], (signal,), signal.domain.shape)


def load_parts(
    source: Source, *, segment: int | None = None, time: Seconds | None = None, axes: int | None = None
) -> Parts:
    """A long video in segments, a huge picture in bands of rows, a huge array in slabs; everything else whole.

    Of a ``.npy`` file or an uncompressed TIFF file in several parts only the part that is asked for is read.

    Args:
        source: as for `load`.
        segment: frames of a segment of a video, rows of a band of a picture, or samples of a slab along the first axis
            of an array, at most; bands and slabs have at least 2. None for a few million pixels of a video, and of
            everything else for the whole, unless that has more than `WHOLE_SAMPLES` samples.
        time: as for `load`.
        axes: as for `load`.

    Raises:
        InrError: as `load`. Damage within the frames of a video, and samples that are not finite in a file that is read
            in parts, are found when the parts are read.
    """
    if is_video(source):
        _check_options("a video", None, axes)
        segments = videos.video_segments(_of_video(source), segment, time=time)
        _check_sides(segments.height, segments.width)
        return Parts(segments.lengths, segments, (sum(segments.lengths), segments.height, segments.width))
    stored = None
    if isinstance(source, str | Path) and str(source) != "-":
        stored = open_stored(Path(source), axes)
    if stored is not None:
        _check_options(_NAMES[stored.kind], time, None if stored.kind == "array" else axes)
        lengths = _lengths(stored.kind, stored.shape, segment, stored.most_samples)
        _check_parts(str(source), stored.kind, stored.shape, max(lengths), stored.most_samples)
        if len(lengths) > 1:
            return Parts(lengths, _Cut(lengths, stored.part), stored.shape)
    return _parts_of(check_fittable(load(source, time=time, axes=axes)), segment)


def _parts_of(signal: Signal, segment: int | None) -> Parts:
    """The parts of a signal in memory."""
    kind, domain = signal.meta.kind, signal.domain
    lengths = _lengths(kind, domain.shape, segment, WHOLE_SAMPLES)
    if len(lengths) > 1 and not domain.is_default():
        if segment is not None:
            raise SpecError("segment: only a signal with samples at cell centres of the default box can be cut")
        lengths = domain.shape[:1]

    def part(first: int, last: int) -> Signal:
        own = Domain.of_shape((last - first, *domain.shape[1:]), domain.axes)
        return replace(signal, samples=signal.samples[first:last], domain=own)

    return Parts(lengths, _Cut(lengths, part), domain.shape) if len(lengths) > 1 else Parts.of(signal)


def _lengths(kind: str, shape: tuple[int, ...], segment: int | None, most_samples: int) -> tuple[int, ...]:
    """Samples of each part along the first axis of a picture or an array, or of a video in memory."""
    least = 1 if kind == "video" else MIN_SIDE
    if segment is not None and segment < least:
        raise SpecError(f"segment: {_PARTS[kind]}: at least {least} needed; got {segment}")
    most_samples = min(most_samples, WHOLE_SAMPLES)
    if segment is None:
        segment = shape[0] if math.prod(shape) <= most_samples else default_length(shape, most_samples, least)
    return part_lengths(shape[0], segment, least)


def _check_parts(name: str, kind: str, shape: tuple[int, ...], longest: int, most_samples: int) -> None:
    """Raise `SignalError` for what a file cannot hold, or a part that is not read at once, before anything is read."""
    if kind == "image":
        _check_sides(*shape)
    if max(shape) > limits.MAX_AXIS_SAMPLES or math.prod(shape) > limits.MAX_SAMPLES:
        raise SignalError(
            f"{name} has {_joined(shape)} samples; a file holds at most {limits.MAX_AXIS_SAMPLES} along an axis, "
            f"{limits.MAX_SAMPLES} in all"
        )
    samples = longest * math.prod(shape[1:])
    if samples > most_samples:
        raise SignalError(
            f"{name}: {longest} {_PARTS[kind]} are {samples} samples; at most {most_samples} are read at once: "
            "choose a smaller segment"
        )


def _joined(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)


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
