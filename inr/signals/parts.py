"""Signals in parts along their first axis: segments of a video, bands of a picture, slabs of an array."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from inr.domain import Domain
from inr.errors import SpecError
from inr.meta import SignalMeta
from inr.signals.signal import Samples, Signal

MAX_PARTS = 4096
"""Parts of a signal, unless shorter ones are asked for; a file can hold as many."""
WHOLE_SAMPLES = 2**26
"""Samples of a signal, or of a part of one, unless longer parts are asked for. At the default 1.5 bits a
sample, weights of 6 bits are then as many as a tile may have, 2^24, and 8,192 steps see each sample but once."""


class Signals(Protocol):
    """What a tuple of signals is, the segments of a video, and a signal that is cut."""

    def __iter__(self) -> Iterator[Signal]: ...

    def __getitem__(self, number: int, /) -> Signal: ...


@dataclass(frozen=True, eq=False)
class Cut:
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
    signals: Signals
    shape: tuple[int, ...]

    @staticmethod
    def of(signal: Signal) -> "Parts":
        """A signal as a single part."""
        return Parts(signal.domain.shape[:1], (signal,), signal.domain.shape)


@dataclass(frozen=True)
class PartRule:
    """Where signals of a kind are cut unless a caller says so.

    Attributes:
        noun: what a part is made of, for messages: "rows of a band".
        least: samples that a part needs along the first axis.
        most: samples of a part in all.
    """

    noun: str
    least: int = 2
    most: int = WHOLE_SAMPLES

    def lengths(self, shape: tuple[int, ...], segment: int | None, most_samples: int) -> tuple[int, ...]:
        """Samples of each part along the first axis.

        Args:
            shape: of the whole.
            segment: samples of a part along that axis, at most; None for the whole unless it is too large.
            most_samples: of a part that is read at once; never more than `WHOLE_SAMPLES`.

        Raises:
            SpecError: a segment that is too short.
        """
        if segment is not None and segment < self.least:
            raise SpecError(f"segment: {self.noun}: at least {self.least} needed; got {segment}")
        most_samples = min(most_samples, self.most, WHOLE_SAMPLES)
        if segment is None:
            whole = math.prod(shape) <= most_samples
            segment = shape[0] if whole else default_length(shape, most_samples, self.least)
        return part_lengths(shape[0], segment, self.least)

    def cut(self, signal: Signal, segment: int | None) -> Parts:
        """The parts of a signal in memory; raises `SpecError` for a segment that is too short, or cannot be."""
        domain = signal.domain
        lengths = self.lengths(domain.shape, segment, WHOLE_SAMPLES)
        if len(lengths) > 1 and not domain.is_default():
            if segment is not None:
                raise SpecError("segment: only a signal with samples at cell centres of the default box can be cut")
            lengths = domain.shape[:1]

        def part(first: int, last: int) -> Signal:
            own = Domain.of_shape((last - first, *domain.shape[1:]), domain.axes)
            return replace(signal, samples=signal.samples[first:last], domain=own)

        return Parts(lengths, Cut(lengths, part), domain.shape) if len(lengths) > 1 else Parts.of(signal)


def default_length(shape: tuple[int, ...], most_samples: int, least: int = 2) -> int:
    """How long a part may be, along the first axis, to have at most so many samples; few enough parts, `least` long."""
    return max(least, most_samples // math.prod(shape[1:]), -(-shape[0] // MAX_PARTS))


def part_lengths(length: int, most: int, least: int = 1) -> tuple[int, ...]:
    """How long each part is along the first axis: as equal as they can be, part k of K from ``floor(k n/K)``.

    Args:
        length: of the whole, n.
        most: of a part; K is the smallest number of parts for which none is longer.
        least: of a part; it has precedence over `most`.
    """
    count = max(1, min(-(-length // most), length // least))
    return tuple((k + 1) * length // count - k * length // count for k in range(count))


def gathered(blocks: Iterable[Samples], shape: tuple[int, ...], channels: int, meta: SignalMeta) -> Samples:
    """Consecutive blocks as one array `(*shape, channels)`."""
    samples: Samples = np.empty((*shape, channels), dtype=meta.dtype)
    row = 0
    for block in blocks:
        samples[row : row + len(block)] = block
        row += len(block)
    return samples
