"""INT: train on the samples with the largest residuals.

Zhang et al., "Nonparametric Teaching of Implicit Neural Representations", ICML 2024.

    d_i = sum over channels of |f(x_i) - y_i|;  train on the k = max(1, int(r(t) N)) samples with the largest d_i

t: step, T: steps of the fit, N: samples, r: share of the samples, r_0 = `ratio`. The loss is the plain mean over the
chosen samples: without weights, so biased on purpose towards what is hard. A subset is kept until the next selection,
with the size that it had then.

    constant  r_0                                  linear          r_0 + (1 - r_0) t/T
    step      r_0 + floor(10 t/T) (1 - r_0)/10     cosine          1 - (1 - r_0)(1 + cos(pi t/T))/2
                                                   reverse_cosine  r_0 - (r_0 - 0.2)(1 - cos(pi t/T))/2

As released, `step` never reaches 1: from 0.2 it ends at 0.92.

The published method is ``TeachingSampler(cache="full", batch=None)``, ``--sampler teaching:cache=full,batch=none``:
every selection is a forward pass over all samples, every step trains all k. The defaults are made for a CPU, which
cannot: mini-batches, a quarter of which is drawn from the k samples, with a constant r, by residuals that training
keeps up to date (`cache="rolling"`), while three quarters come from plain epochs over all samples (`random`). After a
first epoch of plain mini-batches, in which all samples are seen, that costs a forward pass over 1/8 batch a step, 4 %
of it, and a partition of N numbers at each selection, 1 ms for a photo of 768 x 512. Mini-batches of the k samples
alone (``random=0``) lose to plain epochs where they are small: by up to 0.5 dB at 512 samples a step on photos of 128 x
128 after 2,000 steps, full cache or rolling, as what is not chosen drifts. The published form, of large batches, does
not.

Deviations: k of at least 1, and phases of at least one step, where the released code divides by zero for a fit of few
steps.
"""

import math
from typing import Annotated, Any, ClassVar, Literal, final

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
    Selection,
    Wanted,
)
from inr.samplers.cache import CacheMode, ResidualCache, check_size, largest, place, turn
from inr.samplers.mixture import Mixture
from inr.samplers.uniform import Epochs
from inr.signals.signal import Signal

Schedule = Literal["constant", "linear", "step", "cosine", "reverse_cosine"]
Interval = Literal["dense", "dense2", "incremental", "reverse_incremental", "void"]

STAGES = 10
LAST_RATIO = 0.2
"""Where `reverse_cosine` ends."""
START_UP = 0.25
"""Share of the steps at the start in which `incremental` selects every time."""
PHASES = 5
PHASE_INTERVAL = 10


