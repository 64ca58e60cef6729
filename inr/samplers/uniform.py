"""Random mini-batches without replacement."""

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from inr.rng import generator
from inr.samplers.base import (
    SAMPLERS,
    AbstractSampler,
    FlatIndex,
    Floats,
    Moment,
    Points,
    Residuals,
    SamplerSpec,
)
from inr.signals.signal import Signal

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

    def start(self, signal: Signal, seed: int, residuals: Residuals) -> AbstractSampler:
        """See the base class; the residuals are not asked for."""
        del residuals
        return Epochs(signal.domain.size, self.batch, seed, self.jitter, signal.domain.ndim)


@final
class Epochs(AbstractSampler):
    """Batches of the indices 0 to n - 1, a pure function of seed and step.

    Args:
        n_samples: n.
        batch: size of a batch, at most n.
        seed: of the permutations.
        jitter: points stray from their samples by up to this share of a cell.
        ndim: axes of the signal.
    """

    def __init__(self, n_samples: int, batch: int, seed: int, jitter: float = 0.0, ndim: int = 2) -> None:
        self._n, self._batch, self._seed = n_samples, min(batch, n_samples), seed
        self._jitter, self._ndim = jitter, ndim
        self._epoch = -1
        self._order: FlatIndex = np.zeros(0, dtype=np.int64)

    def select(self, moment: Moment) -> Points:
        """See the base class."""
        return Points(self.indices(moment.step), self._offsets(moment.step))

    def indices(self, step: int) -> FlatIndex:
        """The batch of a step, `(batch,)`."""
        if self._n > _LARGEST_PERMUTATION:
            return generator(self._seed, "batch", step).integers(0, self._n, self._batch)
        epoch, batch = divmod(step, max(1, self._n // self._batch))
        if epoch != self._epoch:
            self._order = generator(self._seed, "epoch", epoch).permutation(self._n)
            self._epoch = epoch
        return self._order[batch * self._batch : (batch + 1) * self._batch]

    def _offsets(self, step: int) -> Floats | None:
        if self._jitter == 0:
            return None
        unit = generator(self._seed, "jitter", step).random((self._batch, self._ndim), dtype=np.float32)
        return (2 * unit - 1) * np.float32(self._jitter)
