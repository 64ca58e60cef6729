"""Where signals come from and go to: files of any kind, bytes, arrays. The kinds of signal do the work."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Union

from numpy import typing as npt

from inr.files import check_other, check_writable, names_no_format
from inr.meta import SignalMeta
from inr.signals.given import File
from inr.signals.image.from_pillow import signal_given
from inr.signals.kind import kind_for, kind_of_source, refuse_reading
from inr.signals.parts import Parts
from inr.signals.signal import Samples, Signal
from inr.signals.source import Reading, Seconds, Source

if TYPE_CHECKING:
    from PIL.Image import Image

Readable = Union[File, npt.ArrayLike, Signal, Source, "Image"]
"""What signals are made of, see `inr.signals.given`."""


def load(source: Readable, *, time: Seconds | None = None, axes: int | None = None) -> Signal:
    """A signal from a path (``-``: standard input), the bytes of a file, an array, or a signal.

    A ``.npy`` file or array of shape `(h, w)` or `(h, w, 1..4)` is a picture unless `axes` says otherwise; any other
    shape has a coordinate for every axis.

    Args:
        source: an image, a video, a folder of frames, a ``.npy`` file: its path, its bytes, or the file itself, opened
            as binary; an array or tensor, channel-last; a picture of Pillow; or a signal. `inr.signals.given` says
            what becomes of each.
        time: (start, end) in seconds of a video.
        axes: how many axes of an array are coordinates; one more may hold channels.

    Raises:
        FileAccessError: the path cannot be read.
        SignalError: not a signal that can be fitted.
        SpecError: an option that does not go with this kind of signal.
    """
    reading = Reading(time, axes)
    signal = signal_given(source)
    if signal is not None:
        refuse_reading(reading, "a signal")
        return signal
    opened = Source.of(source, axes)
    return kind_of_source(opened, reading).load(opened, reading)


def load_parts(
    source: Readable, *, segment: int | None = None, time: Seconds | None = None, axes: int | None = None
) -> Parts:
    """A long video in segments, a huge picture in bands of rows, a huge array in slabs; everything else whole.

    Of a ``.npy`` file or an uncompressed TIFF file in several parts only the part that is asked for is read.

    Args:
        source: as for `load`.
        segment: frames of a segment of a video, rows of a band of a picture, or samples of a slab along the first axis
            of an array, at most; bands and slabs have at least 2. None for a few million pixels of a video, and of
            everything else for the whole, unless that has more than `inr.signals.parts.WHOLE_SAMPLES` samples.
        time: as for `load`.
        axes: as for `load`.

    Raises:
        InrError: as `load`. Damage within the frames of a video, and samples that are not finite in a file that is read
            in parts, are found when the parts are read.
    """
    reading = Reading(time, axes)
    signal = signal_given(source)
    if signal is not None:
        refuse_reading(reading, "a signal")
        return kind_for(signal.meta).parts_are.cut(check_fittable(signal), segment)
    opened = Source.of(source, axes)
    kind = kind_of_source(opened, reading)
    parts = kind.parts(opened, reading, segment)
    kind.check(parts.shape)
    return parts


def check_fittable(signal: Signal) -> Signal:
    """The signal, if a field of its coordinates can be fitted to it; raises `SignalError`."""
    kind_for(signal.meta).check(signal.domain.shape)
    return signal


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
    kind_for(meta).save(path, blocks, shape, channels, meta)


def check_name(source: Readable, destination: str | Path) -> None:
    """Raise an `InrError` if a destination is the input or cannot be written, before anything is decoded."""
    if isinstance(source, str | Path):
        check_other(source, destination)
    if not names_no_format(destination) and (not Path(destination).suffix or os.path.isdir(destination)):
        return  # a folder of frames, which the writer of videos checks; pictures and arrays are refused by their suffix
    check_writable(destination)
