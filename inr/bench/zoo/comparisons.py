"""Which fits a benchmark consists of."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inr.bench.results import Run
from inr.fitting.spec import Budget, Device, FitSpec
from inr.inits.base import INITS
from inr.losses.base import LOSSES
from inr.models.base import MODELS, ModelSpec
from inr.optimisers.adam import Adam
from inr.samplers.base import SAMPLERS
from inr.samplers.block import BlockSampler
from inr.signals.signal import Signal

VARIANTS: dict[str, dict[str, dict[str, str]]] = {
    "block": {"block": {"sampler": "block:batch=8192"}},
    "teaching": {
        "teaching rolling": {"sampler": "teaching"},
        "teaching published": {"sampler": "teaching:cache=full,batch=none"},
    },
    "evos": {
        "evos rolling": {"sampler": "evos"},
        "evos rolling, its loss": {"sampler": "evos", "loss": "cross_frequency"},
        "evos published": {"sampler": "evos:cache=full,batch=none", "loss": "cross_frequency:cache=full"},
    },
    "soft": {
        "soft rolling": {"sampler": "soft"},
        "soft published": {"sampler": "soft:random=0,alpha=0.6,cache=full"},
    },
}
"""Samplers that are not compared with their defaults alone, by name of the case, as options of `inr fit` have them:
blocks are as small as mini-batches; those that choose by residuals do so with a rolling cache, and as published."""


@dataclass(frozen=True)
class Conditions:
    """What is the same for all runs of a benchmark.

    Attributes:
        budget: of each fit.
        parameters: that each model is sized to, at most.
        seeds: 0 to this number - 1.
        backend: "auto" or a backend's name.
        device: "auto", "cpu" or "cuda".
    """

    budget: Budget
    parameters: int
    seeds: int
    backend: str = "auto"
    device: Device = "auto"

    def model(self, kind: str, signal: Signal, **settings: Any) -> ModelSpec:
        """A model for a signal, of the number of parameters; raises `SpecError` for an unknown kind or setting."""
        model = MODELS.get(kind)(**settings).fitted_to(signal.domain)
        return model.sized(self.parameters, signal.domain, signal.channels)

    def fit(self, seed: int, model: ModelSpec, **settings: Any) -> FitSpec:
        """A fit with these conditions; uniform mini-batches and the model's own rate unless `settings` differ."""
        usual = {
            "budget": self.budget,
            "optimiser": Adam(learning_rate=model.learning_rate),  # named, so that a result tells it
            "backend": self.backend,
            "device": self.device,
        }
        return FitSpec(**{**usual, "model": model, "seed": seed, **settings})


Case = tuple[str, str, dict[str, Any]]
"""Group, name of the case, settings of the fit."""


def interleaved(
    signals: dict[str, Signal], conditions: Conditions, cases: Callable[[Signal], Iterable[Case]]
) -> list[Run]:
    """All cases on all signals with all seeds: seed outermost, then signal, then case."""
    return [
        Run(group, case, source, conditions.fit(seed, **settings))
        for seed in range(conditions.seeds)
        for source, signal in signals.items()
        for group, case, settings in cases(signal)
    ]


def zoo(signals: dict[str, Signal], conditions: Conditions, models: Sequence[str]) -> list[Run]:
    """Every model with its own learning rate on uniform mini-batches; separable ones also on blocks of the grid."""

    def cases(signal: Signal) -> Iterator[Case]:
        for kind in models:
            model = conditions.model(kind, signal)
            yield "", kind, {"model": model}
            if model.separable:
                yield "", f"{kind} on blocks", {"model": model, "sampler": BlockSampler()}

    return interleaved(signals, conditions, cases)


def inits(signals: dict[str, Signal], conditions: Conditions, models: Sequence[str], kinds: Sequence[str]) -> list[Run]:
    """Every initialiser, for each model."""
    return interleaved(
        signals,
        conditions,
        lambda signal: [
            (model, kind, {"model": conditions.model(model, signal), "init": INITS.make(kind)})
            for model in models
            for kind in kinds
        ],
    )


def samplers(
    signals: dict[str, Signal], conditions: Conditions, models: Sequence[str], kinds: Sequence[str]
) -> list[Run]:
    """Every sampler, for each model."""
    chosen = [variant for kind in kinds for variant in sampler_variants(kind)]
    return interleaved(
        signals,
        conditions,
        lambda signal: [
            (model, name, {"model": conditions.model(model, signal), **settings})
            for model in models
            for name, settings in chosen
        ],
    )


def sampler_variants(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The cases of a sampler with their settings of a fit; raises `UnknownComponentError`."""
    cases = VARIANTS.get(kind, {kind: {"sampler": kind}})
    return [
        (name, {part: (SAMPLERS if part == "sampler" else LOSSES).make(text) for part, text in settings.items()})
        for name, settings in cases.items()
    ]


def rates(
    signals: dict[str, Signal], conditions: Conditions, models: Sequence[str], factors: Sequence[float], sampler: str
) -> list[Run]:
    """Learning rates around the present one of each model, which comes first and is what the others are set against."""
    order = sorted(factors, key=lambda factor: factor != 1)
    tried = [(kind, f"{MODELS.get(kind).learning_rate * factor:.4g}") for kind in models for factor in order]

    def cases(signal: Signal) -> list[Case]:
        return [
            (
                kind,
                rate,
                {
                    "model": conditions.model(kind, signal),
                    "sampler": SAMPLERS.make(sampler),
                    "optimiser": Adam(learning_rate=float(rate)),
                },
            )
            for kind, rate in tried
        ]

    return interleaved(signals, conditions, cases)


def geometric(points: int, factor: float) -> list[float]:
    """Factors around 1, each `factor` times the one before it; `points` is odd."""
    return [factor ** (i - points // 2) for i in range(points)]
