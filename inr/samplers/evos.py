"""EVOS: survivors of an evolution by error and by detail, and random mutants.

Zhang et al., "EVOS: Efficient Implicit Neural Training via EVOlutionary Selector", CVPR 2025.

e = 1..T: step, N: samples, r: share of the samples that a step trains, r_0 = `ratio`, m = `mutation` r_0.

Fitness is evaluated at the start and whenever ``I(e) = int(I_0 (1 - e/(2T)))`` steps have passed since:

    E_i = mean over channels of (f(x_i) - y_i)^2            error
    L_i = lambda (Lap f - Lap y)_i^2                         detail: of the gray picture in 0..255, zero outside

Crossover: A = the K samples with the largest E, B = those with the largest L, K = N - int((1 - r + m) N). Survivors are
all of both, then the best of A alone and of B alone, in the ratio mean E : mean L. Then, until the next evaluation,
every step trains the int((r - m) N) survivors and int(m N) mutants, drawn anew from all others, uniformly.
Schedules of r: constant, or the steps of INT, ``r_0 + floor(10 (e-1)/T) (1 - r_0)/10``; m stays.

The published form is ``EvosSampler(cache="full", batch=None)`` with the loss ``CrossFrequency(cache="full")``,
``--sampler evos:cache=full,batch=none --loss cross_frequency:cache=full``: an evaluation is a training step on all
samples, whose residuals give the fitness. With a `batch` a full evaluation is a forward pass, and the step trains a
mini-batch like every other; a mini-batch has survivors and mutants in the proportion of the published step, but its
mutants come from plain epochs over all samples, so that each has its turn (published: drawn anew from all that do not
survive, which for small batches leaves some out for long and loses 0.4 dB to plain epochs). With the rolling cache
there is no pass over all samples: fitness comes from the residuals of when each was last trained or had its turn, after
a first epoch of plain mini-batches in which all are seen. That costs a forward pass over 1/8 batch a step, 4 % of a
step, and some sorting of N numbers every hundredth step.

Deviations: the cross-frequency loss of the paper is a component of its own, the loss `cross_frequency`; without it this
is "EVOS without CFS" in the tables of the paper. The Laplacian is linear, hence ``Lap f - Lap y = Lap(f - y)``;
predictions are clamped to the range of the samples but not rounded. For signals of other than two axes it is the sum of
second differences along all axes. Samples are taken in [-1, 1] and gray as 127.5 times that, also if a power transform
lies between them and the file. Released code evaluates when ``e mod I(e) = 1``, which a shrinking I may miss for
hundreds of steps.
"""

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
from inr.samplers.teaching import ratio_at
from inr.samplers.uniform import Epochs
from inr.signals.gray import LEVELS, laplacian, luma
from inr.signals.signal import Signal


