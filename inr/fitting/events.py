"""What a running fit reports."""

from dataclasses import dataclass

from inr.fitted import CurvePoint
from inr.signals.signal import Samples


@dataclass(frozen=True)
class Progress:
    """A new point of the curve.

    Attributes:
        point: step, seconds, loss and PSNR.
        share: part of the budget that is used, 0 to 1.
        seconds_left: estimate, wall time.
    """

    point: CurvePoint
    share: float
    seconds_left: float


@dataclass(frozen=True, eq=False)
class Preview:
    """A small picture of the present state, at most 128 samples a side; `(*grid, channels)`."""

    step: int
    samples: Samples


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint was written to `path`."""

    step: int
    path: str


Event = Progress | Preview | CheckpointSaved
