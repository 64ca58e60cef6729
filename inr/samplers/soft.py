"""Soft mining: points that wander to where the loss is, and count less there.

Kheradmand, Rebain, Sharma, Isack, Kar, Tagliasacchi, Yi, "Accelerating Neural Field Training via Soft Mining",
CVPR 2024; for pictures after the comparison of Zhang et al. 2025 (EVOS).

n points lie at positions u in [0, 1] of each axis, from the first sample to the last, at first uniformly. After a step

    u <- u + (a/n) d log(l)/dp + b N(0, 1)        Langevin's equation; l: loss of the point, p: position in samples

with a = `drift`, b = `noise`. Points that left [0, 1] and the tenth with the least loss are drawn anew from the edges
(probability proportional to the gradient magnitude of the gray signal, by the Sobel operator), and a tenth of all
uniformly. A step trains the samples nearest to the points, with weights

    w = (1/l_1)^rho,  rho = min(step/1000, alpha),  clamped to 0.2..(mean + standard deviation of all w)

l_1: mean absolute residual, at least 2^-10. alpha = 0 mines the hard samples, alpha = 1 would be importance sampling.

The cache says where l_1 comes from, which is needed before the step: a forward pass over the points (full, as
published; there the step itself has it, here it costs a third of a step more), or the residual of when the sample was
last trained (rolling; samples never seen count as the mean; it also replaces the edges). Gradients by coordinates make
every step dearer, too.

The published form is ``SoftSampler(random=0, alpha=0.6, cache="full")``. On photos it loses to plain mini-batches, by
0.5 to 3 dB at 512 samples a step after 1,500 steps (in the tables of EVOS by 0.8 dB): weights of 1/l_1^0.6 make the
squared error one of a lower power, points draw some samples rarely, and edges are not where the errors are. So by
default 85 % of a step come from plain epochs over all samples, with weight 1, the points are not weighted (alpha = 0),
and with the rolling cache they are drawn anew with probability proportional to l_1, from the second epoch on. That is
at most 0.3 dB behind plain mini-batches for SIREN, and 0.1 to 1 dB ahead of them for hash grids (128 x 128 samples,
batches of 512 to 8,192).

Deviations: l is the mean squared residual, also if the fit minimises another loss. In released code the loss by which
the gradient of the weighted loss is divided has the weight already and is multiplied by it again, so that its drift is
1/w of that of the equation, and the least tenth is that of the weighted loss; here both are those of l itself. There
positions are pixels of a camera, as here; the comparison in EVOS's code takes the derivative by coordinates in [-1, 1]
for one by positions in [0, 1], so that its drift is half of the side of the picture, in samples, times as strong.
Points that are drawn uniformly are drawn last, so they are a full tenth; there the edges draw over some of them. The
Sobel operator has its natural form for any number of axes. Steps, not shares of the fit, count for rho, as published.
"""

from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
import numpy.typing as npt
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
    Selection,
    Wanted,
)
from inr.samplers.cache import CacheMode, ResidualCache, check_size
from inr.samplers.mixture import Mixture
from inr.signals.gray import luma
from inr.signals.signal import Signal

REDRAWN = 0.1
"""Share of the points drawn anew uniformly, and again of those with the least loss."""
WARM_UP = 1000
"""Steps in which rho would rise to 1."""
LEAST_LOSS = float(np.finfo(np.float16).eps)
LEAST_WEIGHT = 0.2


@final
@SAMPLERS.register
class SoftSampler(SamplerSpec):
    """Wandering points with weighted losses (soft mining)."""

    kind: Literal["soft"] = "soft"
    wire_id: ClassVar[int] = 6
    paper: ClassVar[str] = "Kheradmand et al. 2024, Accelerating Neural Field Training via Soft Mining"

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Exponent of the weights: 0 for hard mining, 0.6 as published, 1 for importance sampling."""
    drift: Annotated[float, Field(ge=0, le=10**6)] = 20.0
    """Strength a of the drift towards the loss."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Standard deviation b of the steps, as a share of each axis."""
    cache: CacheMode = "rolling"
    """Residuals for the weights by a forward pass over the points, and new places by the edges of the signal (full); or
    both by the residuals as of when a sample was last trained (rolling)."""
    random: Annotated[float, Field(ge=0, le=1)] = 0.85
    """Share of a step that comes from plain epochs over all samples instead of from the points, with weight 1."""
    batch: Annotated[int, Field(ge=1, le=2**24)] = 8192
    """Samples of a step; at most as many as there are."""

    def start(self, signal: Signal, seed: int, residuals: Residuals) -> AbstractSampler:
        """See the base class; raises `SpecError` for a signal of more than 2^26 samples."""
        check_size(self.kind, signal.domain.size)
        return _Langevin(self, signal, seed, residuals)


def edges(signal: Signal) -> Floats:
    """Gradient magnitude of the gray signal by Sobel's operator, its border repeated, in C order `(n_samples,)`."""
    shape, gray = signal.domain.shape, luma(signal.channels)
    rows = np.array_split(np.arange(signal.domain.size, dtype=np.int64), max(1, signal.domain.size >> 18))
    padded = np.pad(np.concatenate([signal.targets(index) @ gray for index in rows]).reshape(shape), 1, mode="edge")
    total = np.zeros(shape, dtype=np.float32)
    for axis in range(len(shape)):
        slope = padded
        for other in range(len(shape)):
            along = np.moveaxis(slope, other, 0)
            stencil = along[2:] - along[:-2] if other == axis else along[2:] + 2 * along[1:-1] + along[:-2]
            slope = np.moveaxis(stencil, 0, other)
        total += np.square(slope)
    return np.sqrt(total).reshape(-1)


