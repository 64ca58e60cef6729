"""What a measure of quality is: two numbers that add up over the parts of a signal, and the value they make."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy import typing as npt

from inr.errors import SignalError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tally:
    """What a metric has found out about some samples; tallies of parts add up to that of the whole.

    Attributes:
        total: sum over the samples.
        weight: what it is the sum over.
    """

    total: float = 0.0
    weight: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.total + other.total, self.weight + other.weight)


class Metric(ABC):
    """A measure of how alike two signals are. Objects have no state."""

    name: ClassVar[str]
    """In reports and JSON, in lower case."""

    @abstractmethod
    def tally(self, reference: Array, other: Array, peak: float) -> Tally:
        """Compare a signal, or a part of it along its first axis.

        Args:
            reference: `(*grid, channels)`.
            other: the same shape.
            peak: largest sample value, see `SignalMeta.peak`.

        Raises:
            SignalError: the shapes differ.
        """

    def value(self, tally: Tally, peak: float) -> float:
        """The measure that a tally makes, by default the mean."""
        del peak
        return tally.total / max(tally.weight, 1)


def tallies(metrics: Iterable[Metric], reference: Array, other: Array, peak: float) -> dict[str, Tally]:
    """The tally of each metric, by name; raises `SignalError` if the shapes differ."""
    return {metric.name: metric.tally(reference, other, peak) for metric in metrics}


def check_shapes(reference: Array, other: Array) -> None:
    """Raise `SignalError` for arrays that cannot be compared."""
    if reference.shape != other.shape:
        raise SignalError(f"cannot compare samples of shape {reference.shape} with {other.shape}")
