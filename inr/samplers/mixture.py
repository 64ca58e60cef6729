"""Mini-batches that no sample is left out of: plain epochs, and beside them what a sampler has chosen."""

from typing import final

import numpy as np

from inr.rng import derive_seed
from inr.samplers.base import FlatIndex
from inr.samplers.uniform import Epochs


@final
class Mixture:
    """Draws mini-batches of which a share has every sample once an epoch of its own, and the rest comes from a pool.

    What is chosen by residuals alone loses to plain epochs where batches are small: the residuals are old, and what is
    not chosen drifts. The share that is spread over all keeps both within bounds.

    Args:
        n_samples: samples of the signal.
        batch: size of a mini-batch, at most `n_samples`.
        share: of it that is spread, 0 to 1.
        seed: of the epochs.
    """

    def __init__(self, n_samples: int, batch: int, share: float, seed: int) -> None:
        self._n, self._batch = n_samples, min(batch, n_samples)
        self.spread = round(share * self._batch)
        """Samples of a batch that are spread."""
        self._epochs = Epochs(n_samples, max(1, self.spread), derive_seed(seed, "mixture"))

    def spread_of(self, step: int) -> FlatIndex:
        """Those of a step, `(spread,)`."""
        return self._epochs.indices(step)[: self.spread]

    def draw(self, step: int, pool: FlatIndex, rng: np.random.Generator) -> FlatIndex:
        """The batch of a step, sorted, none twice: smaller than usual if the pool has too few others."""
        spread, left = self.spread_of(step), self._batch - self.spread
        if self.spread:
            taken = np.zeros(self._n, dtype=bool)
            taken[spread] = True
            pool = pool[~taken[pool]]
        chosen = rng.choice(pool, left, replace=False, shuffle=False) if left < len(pool) else pool
        return np.sort(np.concatenate([spread, chosen]))