def loss_weights(loss: Floats, rho: float) -> Floats:
    """Weights of points with mean absolute residuals `(n,)`, `(n,)`."""
    weights = np.maximum(loss, np.float32(LEAST_LOSS)) ** np.float32(-rho)
    clamped: Floats = np.minimum(np.maximum(weights, np.float32(LEAST_WEIGHT)), weights.mean() + weights.std())
    return clamped


def _known(loss: Floats) -> Floats:
    """Residuals of a cache, with their mean for samples never seen, and the largest for what is not finite."""
    finite = np.isfinite(loss)
    if not finite.any():
        return np.ones_like(loss)
    known: Floats = np.where(np.isnan(loss), loss[finite].mean(), np.minimum(loss, loss[finite].max()))
    return known


@final
class _Langevin(AbstractSampler):
    wants: ClassVar[Wanted] = "gradients"

    def __init__(self, spec: SoftSampler, signal: Signal, seed: int, residuals: Residuals) -> None:
        domain = signal.domain
        self._spec, self._seed, self._shape = spec, seed, domain.shape
        self._residuals = residuals
        self._cache = ResidualCache(domain.size, 1, residuals, lambda index, rows: np.abs(rows).mean(axis=1)[None])
        self._last = np.array(domain.shape, dtype=np.float64) - 1
        self._cells = np.array([(high - low) / n for n, (low, high) in zip(domain.shape, domain.box, strict=True)])
        self._draw_by(edges(signal))
        self._epoch = max(1, domain.size // spec.batch) if spec.cache == "rolling" else 0
        """Steps after which points are drawn anew by other residuals; 0 for never."""
        self._mixture = Mixture(domain.size, spec.batch, spec.random, seed)
        count = min(spec.batch, domain.size) - self._mixture.spread
        start = generator(seed, "soft")
        self._positions: npt.NDArray[np.float64] = start.random((count, domain.ndim)) * self._last
        """Where the points are, in samples, `(n, ndim)`."""

    def select(self, moment: Moment) -> Points:
        cells = np.rint(self._positions).astype(np.int64)
        index: FlatIndex = np.ravel_multi_index(tuple(cells.T), self._shape)
        weights = self._weights(index, min(moment.step / WARM_UP, self._spec.alpha))
        if self._mixture.spread:
            index = np.concatenate([index, self._mixture.spread_of(moment.step)])
            plain = np.ones(self._mixture.spread, dtype=np.float32)
            weights = None if weights is None else np.concatenate([weights, plain])
        return Points(index, weights=weights)

    def observe(self, moment: Moment, selection: Selection, residuals: Floats, gradients: Floats | None) -> None:
        if not isinstance(selection, Points) or gradients is None:
            return
        self._cache.store(selection.index, residuals)
        if self._epoch and (moment.step + 1) % self._epoch == 0:
            self._draw_by(_known(self._cache.values[0]))
        n = len(self._positions)
        residuals, gradients = residuals[:n], gradients[:n]
        loss = np.square(residuals, dtype=np.float64).mean(axis=1)
        weights = 1.0 if selection.weights is None else selection.weights[:n]
        slopes = gradients * self._cells / (weights * loss + np.finfo(np.float32).eps)[:, None]
        self._move(moment.step, loss, slopes)

    def _weights(self, index: FlatIndex, rho: float) -> Floats | None:
        if rho == 0:
            return None
        if self._spec.cache == "full":
            return loss_weights(np.abs(self._residuals(index)).mean(axis=1), rho)
        return loss_weights(_known(self._cache.values[0, index]), rho)

    def _draw_by(self, share: Floats) -> None:
        """Points are drawn anew with probability proportional to `share`, `(n_samples,)`, or anywhere if it is zero."""
        self._share = share
        self._cumulative = np.cumsum(share if share.any() else np.ones_like(share), dtype=np.float64)

    def _move(self, step: int, loss: npt.NDArray[np.float64], slopes: npt.NDArray[np.float64]) -> None:
        """One step of Langevin's equation, and new places for some; slopes are those of log l, by samples."""
        rng, n = generator(self._seed, "soft", step), len(loss)
        if n == 0:
            return
        tenth = int(REDRAWN * n)
        moved = self._spec.drift / n * slopes + self._spec.noise * rng.standard_normal(slopes.shape)
        positions = self._positions + self._last * moved
        lost: npt.NDArray[np.bool_] = np.any(~((positions >= 0) & (positions <= self._last)), axis=1)
        lost[np.argpartition(loss, tenth)[:tenth]] = True
        drawn = rng.random(int(lost.sum())) * self._cumulative[-1]
        chosen = np.minimum(np.searchsorted(self._cumulative, drawn, side="right"), len(self._cumulative) - 1)
        positions[lost] = np.stack(np.unravel_index(chosen, self._shape), axis=1)
        positions[n - tenth :] = rng.random((tenth, positions.shape[1])) * self._last
        self._positions = positions

    def state(self) -> dict[str, Any]:
        return {**self._cache.state(), "positions": self._positions, "share": self._share}

    def restore(self, state: dict[str, Any]) -> None:
        self._cache.restore(state)
        self._positions = state["positions"]
        self._draw_by(state["share"])
