"""Random mini-batches, every sample once an epoch."""

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from inr.rng import generator
from inr.samplers.base import SAMPLERS, AbstractSampler, FlatIndex, SamplerSpec

_LARGEST_PERMUTATION = 2**24


@final
@SAMPLERS.register
class UniformSampler(SamplerSpec):
    """Mini-batches cut from a fresh random permutation each epoch; drawn independently above 2^24 samples."""

    kind: Literal["uniform"] = "uniform"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Robbins and Monro 1951, A Stochastic Approximation Method"

    batch: Annotated[int, Field(ge=1, le=2**24)] = 8192
    """Samples a step; a smaller signal is used in full."""

    def start(self, n_samples: int, seed: int) -> AbstractSampler:
        """See the base class."""
        return _Epochs(n_samples, min(self.batch, n_samples), seed)


@final
class _Epochs(AbstractSampler):
    def __init__(self, n_samples: int, batch: int, seed: int) -> None:
        self._n, self._batch, self._seed = n_samples, batch, seed
        self._epoch = -1
        self._order: FlatIndex = np.zeros(0, dtype=np.int64)

    def select(self, step: int) -> FlatIndex:
        if self._n > _LARGEST_PERMUTATION:
            return generator(self._seed, "batch", step).integers(0, self._n, self._batch)
        epoch, batch = divmod(step, max(1, self._n // self._batch))
        if epoch != self._epoch:
            self._order = generator(self._seed, "epoch", epoch).permutation(self._n)
            self._epoch = epoch
        return self._order[batch * self._batch : (batch + 1) * self._batch]