@final
@SAMPLERS.register
class TeachingSampler(SamplerSpec):
    """Mini-batches from the samples with the largest residuals (INT)."""

    kind: Literal["teaching"] = "teaching"
    wire_id: ClassVar[int] = 4
    paper: ClassVar[str] = "Zhang et al. 2024, Nonparametric Teaching of Implicit Neural Representations"

    ratio: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Share of the samples to train on, at the start."""
    schedule: Schedule | None = None
    """How the share changes; None: step without a `batch`, as published, and constant with."""
    interval: Interval = "incremental"
    """When to select: every step (dense), every second (dense2); every step in the first quarter and then every 10th,
    20th, ... 50th (incremental); every 90th, 80th, ... 10th and at last every (reverse_incremental); never, to train on
    all samples (void). "Every 10th" means steps that 10 divides, shares are those of the steps, or of the time if that
    limits the fit."""
    cache: CacheMode = "rolling"
    """Residuals by a forward pass over all samples at each selection (full), or as of when a sample was last trained or
    had its turn (rolling)."""
    refresh: Annotated[int, Field(ge=1, le=10**6)] = 8
    """Epochs in which each sample of a rolling cache has its turn to be re-evaluated."""
    batch: Annotated[int, Field(ge=1, le=2**24)] | None = 8192
    """Samples a step, drawn uniformly from the selected ones if these are more; None trains all of them."""
    random: Annotated[float, Field(ge=0, le=1)] = 0.75
    """Share of a mini-batch that comes from plain epochs over all samples instead; 0 if all selected are trained."""

    def start(self, signal: Signal, seed: int, residuals: Residuals) -> AbstractSampler:
        """See the base class; raises `SpecError` for a signal of more than 2^26 samples."""
        check_size(self.kind, signal.domain.size)
        return _Teacher(self, signal.domain.size, seed, residuals)


def ratio_at(schedule: Schedule, ratio: float, step: int, total: int) -> float:
    """Share of the samples at a step; the formulas are those of the module."""
    match schedule:
        case "constant":
            return ratio
        case "linear":
            return ratio + (1 - ratio) * step / total
        case "step":
            return min(1.0, ratio + STAGES * step // total * (1 - ratio) / STAGES)
        case "cosine":
            return 1 - 0.5 * (1 - ratio) * (1 + math.cos(math.pi * step / total))
        case "reverse_cosine":
            return ratio - 0.5 * (ratio - LAST_RATIO) * (1 - math.cos(math.pi * step / total))


def interval_at(interval: Interval, step: int, total: int) -> int:
    """Steps between two selections; 0 for none at all."""
    match interval:
        case "dense":
            return 1
        case "dense2":
            return 2
        case "incremental":
            start = int(START_UP * total)
            phase = (step - start) // max(1, (total - start) // PHASES)
            return 1 if step < start else PHASE_INTERVAL * (min(phase, PHASES - 1) + 1)
        case "reverse_incremental":
            phase = step // max(1, total // STAGES)
            return max(1, PHASE_INTERVAL * (STAGES - 1 - phase))
        case "void":
            return 0


@final
class _Teacher(AbstractSampler):
    wants: ClassVar[Wanted] = "residuals"

    def __init__(self, spec: TeachingSampler, n_samples: int, seed: int, residuals: Residuals) -> None:
        self._spec, self._n, self._seed = spec, n_samples, seed
        self._cache = ResidualCache(n_samples, 1, residuals, lambda index, rows: np.abs(rows).sum(axis=1)[None])
        self._schedule: Schedule = spec.schedule or ("step" if spec.batch is None else "constant")
        first = min(n_samples, spec.batch or self._count(spec.ratio))
        self._epochs = Epochs(n_samples, first, seed)
        self._mixture = Mixture(n_samples, spec.batch or n_samples, spec.random, seed)
        rolling = spec.cache == "rolling" and spec.interval != "void"
        self._first_epoch = n_samples // first if rolling else 0
        self._subset: FlatIndex = np.zeros(0, dtype=np.int64)
        self._selected_at = self._first_epoch

    def select(self, moment: Moment) -> Points:
        if moment.step < self._first_epoch:
            return Points(np.sort(self._epochs.indices(moment.step)))
        step, total = place(moment)
        interval = interval_at(self._spec.interval, step, total)
        if len(self._subset) == 0 or (interval and moment.step % interval == 0):
            ratio = ratio_at(self._schedule, self._spec.ratio, step, total) if interval else 1.0
            self._choose(moment.step, self._count(ratio))
        return Points(self._draw(moment.step))

    def observe(self, moment: Moment, selection: Selection, residuals: Floats, gradients: Floats | None) -> None:
        if isinstance(selection, Points):
            self._cache.store(selection.index, residuals)

    def _count(self, ratio: float) -> int:
        return max(1, int(ratio * self._n))

    def _choose(self, step: int, count: int) -> None:
        """The subset of the `count` largest residuals; all samples need no residuals."""
        if count < self._n:
            trained = min(self._spec.batch or count, self._n)
            rolling = turn(step - self._selected_at, trained, self._spec.refresh)
            self._cache.refresh(rolling if self._spec.cache == "rolling" else self._n)
        self._subset = largest(self._cache.values[0], count)
        self._selected_at = step

    def _draw(self, step: int) -> FlatIndex:
        if self._spec.batch is None or self._spec.batch >= self._n:
            return self._subset
        return self._mixture.draw(step, self._subset, generator(self._seed, "teaching", step))

    def state(self) -> dict[str, Any]:
        return {**self._cache.state(), "subset": self._subset, "selected_at": self._selected_at}

    def restore(self, state: dict[str, Any]) -> None:
        self._cache.restore(state)
        self._subset, self._selected_at = state["subset"], state["selected_at"]
