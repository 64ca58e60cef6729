"""What samplers remember of the residuals: a cache that training itself keeps fresh, and helpers around it.

A forward pass over all samples costs a third of an epoch. The cache instead takes the residuals of the samples that a
step trains anyway, and re-evaluates the rest in rotation: `turn` samples a step, a small share of a batch, so that
after some epochs no entry is older than one turn, whatever was trained.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, final

import numpy as np

from inr.errors import SpecError
from inr.samplers.base import FlatIndex, Floats, Moment, Residuals

CacheMode = Literal["full", "rolling"]
Measure = Callable[[FlatIndex, Floats], Floats]
"""Indices `(n,)` and residuals `(n, channels)` -> what to remember of each sample, `(rows, n)`."""

MAX_SAMPLES = 2**26
"""Samplers that remember something of every sample take up to 40 bytes for each."""
CHUNK = 2**18
"""Samples evaluated at once."""
NO_TOTAL = 10**6
"""Length of a fit that only time limits, in made-up steps, for what happens at a share of the fit."""


@final
class ResidualCache:
    """What is known of the residual of each sample, as of when it was last seen.

    Args:
        n_samples: samples of the signal.
        rows: numbers to remember of a sample.
        residuals: asks the present state of the field.
        measure: what to remember.
    """

    def __init__(self, n_samples: int, rows: int, residuals: Residuals, measure: Measure) -> None:
        self.values: Floats = np.full((rows, n_samples), np.nan, dtype=np.float32)
        """`(rows, n_samples)`; not a number for samples that were never seen."""
        self._residuals, self._measure = residuals, measure
        self._next = 0

    def store(self, index: FlatIndex, residuals: Floats) -> None:
        """Remember what a step found, `(n, channels)`; what is not a number counts as infinitely wrong."""
        found = self._measure(index, residuals)
        found[np.isnan(found)] = np.inf
        self.values[:, index] = found

    def refresh(self, count: int) -> None:
        """Evaluate all samples that were never seen, and the next `count` in rotation (all of them at most)."""
        n = self.values.shape[1]
        if count < n:
            self._evaluate(np.flatnonzero(np.isnan(self.values[0])))
        count = min(count, n)
        self._evaluate((self._next + np.arange(count, dtype=np.int64)) % n)
        self._next = (self._next + count) % n

    def _evaluate(self, index: FlatIndex) -> None:
        for first in range(0, len(index), CHUNK):
            part = index[first : first + CHUNK]
            self.store(part, self._residuals(part))

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"values": self.values, "next": self._next}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.values, self._next = state["values"], state["next"]


def turn(steps: int, batch: int, epochs: int) -> int:
    """Samples to re-evaluate after `steps` steps of `batch` samples so that all have their turn within `epochs`."""
    return math.ceil(steps * batch / epochs)


def largest(scores: Floats, count: int) -> FlatIndex:
    """Indices of the `count` largest of `(n,)` numbers, in increasing order; of equal ones the last."""
    n = len(scores)
    if count >= n:
        return np.arange(n, dtype=np.int64)
    if count <= 0:
        return np.zeros(0, dtype=np.int64)
    least = np.partition(scores, n - count)[n - count]  # several times faster than argpartition
    chosen = np.flatnonzero(scores >= least)
    if len(chosen) > count:
        equal = np.flatnonzero(scores[chosen] == least)
        chosen = np.delete(chosen, equal[: len(chosen) - count])
    return chosen


def place(moment: Moment) -> tuple[int, int]:
    """Where a fit is and how long it is, both in steps; what only time limits is `NO_TOTAL` steps long.

    If time runs out before the steps do, the place is where the share of time says.
    """
    total = moment.total or NO_TOTAL
    return round(moment.progress * total), total


def check_size(kind: str, n_samples: int) -> None:
    """Raise `SpecError` if a sampler that remembers every sample cannot hold that many."""
    if n_samples > MAX_SAMPLES:
        raise SpecError(
            f"{kind}: signal: remembers every sample, at most {MAX_SAMPLES} are allowed; "
            f"got {n_samples}; use the sampler uniform"
        )
