"""Every sample in every step."""

from typing import ClassVar, Literal, final

import numpy as np

from inr.samplers.base import SAMPLERS, AbstractSampler, Moment, Points, Residuals, SamplerSpec
from inr.signals.signal import Signal


@final
@SAMPLERS.register
class FullSampler(SamplerSpec):
    """Full-batch gradient descent; seconds a step on a CPU for a photo, meant for small signals."""

    kind: Literal["full"] = "full"
    wire_id: ClassVar[int] = 2
    paper: ClassVar[str] = "Cauchy 1847, Methode generale pour la resolution des systemes d'equations simultanees"

    def start(self, signal: Signal, seed: int, residuals: Residuals) -> AbstractSampler:
        """See the base class; neither the seed nor the residuals are used."""
        del seed, residuals
        return _All(signal.domain.size)


@final
class _All(AbstractSampler):
    def __init__(self, n_samples: int) -> None:
        self._index = np.arange(n_samples, dtype=np.int64)

    def select(self, moment: Moment) -> Points:
        del moment
        return Points(self._index)