@final
@SAMPLERS.register
class EvosSampler(SamplerSpec):
    """Mini-batches of survivors by error and detail and of random mutants (EVOS; its loss is `cross_frequency`)."""

    kind: Literal["evos"] = "evos"
    wire_id: ClassVar[int] = 5
    paper: ClassVar[str] = "Zhang et al. 2025, EVOS: Efficient Implicit Neural Training via EVOlutionary Selector"

    ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the samples to choose from, at the start."""
    schedule: Literal["constant", "step"] = "constant"
    """How the share changes; the paper's best is `step` from 0.2."""
    mutation: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of random samples in the choice, at the start; None: 0.5 without a `batch`, as published, and 0.75 with."""
    detail: Annotated[float, Field(ge=0, le=10**6)] = 1e-5
    """Lambda, the weight of the Laplacian in gray levels against the error; 0 selects by error alone."""
    interval: Annotated[int, Field(ge=1, le=10**6)] = 100
    """Steps between two evaluations of the fitness, at the start; half of it at the end (of the steps, or of the time
    if that limits the fit)."""
    cache: CacheMode = "rolling"
    """Fitness by a pass over all samples (full), or from the residuals as of when a sample was last trained or had its
    turn (rolling)."""
    refresh: Annotated[int, Field(ge=1, le=10**6)] = 8
    """Epochs in which each sample of a rolling cache has its turn to be re-evaluated."""
    batch: Annotated[int, Field(ge=1, le=2**24)] | None = 8192
    """Samples a step, if survivors and mutants are more; None trains all of them."""

    def start(self, signal: Signal, seed: int, residuals: Residuals) -> AbstractSampler:
        """See the base class; raises `SpecError` for a signal of more than 2^26 samples."""
        check_size(self.kind, signal.domain.size)
        return _Evolution(self, signal, seed, residuals)


def crossover(error: Floats, detail: Floats, count: int) -> FlatIndex:
    """The `count` survivors of `(n,)` samples, sorted: those best in both, then the best in either.

    Args:
        error: E, `(n,)`.
        detail: L, `(n,)`.
        count: K, 0 to n.
    """
    by_error, by_detail = np.zeros(len(error), dtype=bool), np.zeros(len(error), dtype=bool)
    by_error[largest(error, count)] = True
    by_detail[largest(detail, count)] = True
    both = np.flatnonzero(by_error & by_detail)
    free = count - len(both)
    means = float(error.mean(dtype=np.float64)), float(detail.mean(dtype=np.float64))
    share = means[0] / sum(means) if 0 < sum(means) < np.inf else 0.5
    from_error = int(free * share)
    parts = [both]
    for mine, other, scores, taken in (
        (by_error, by_detail, error, from_error),
        (by_detail, by_error, detail, free - from_error),
    ):
        alone = np.flatnonzero(mine & ~other)
        parts.append(alone[largest(scores[alone], taken)])
    return np.sort(np.concatenate(parts))


def interval_at(interval: int, step: int, total: int) -> int:
    """I(e) for the step with e - 1 steps before it."""
    return max(1, int(interval - interval / 2 * (step + 1) / total))


@final
class _Evolution(AbstractSampler):
    wants: ClassVar[Wanted] = "residuals"

    def __init__(self, spec: EvosSampler, signal: Signal, seed: int, residuals: Residuals) -> None:
        self._spec, self._signal, self._seed = spec, signal, seed
        self._n = signal.domain.size
        self._cache = ResidualCache(self._n, 2, residuals, self._measure)
        self._gray = luma(signal.channels)
        self._batch = min(self._n, spec.batch or max(1, int(spec.ratio * self._n)))
        self._epochs = Epochs(self._n, self._batch, seed)
        self._mixture = Mixture(self._n, self._batch, 0.0, seed)
        self._first_epoch = self._n // self._batch if spec.cache == "rolling" else 0
        self._evaluated_at = self._first_epoch
        self._order: FlatIndex = np.zeros(0, dtype=np.int64)
        """All samples, from the one with the least error to the last survivor; empty before the first evaluation."""

    def select(self, moment: Moment) -> Points:
        if moment.step < self._first_epoch:
            return Points(np.sort(self._epochs.indices(moment.step)))
        if self._due(moment):
            if self._trains_all():
                return Points(np.arange(self._n, dtype=np.int64))
            rolling = turn(moment.step - self._evaluated_at, self._batch, self._spec.refresh)
            self._cache.refresh(rolling if self._spec.cache == "rolling" else self._n)
            self._evaluate(moment)
        return Points(self._draw(moment))

    def observe(self, moment: Moment, selection: Selection, residuals: Floats, gradients: Floats | None) -> None:
        if isinstance(selection, Points):
            self._cache.store(selection.index, residuals)
        if self._trains_all() and self._due(moment):
            self._evaluate(moment)

    def _trains_all(self) -> bool:
        """An evaluation is a training step on all samples."""
        return self._spec.cache == "full" and self._spec.batch is None

    def _due(self, moment: Moment) -> bool:
        interval = interval_at(self._spec.interval, *place(moment))
        return len(self._order) == 0 or moment.step - self._evaluated_at >= interval

    def _measure(self, index: FlatIndex, residuals: Floats) -> Floats:
        """Error and gray residual of the clamped prediction, `(2, n)`."""
        targets = self._signal.targets(index)
        clamped = np.clip(targets + residuals, -1, 1) - targets
        return np.stack([np.square(residuals).mean(axis=1), clamped @ self._gray])

    def _shares(self, moment: Moment) -> tuple[float, float]:
        """The shares r and m of all samples."""
        ratio = ratio_at(self._spec.schedule, self._spec.ratio, *place(moment))
        usual = 0.5 if self._spec.batch is None else 0.75
        mutation = usual if self._spec.mutation is None else self._spec.mutation
        return ratio, mutation * self._spec.ratio

    def _evaluate(self, moment: Moment) -> None:
        """Put the samples in order."""
        ratio, mutation = self._shares(moment)
        error, gray = self._cache.values
        difference = laplacian(LEVELS * gray.reshape(self._signal.domain.shape)).reshape(-1)
        detail = np.float32(self._spec.detail) * np.square(difference)
        survivors = crossover(error, detail, self._n - int((1 - ratio + mutation) * self._n))
        rest = np.ones(self._n, dtype=bool)
        rest[survivors] = False
        others = np.flatnonzero(rest)
        self._order = np.concatenate([others[np.argsort(error[others], kind="stable")], survivors])
        self._evaluated_at = moment.step

    def _mixtures(self, share: float) -> Mixture:
        """Mini-batches with a share of mutants; the share only changes with the ratio."""
        if self._mixture.spread != round(share * self._batch):
            self._mixture = Mixture(self._n, self._batch, share, self._seed)
        return self._mixture

    def _draw(self, moment: Moment) -> FlatIndex:
        """Survivors and mutants, sorted; at least one mutant if there is no survivor."""
        ratio, mutation = self._shares(moment)
        survivors = int((ratio - mutation) * self._n)
        mutants = min(max(int(mutation * self._n), 1 - survivors), self._n - survivors)
        rest, best = np.split(self._order, [self._n - survivors])
        rng = generator(self._seed, "evos", moment.step)
        if self._spec.batch is not None and self._spec.batch < survivors + mutants:
            mixture = self._mixtures(mutants / (survivors + mutants))
            return mixture.draw(moment.step, best, rng)
        chosen = [rng.choice(part, n, replace=False, shuffle=False) for part, n in ((best, survivors), (rest, mutants))]
        return np.sort(np.concatenate(chosen))

    def state(self) -> dict[str, Any]:
        return {**self._cache.state(), "order": self._order, "evaluated_at": self._evaluated_at}

    def restore(self, state: dict[str, Any]) -> None:
        self._cache.restore(state)
        self._order, self._evaluated_at = state["order"], state["evaluated_at"]
