"""Drives a sampler through a made-up fit whose residuals the test chooses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.domain import Domain
from inr.meta import SignalMeta
from inr.samplers.base import AbstractSampler, Moment, Points, SamplerSpec
from inr.signals.array.attributes import ArrayAttributes
from inr.signals.signal import Signal

Index = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def gray_signal(*shape: int, value: int = 128) -> Signal:
    """One channel, constant unless changed by the test."""
    samples = np.full((*shape, 1), value, dtype=np.uint8)
    return signal_of_samples(samples)


def signal_of_samples(samples: npt.NDArray[np.uint8]) -> Signal:
    names = tuple(f"axis{a}" for a in range(samples.ndim - 1))
    domain = Domain.of_shape(samples.shape[:-1], names)
    return Signal(samples, domain, SignalMeta("uint8", (0.0, 255.0), ArrayAttributes()))


@dataclass
class Drive:
    """A fit of `total` steps, or of a time that ends with step `ends`, whose residuals are `table[sample]`.

    Attributes:
        asked: samples evaluated by forward passes in each step.
        fresh: the last step in which a sample was evaluated or trained, -1 for never.
    """

    spec: SamplerSpec
    signal: Signal
    table: Floats
    total: int | None
    seed: int = 1
    ends: int = 0
    slopes: Callable[[Points], Floats] | None = None
    step: int = 0
    asked: list[int] = field(default_factory=list)
    chosen: list[Points] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fresh = np.full(self.signal.domain.size, -1)
        self.sampler: AbstractSampler = self.spec.start(self.signal, self.seed, self.residuals)

    def residuals(self, index: Index) -> Floats:
        self.asked[-1] += len(index)
        self.fresh[index] = self.step
        return self.table[index]

    def run(self, steps: int) -> list[Points]:
        """The selections of the next steps."""
        for _ in range(steps):
            moment = Moment(self.step, self.step / (self.total or self.ends), self.total)
            self.asked.append(0)
            points = self.sampler.select(moment)
            assert isinstance(points, Points)
            self.fresh[points.index] = self.step
            slopes = self.slopes(points) if self.slopes else np.zeros((len(points.index), self.signal.domain.ndim))
            gradients = slopes.astype(np.float32) if self.sampler.wants == "gradients" else None
            self.sampler.observe(moment, points, self.table[points.index], gradients)
            self.chosen.append(points)
            self.step += 1
        return self.chosen[-steps:]


def drive(spec: SamplerSpec, table: npt.ArrayLike, total: int | None = 100, **more: Any) -> Drive:
    """A fit of a gray signal in one dimension with the residuals `table`, `(n,)`."""
    rows = np.asarray(table, dtype=np.float32)[:, None]
    return Drive(spec, gray_signal(len(rows)), rows, total, **more)


def distinct(n: int, seed: int = 0) -> Floats:
    """Residuals of both signs, no two of the same size."""
    rng = np.random.default_rng(seed)
    size = rng.permutation(n) + 1
    table: Floats = (size * rng.choice([-1, 1], n) / n).astype(np.float32)
    return table


def top(table: npt.ArrayLike, count: int) -> Index:
    """The samples with the `count` largest residuals, sorted."""
    return np.sort(np.argsort(np.abs(np.asarray(table)))[::-1][:count])
