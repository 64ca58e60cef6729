"""The result of a fit: named float tensors and how they came about."""

from dataclasses import dataclass

from inr.domain import Domain
from inr.layers.network import FloatTensor
from inr.meta import SignalMeta
from inr.models.base import ModelSpec


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
class SearchReport:
    """How an initialiser chose a setting of the model.

    Attributes:
        setting: name of the setting.
        value: the chosen value.
        candidates: all values that were tried, with their distances (less is better).
        seconds: wall time of the search.
    """

    setting: str
    value: float
    candidates: tuple[tuple[float, float], ...]
    seconds: float


@dataclass(frozen=True)
class FitReport:
    """How a fit went: steps done, seconds spent, backend, seed, the curve, and what the initialiser searched."""

    steps: int
    seconds: float
    backend: str
    seed: int
    curve: tuple[CurvePoint, ...]
    search: SearchReport | None = None


@dataclass(frozen=True, eq=False)
class FittedField:
    """A model with its trained parameters; no optimiser, no device.

    Attributes:
        model: the arrangement of layers.
        tensors: float32 parameters by name, as in ``model.layout``.
        channels: number of outputs.
        domain: grid of the original samples.
        meta: meaning of the samples.
        report: how the fit went.
    """

    model: ModelSpec
    tensors: dict[str, FloatTensor]
    channels: int
    domain: Domain
    meta: SignalMeta
    report: FitReport
