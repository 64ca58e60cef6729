"""The result of a training: floats, and how they came about."""

from dataclasses import dataclass

from inr.inits.base import SearchReport
from inr.layers.layout import FloatTensor
from inr.models.base import ModelSpec
from inr.signals.info import SignalInfo


@dataclass(frozen=True)
class CurvePoint:
    """Quality at one moment of a fit: steps and seconds so far, mean loss since the last point, PSNR in dB.

    The seconds are those of the training steps; what measuring takes does not count.

    The PSNR is that of the unquantised field, clamped and rounded to the sample type, on a fixed random subset
    of the samples (all of them for a small signal).
    """

    step: int
    seconds: float
    loss: float
    psnr: float


@dataclass(frozen=True)
class FitReport:
    """How a fit went: steps done, seconds spent, backend, seed, the curve, and what the initialiser searched."""

    steps: int
    seconds: float
    backend: str
    seed: int
    curve: tuple[CurvePoint, ...]
    search: SearchReport | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained(SignalInfo):
    """What a training gives, for a signal of which the samples are not needed any more; no optimiser, no device.

    A coder adds its floats.

    Attributes:
        report: how the training went.
    """

    report: FitReport


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedNetwork(Trained):
    """A model with its trained parameters.

    Attributes:
        model: the arrangement of layers.
        tensors: float32 parameters by name, as in ``model.layout``.
    """

    model: ModelSpec
    tensors: dict[str, FloatTensor]
