"""Comparing a file with what it was made from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from inr.codec.decode import open_field
from inr.codec.measures import measures, tallied
from inr.container.file import SIGNATURE
from inr.errors import SignalError, SpecError
from inr.files import is_standard_input
from inr.meta import SignalMeta
from inr.metrics.base import Tally
from inr.signals.kind import kind_for, kind_of_source
from inr.signals.parts import Parts
from inr.signals.signal import Samples, Signal
from inr.signals.source import Reading, Seconds, Source
from inr.signals.target import Shape, Target, joined


@dataclass(frozen=True)
class Comparison:
    """Two signals compared at the sample type of the first.

    Attributes:
        psnr: dB; 100 for identical ones.
        ssim: structural similarity; the mean over the frames of a video, or over the parts of a huge picture that
            `load_parts` cuts; None for what has none.
        bytes: size of the second file.
        bpp: its bits per pixel.
        metrics: the measures that the kind of signal names, the one that matters most first.
    """

    psnr: float
    ssim: float | None
    bytes: int
    bpp: float
    metrics: dict[str, float]


def compare(original: str | Path, other: str | Path, *, time: Seconds | None = None) -> Comparison:
    """Compare a file with a ``.inr`` file or another file of the same kind.

    What `load_parts` cuts is compared part by part: neither of the two is ever in memory as a whole.

    Args:
        original: a picture, a video or an array.
        other: the whole of what it became.
        time: (start, end) in seconds of the original video, if the other was made from that part of it.

    Raises:
        SignalError: sizes, channels or sample types differ.
        SpecError: both are standard input.
        InrError: see `load_parts` and `open_field`.
    """
    if is_standard_input(original) and is_standard_input(other):
        raise SpecError("standard input is read once; name a file for one of the two")
    first, second = Source.of(original), Source.of(other)
    reading = Reading(time)
    kind = kind_of_source(first, reading)
    if second.head.startswith(SIGNATURE):
        field = open_field(second.read())
        own = kind_for(field.meta)
        if own.sniff(first):  # an array may have the shape of a picture
            kind = own
        reading = replace(own.reading_of(own.outward(field.domain.shape, field.meta)), time=time)
        shape, meta, blocks = field.domain.shape, field.meta, field.blocks(Target())
    else:
        own = kind_of_source(second, Reading())
        others = own.parts(second, Reading(), None)
        shape = others.shape
        meta, blocks = _read(others)
    if kind != own:
        raise SignalError(f"cannot compare {original} with {other}: one is {kind.noun}, the other {own.noun}")
    return _compared(kind.parts(first, reading, None), shape, meta, blocks, first.name, _size_on_disk(second))


def _read(parts: Parts) -> tuple[SignalMeta, Iterator[Samples]]:
    """What samples mean, and the samples a part at a time."""
    signals = iter(parts.signals)
    first = next(signals)
    return first.meta, chain([first.samples], (signal.samples for signal in signals))


def _compared(
    parts: Parts, shape: Shape, other: SignalMeta, blocks: Iterator[Samples], name: str, size: int
) -> Comparison:
    """Compare parts with blocks of another signal, which has `shape`; messages call the first `name`."""
    first = next(blocks)
    cut = _cut(first, blocks, parts.lengths)
    found: list[dict[str, Tally]] = []
    for signal in parts.signals:
        meta = signal.meta
        if not found:
            _check_alike(parts.shape, signal, shape, first, name)
            kind_for(meta).check_alike(meta, other, signal.channels)
            del first
        samples = next(cut)
        found.append(tallied(signal, samples))
        del signal, samples  # or the next part would be read beside it
    values = measures(found, meta)
    return Comparison(values["psnr"], values.get("ssim"), size, 8 * size / math.prod(parts.shape), values)


def _cut(rest: Samples, blocks: Iterator[Samples], lengths: Shape) -> Iterator[Samples]:
    """Consecutive blocks, of which `rest` is the first, as parts of the given lengths along the first axis."""
    for length in lengths:
        part: Samples = np.empty((length, *rest.shape[1:]), rest.dtype)
        filled = 0
        while filled < length:
            rest = rest if len(rest) else next(blocks)
            count = min(length - filled, len(rest))
            part[filled : filled + count] = rest[:count]
            filled, rest = filled + count, rest[count:]
        yield part
        del part  # before the next one is made


def _check_alike(own: Shape, signal: Signal, shape: Shape, block: Samples, name: str) -> None:
    """Raise `SignalError` unless a signal of the shape `own` and another have the same samples, channels and type."""
    mine = (*own, signal.channels), signal.samples.dtype
    its = (*shape, block.shape[-1]), block.dtype
    if mine == its:
        return
    kind = kind_for(signal.meta)
    frames = "time" in kind.reading and kind.sides(own) != (None, None)
    if frames and (own[1:], mine[0][-1], mine[1]) == (shape[1:], its[0][-1], its[1]):
        how = "fewer; choose a part with --time" if shape[0] < own[0] else "more"
        raise SignalError(f"cannot compare {own[0]} frames of {name} with {how}")
    raise SignalError(f"cannot compare {joined(mine[0])} {mine[1]} with {joined(its[0])} {its[1]}")


def _size_on_disk(source: Source) -> int:
    if source.path is None:
        return len(source.read())
    folder = source.path.iterdir() if source.is_folder else [source.path]
    return sum(file.stat().st_size for file in folder)
