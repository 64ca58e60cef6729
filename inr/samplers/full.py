"""Every sample in every step."""

from typing import ClassVar, Literal, final

import numpy as np

from inr.samplers.base import SAMPLERS, AbstractSampler, FlatIndex, SamplerSpec


@final
@SAMPLERS.register
class FullSampler(SamplerSpec):
    """Full-batch gradient descent; seconds a step on a CPU for a photo, meant for small signals."""

    kind: Literal["full"] = "full"
    wire_id: ClassVar[int] = 2
    paper: ClassVar[str] = "Cauchy 1847, Methode generale pour la resolution des systemes d'equations simultanees"

    def start(self, n_samples: int, seed: int) -> AbstractSampler:
        """See the base class; the seed is not used."""
        del seed
        return _All(n_samples)


@final
class _All(AbstractSampler):
    def __init__(self, n_samples: int) -> None:
        self._index = np.arange(n_samples, dtype=np.int64)

    def select(self, step: int) -> FlatIndex:
        del step
        return self._index
