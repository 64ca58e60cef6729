"""What a running fit reports."""

from dataclasses import dataclass

from inr.fitting.trained import CurvePoint
from inr.meta import SignalMeta
from inr.signals.signal import Samples


@dataclass(frozen=True)
class Planned:
    """A fit is about to begin, for a file.

    Attributes:
        model: kind of the model.
        parameters: stored reals.
        bytes: of the file, about; None if that is not known before the fit.
        samples: sample positions of the signal.
    """

    model: str
    parameters: int
    bytes: int | None
    samples: int


@dataclass(frozen=True)
class Progress:
    """How far a fit is: at every point of the curve, and from time to time between them.

    Attributes:
        point: step, seconds, loss and PSNR.
        share: part of the budget that is used, 0 to 1.
        seconds_left: estimate, wall time.
        bpp: bits that the file will have for each sample position (pixel), about; None if the training does not know.
    """

    point: CurvePoint
    share: float
    seconds_left: float
    bpp: float | None = None


@dataclass(frozen=True, eq=False)
class Preview:
    """A small picture of the present state, larger from time to time: 32 to 256 samples a side; `(*grid, channels)`."""

    step: int
    samples: Samples
    meta: SignalMeta


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint was written to `path`; `further` tells whether it is beyond the one that the fit went on from."""

    step: int
    path: str
    further: bool


Event = Planned | Progress | Preview | CheckpointSaved
