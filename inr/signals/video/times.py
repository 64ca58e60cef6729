"""How long each frame of a video is shown, where they are not equally long."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from inr.container.limits import MAX_TIMES_BYTES
from inr.container.times import MAX_TICK, Runs, bytes_of, frames_of, stored_times
from inr.errors import SpecError

MAX_TERM = 1_000_000
"""Largest denominator of an average frame rate."""

_ROUNDED = 1.01e-3
"""Seconds; times that went through Matroska or FLV were rounded to milliseconds."""

Ticks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FrameTimes:
    """Times of frames, the first of which begins at 0.

    Attributes:
        tick: in seconds, the largest one of which all times are multiples.
        runs: (ticks that a frame lasts, how many frames in a row do), at least two.
    """

    tick: Fraction
    runs: Runs

    def __post_init__(self) -> None:
        if self.tick <= 0 or max(self.tick.as_integer_ratio()) > MAX_TICK:
            raise SpecError(f"frame times: the tick must be above 0, of terms up to {MAX_TICK}; got {self.tick}")
        if len(self.runs) < 2 or min(min(run) for run in self.runs) < 1:
            raise SpecError("frame times: needs frames that last differently, at least 1 tick each")
        if bytes_of(self.stored) > MAX_TIMES_BYTES:
            raise SpecError("frame times: too many different ones for a file; use a coarser tick")

    @staticmethod
    def of(edges: Ticks, tick: Fraction) -> "FrameTimes | None":
        """The times of frames that begin and end at these ticks; None if all last equally long.

        Times that take more room than a header has (those of hours of film) are rounded to a coarser tick.

        Args:
            edges: `(frames + 1,)`, increasing.
            tick: in seconds.
        """
        found, exact, factor = _runs(edges), edges - edges[0], 1
        while len(found) > 1:
            common = int(np.gcd.reduce([ticks for ticks, _ in found]))
            runs, unit = tuple((ticks // common, frames) for ticks, frames in found), tick * factor * common
            needed = bytes_of(stored_times(unit.as_integer_ratio(), runs))
            if needed <= MAX_TIMES_BYTES and max(unit.as_integer_ratio()) <= MAX_TICK:
                return FrameTimes(unit, runs)
            factor, places = 2 * factor, np.arange(len(edges))
            edges = np.maximum.accumulate((exact + factor // 2) // factor - places) + places
            found = _runs(edges)
        return None

    @cached_property
    def stored(self) -> tuple[int, ...]:
        """As a header holds them."""
        return stored_times(self.tick.as_integer_ratio(), self.runs)

    @property
    def frames(self) -> int:
        """How many there are."""
        return frames_of(self.runs)

    @property
    def seconds(self) -> Fraction:
        """From the begin of the first frame to the end of the last one."""
        return sum(ticks * frames for ticks, frames in self.runs) * self.tick

    @cached_property
    def edges(self) -> Ticks:
        """The ticks at which frames begin, and the end, `(frames + 1,)`."""
        ticks, frames = np.array(self.runs, np.int64).T
        return np.concatenate([[0], np.cumsum(np.repeat(ticks, frames))])

    def within(self, start: float, end: float) -> tuple[int, int]:
        """First and number of the frames that begin from `start` to before `end`, in seconds; perhaps none."""
        slack = 1e-9 + 1e-6 * float(self.tick)  # seconds as floats are not quite those of a fraction
        begins = self.edges[:-1] * float(self.tick)
        first, stop = (int(i) for i in np.searchsorted(begins, (start - slack, end - slack)))
        return first, max(0, stop - first)

    def places(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Where moments lie, in frames: i + 1/2 is the middle of the time that frame i is shown."""
        edges = self.edges
        return np.interp(seconds, edges * float(self.tick), np.arange(len(edges), dtype=np.float64))


def rate_of(edges: Ticks, tick: Fraction, *rates: Fraction | None) -> tuple[Fraction, FrameTimes | None]:
    """The frame rate of a video, the average if it varies; and then the times.

    Args:
        edges: ticks at which frames begin, and the end, `(frames + 1,)`, increasing.
        tick: in seconds.
        *rates: constant rates to choose from, the best first, of which the container rounded the times; none for
            times that an author chose for each frame.
    """
    for rate in rates:
        if rate is not None and _is_steady(edges, float(tick), float(rate)):
            return rate, None
    average = (len(edges) - 1) / (int(edges[-1] - edges[0]) * tick)
    return max(average.limit_denominator(MAX_TERM), Fraction(1, MAX_TERM)), FrameTimes.of(edges, tick)


def _is_steady(edges: Ticks, tick: float, rate: float) -> bool:
    """True if frames begin at a constant rate but for rounding, and the last one is not shown much longer."""
    begins = (edges[:-1] - edges[0]) * tick
    slack = min(max(2 * tick, _ROUNDED), max(0.25 / rate, 0.51 * tick)) + 1e-9
    last = (edges[-1] - edges[-2]) * tick
    return bool(np.abs(begins - np.arange(len(begins)) / rate).max() <= slack) and last <= max(1.5 / rate, 2 * tick)


def _runs(edges: Ticks) -> Runs:
    """Runs of equal differences."""
    lengths = np.diff(edges)
    starts = np.flatnonzero(np.diff(lengths, prepend=-1))
    counts = np.diff(starts, append=len(lengths))
    return tuple(zip(lengths[starts].tolist(), counts.tolist(), strict=True))
