"""Random mini-batches without replacement."""

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from inr.rng import generator
from inr.samplers.base import SAMPLERS, AbstractSampler, FlatIndex, Offsets, SamplerSpec

_LARGEST_PERMUTATION = 2**24


@final
@SAMPLERS.register
class UniformSampler(SamplerSpec):
    """Mini-batches cut from a fresh random permutation each epoch.

    An epoch leaves out a remainder smaller than a batch. Above 2^24 samples they are drawn independently.
    """

    kind: Literal["uniform"] = "uniform"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Robbins and Monro 1951, A Stochastic Approximation Method"

    batch: Annotated[int, Field(ge=1, le=2**24)] = 8192
    """Samples a step; a smaller signal is used in full."""

    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Points stray uniformly from their samples by up to this share of a cell: smooths the field between samples."""

    def start(self, n_samples: int, seed: int) -> AbstractSampler:
        """See the base class."""
        return _Epochs(n_samples, min(self.batch, n_samples), self.jitter, seed)


@final
class _Epochs(AbstractSampler):
    def __init__(self, n_samples: int, batch: int, jitter: float, seed: int) -> None:
        self._n, self._batch, self._jitter, self._seed = n_samples, batch, jitter, seed
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

    def offsets(self, step: int, shape: tuple[int, int]) -> Offsets | None:
        if self._jitter == 0:
            return None
        unit = generator(self._seed, "jitter", step).random(shape, dtype=np.float32)
        return (2 * unit - 1) * np.float32(self._jitter)
