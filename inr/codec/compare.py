"""Comparing a file with what it was made from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from inr.codec.decode import DecodedField, open_field
from inr.codec.sources import Parts, is_video, load, load_parts
from inr.codec.target import Region, Seconds, Target
from inr.container.file import SIGNATURE
from inr.errors import SignalError, SpecError
from inr.files import read_bytes
from inr.metrics.quality import mean_ssim, psnr, psnr_of, reported, squared_error, ssim
from inr.signals.array.npy import MAGIC
from inr.signals.signal import Samples


@dataclass(frozen=True)
class Comparison:
    """Two signals compared at the sample type of the first.

    Attributes:
        psnr: dB; 100 for identical ones.
        ssim: structural similarity; the mean over the frames of a video, or over the parts of a huge picture that
            `load_parts` cuts; None for an array.
        bytes: size of the second file.
        bpp: its bits per pixel.
    """

    psnr: float
    ssim: float | None
    bytes: int
    bpp: float


def compare(original: str | Path, other: str | Path, *, time: Seconds | None = None) -> Comparison:
    """Compare a file with a ``.inr`` file or another file of the same kind; of videos, a few frames at a time.

    An original that `load_parts` cuts is compared with a ``.inr`` file part by part.

    Args:
        original: a picture, a video or an array.
        other: the whole of what it became.
        time: (start, end) in seconds of the original video, if the other was made from that part of it.

    Raises:
        SignalError: sizes, channels or sample types differ.
        InrError: see `load` and `open_field`.
    """
    video = is_video(original)
    if time is not None and not video:
        raise SpecError(f"time: only a video has times; {original} is none")
    data = None if is_video(other) else read_bytes(other)
    field = open_field(data) if data is not None and data.startswith(SIGNATURE) else None
    if (is_video(other) if field is None else field.meta.kind == "video") != video:
        raise SignalError(f"cannot compare {original} with {other}: one is a video, the other is not")
    size = _size_on_disk(Path(other)) if data is None else len(data)
    if video:
        return _compare_videos(original, other if field is None else field, time, size)
    axes = field.domain.ndim if field is not None and field.meta.kind == "array" else None
    if axes is not None and not read_bytes(original).startswith(MAGIC):
        raise SignalError(f"cannot compare {original} with {other}: one is an array, the other is not")
    if field is not None:
        parts = load_parts(original, axes=axes)
        if len(parts.lengths) > 1:
            return _compare_parts(parts, field, size)
    reference = load(original, axes=axes)
    samples = load(other).samples if field is None else field.decode()
    _check_alike(reference.samples, samples)
    meta = reference.meta
    return Comparison(
        reported(psnr(reference.samples, samples, meta.peak)),
        mean_ssim(reference.samples, samples, meta.kind, meta.peak),
        size,
        8 * size / reference.domain.size,
    )


def _compare_videos(
    original: str | Path, other: str | Path | DecodedField, time: Seconds | None, size: int
) -> Comparison:
    """Frame by frame: neither of the two is ever in memory as a whole."""
    parts = load_parts(original, time=time)
    count, frames = sum(parts.lengths), _frames(other)
    squared, similarity, values, peak = 0.0, 0.0, 0, 1.0
    for signal in parts.signals:
        peak = signal.meta.peak
        for reference in signal.samples:
            frame = next(frames, None)
            if frame is None:
                raise SignalError(f"cannot compare {count} frames of {original} with fewer; choose a part with --time")
            _check_alike(reference, frame)
            squared += squared_error(reference, frame)
            similarity += ssim(reference, frame, peak)
            values += reference.size
    if next(frames, None) is not None:
        raise SignalError(f"cannot compare {count} frames of {original} with more")
    pixels = values // reference.shape[-1]
    return Comparison(reported(psnr_of(squared, values, peak)), similarity / count, size, 8 * size / pixels)


def _compare_parts(parts: Parts, field: DecodedField, size: int) -> Comparison:
    """Part by part, as they were fitted: neither of the two is ever in memory as a whole."""
    if parts.shape != field.domain.shape:
        raise SignalError(f"cannot compare {_joined(parts.shape)} samples with {_joined(field.domain.shape)}")
    squared, similarity, first, peak, channels = 0.0, 0.0, 0, 1.0, 1
    for signal in parts.signals:
        length = signal.domain.shape[0]
        samples = field.decode(region=_region(parts.shape, first, length, signal.meta.kind))
        _check_alike(signal.samples, samples)
        peak, channels = signal.meta.peak, signal.channels
        squared += squared_error(signal.samples, samples)
        similarity += length * (mean_ssim(signal.samples, samples, signal.meta.kind, peak) or 0.0)
        first += length
        del signal, samples  # or the next part would be read beside it
    count = math.prod(parts.shape)
    quality = None if field.meta.kind == "array" else similarity / parts.shape[0]
    return Comparison(reported(psnr_of(squared, count * channels, peak)), quality, size, 8 * size / count)


def _region(shape: tuple[int, ...], first: int, length: int, kind: str) -> Region:
    """Some of the samples along the first axis."""
    if kind == "image":
        return (0, first, shape[1], length)
    return (first, *[0] * (len(shape) - 1), length, *shape[1:])


def _frames(video: str | Path | DecodedField) -> Iterator[Samples]:
    """The frames of a video, a few of them in memory at a time."""
    if isinstance(video, DecodedField):
        for block in video.blocks(Target()):
            yield from block
    else:
        for signal in load_parts(video).signals:
            yield from signal.samples


def _check_alike(samples: npt.NDArray[Any], other: npt.NDArray[Any]) -> None:
    if samples.shape != other.shape or samples.dtype != other.dtype:
        raise SignalError(f"cannot compare {_shape(samples)} with {_shape(other)}")


def _size_on_disk(path: Path) -> int:
    return sum(f.stat().st_size for f in path.iterdir()) if path.is_dir() else path.stat().st_size


def _shape(samples: npt.NDArray[Any]) -> str:
    return f"{_joined(samples.shape)} {samples.dtype}"


def _joined(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)
