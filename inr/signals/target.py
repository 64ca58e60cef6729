"""What a decoder is asked for: which part of a signal, and how many samples of it; and what that comes to."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypedDict

from inr.domain import Domain
from inr.errors import LimitExceededError, SpecError
from inr.meta import SignalMeta
from inr.signals.source import Seconds

MAX_OUTPUT_SAMPLES = 2**30
"""Channels times samples of one decoded signal."""
MAX_EVALUATIONS = 2**34
"""Points that the samples of one decoded signal may be means of."""
MAX_RATE = 1_000_000
"""Frames a second."""

Region = tuple[int, ...]
Shape = tuple[int, ...]


class TargetOptions(TypedDict, total=False):
    """The fields of a `Target` as keywords, where a user gives them one by one."""

    scale: float | None
    size: tuple[int, ...] | None
    region: Region | None
    time: Seconds | None
    frame_rate: Fraction | float | None


@dataclass(frozen=True)
class Target:
    """Part and size of what is decoded; what a kind of signal makes of them stands in its `Kind.sampling`.

    Attributes:
        scale: factor of the sides of a picture, or of all axes of an array; more than 0. Default 1.
        size: (width, height) in samples, or samples along each axis of an array, instead of a scale.
        region: (x, y, width, height) in samples of the original, or starts and then counts along each axis of an
            array; default all of it.
        time: (start, end) of a video in seconds; default all of it.
        frame_rate: frames a second, equally far apart; default the frames of the original at their times.
    """

    scale: float | None = None
    size: tuple[int, ...] | None = None
    region: Region | None = None
    time: Seconds | None = None
    frame_rate: Fraction | float | None = None

    def given(self) -> set[str]:
        """Names of what is asked for."""
        return {name for name, value in vars(self).items() if value is not None}

    def scaled(self, sides: Shape, wanted: Shape | None, allowed: str) -> Shape:
        """Samples along axes that scale and size are about.

        Args:
            sides: of the part of the original.
            wanted: the size in array order, or None.
            allowed: what a size has to be, for messages.

        Raises:
            SpecError: a scale or a size that makes no sense, or both.
            LimitExceededError: a side that is too large.
        """
        if self.scale is not None and self.size is not None:
            raise SpecError("give a scale or a size, not both")
        if self.size is not None and wanted is not None:
            if len(wanted) != len(sides) or min(wanted) < 1:
                raise SpecError(f"size: needs {allowed}, at least 1 each; got {joined(self.size)}")
            return wanted
        factor = 1.0 if self.scale is None else self.scale
        if not (math.isfinite(factor) and factor > 0):
            raise SpecError(f"scale: must be more than 0; got {factor}")
        scaled = [n * factor for n in sides]
        if max(scaled) > MAX_OUTPUT_SAMPLES:
            raise LimitExceededError(f"scale {factor:g} gives a side of {max(scaled):.3g} samples; that is too large")
        return tuple(max(1, round(n)) for n in scaled)

    def timed(self, domain: Domain, original: Fraction) -> tuple[Domain, Fraction]:
        """The chosen part of a grid whose first axis is time, and its rate.

        Along that axis it has as many cells as samples are to be made.

        Args:
            domain: of the original.
            original: samples a second.

        Raises:
            SpecError: a rate or a time out of range.
            LimitExceededError: far too many samples.
        """
        rate = self.rate(original)
        if self.time is None and rate == original:
            return domain, rate
        start, end = self.span(domain.shape[0] / original, original)
        count = self.moments(start, end, rate)
        return domain.window(0, start * float(original), end * float(original), count), rate

    def span(self, duration: Fraction, rate: Fraction) -> Seconds:
        """Start and end of the time asked for, of a signal of a duration in seconds; raises `SpecError`."""
        start, end = (0.0, float(duration)) if self.time is None else self.time
        if not 0 <= start < end or start >= duration or (math.isfinite(end) and end > float(duration) + 0.5 / rate):
            raise SpecError(f"time: needs 0 <= start < end <= {float(duration):.6g} seconds; got {start:g} to {end:g}")
        return start, min(end, float(duration))

    def moments(self, start: float, end: float, rate: Fraction) -> int:
        """How many samples to make of a time in seconds, at a rate; raises `LimitExceededError`."""
        count = max(1, round((end - start) * float(rate)))
        if count > MAX_OUTPUT_SAMPLES:
            raise LimitExceededError(f"frame rate: {count} frames are too many to decode")
        return count

    def rate(self, original: Fraction) -> Fraction:
        """Samples a second to make, of which the original has as many as said; raises `SpecError`."""
        if self.frame_rate is None:
            return original
        if not (math.isfinite(self.frame_rate) and 0 < self.frame_rate <= MAX_RATE):
            raise SpecError(f"frame rate: must be more than 0 and at most {MAX_RATE}; got {self.frame_rate:g}")
        return Fraction(self.frame_rate).limit_denominator(100_000)


@dataclass(frozen=True)
class Sampling:
    """What a target comes to for one signal.

    Attributes:
        grid: to evaluate.
        means: for each axis, over how many points of its cell along that axis a sample is the mean.
        meta: meaning of the samples that come out.
    """

    grid: Domain
    means: Shape
    meta: SignalMeta


def ratios(part: Shape, grid: Shape) -> list[float]:
    """Original samples for each one that is decoded, along each axis."""
    return [old / new for old, new in zip(part, grid, strict=True)]


def check_output(grid: Shape, channels: int, shown: str) -> None:
    """Raise `LimitExceededError` for a grid of too many samples, which messages call `shown`."""
    if math.prod(grid) * channels > MAX_OUTPUT_SAMPLES:
        raise LimitExceededError(
            f"{shown} of {channels} channels are too many samples; at most {MAX_OUTPUT_SAMPLES} are "
            "decoded at once: choose a smaller scale, size or region"
        )


def check_evaluations(grid: Shape, means: Shape) -> None:
    """Raise `LimitExceededError` for samples that are means over too many points."""
    points = math.prod(grid) * math.prod(means)
    if points > MAX_EVALUATIONS:
        raise LimitExceededError(
            f"a size so small is the mean over {points} points; at most {MAX_EVALUATIONS} are evaluated: "
            "choose a larger size, or a region"
        )


def joined(numbers: Iterable[int], separator: str = "x") -> str:
    """Numbers as people write sizes: ``640x480``."""
    return separator.join(str(n) for n in numbers)
