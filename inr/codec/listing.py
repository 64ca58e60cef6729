"""What there is: the components of every registry, with their settings and papers."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from inr.registry import Registry, kind_of


@dataclass(frozen=True)
class ModelInfo:
    """A model of the zoo.

    Attributes:
        kind: its name.
        parameters: stored reals with the default settings, for 2 inputs and 3 outputs.
        learning_rate: Adam's, for batches of 8,192 samples.
        settings: all settings with their defaults.
        paper: where it comes from.
    """

    kind: str
    parameters: int
    learning_rate: float
    settings: dict[str, Any]
    paper: str


@dataclass(frozen=True)
class ComponentInfo:
    """An initialiser, sampler, optimiser ...: its name, its settings with their defaults, and where it comes from."""

    kind: str
    settings: dict[str, Any]
    paper: str


_REGISTRIES = {
    "models": "inr.models.base:MODELS",
    "inits": "inr.inits.base:INITS",
    "samplers": "inr.samplers.base:SAMPLERS",
    "losses": "inr.losses.base:LOSSES",
    "tasks": "inr.tasks.base:TASKS",
    "optimisers": "inr.optimisers.base:OPTIMISERS",
    "schedules": "inr.fitting.schedules.base:SCHEDULES",
    "reparams": "inr.reparams.base:REPARAMS",
    "coders": "inr.coders.base:CODERS",
}
"""Where the registries are: a list loads no other than its own."""

_WORDS = {
    "devices": ("auto", "cpu", "cuda"),
    "precisions": ("auto", "fp32", "bf16"),
    "transforms": ("none", "power"),
}


def names(what: str) -> list[str]:
    """What an option takes: names of models, presets, backends and so on, or the words that it knows."""
    if what in _WORDS:
        return list(_WORDS[what])
    if what == "presets":
        from inr.coders.presets import PRESETS

        return list(PRESETS)
    if what == "backends":
        from inr.backends.select import BACKENDS

        return ["auto", *BACKENDS]
    return _registry(what).kinds()


def _registry(what: str) -> Registry[Any]:
    module, _, name = _REGISTRIES[what].partition(":")
    found: Registry[Any] = getattr(importlib.import_module(module), name)
    return found


def list_models() -> list[ModelInfo]:
    """All models of the zoo."""
    from inr.domain import Domain

    picture = Domain.of_shape((512, 768))
    models: Iterable[Any] = _registry("models")
    return [
        ModelInfo(kind_of(cls), cls().parameters(picture, 3), cls.learning_rate, _settings(cls()), cls.paper)
        for cls in models
    ]


def list_components(what: str) -> list[ComponentInfo]:
    """All initialisers, samplers, losses ... by the name of their command."""
    return [ComponentInfo(kind_of(cls), _settings(cls()), cls.paper) for cls in _registry(what)]


def list_presets() -> list[dict[str, Any]]:
    """All presets, with the coders, models and bits of kinds of signal that have their own."""
    from inr.coders.presets import PRESETS
    from inr.signals.kind import KINDS

    own: dict[str, Any] = {}
    for cls in KINDS:
        found = {
            "coder": cls.default_coder,
            "model": cls.default_model,
            "large_model": cls.large_model and cls.large_model[1],
            "bpp": cls.default_bpp,
        }
        own |= {f"{kind_of(cls)}_{name}": value for name, value in found.items() if value is not None}
    rows = []
    for preset in PRESETS.values():
        first = {"name": preset.name, "model": preset.model}
        scaled = {name: value * preset.rate if name.endswith("_bpp") else value for name, value in own.items()}
        rows.append({**first, **scaled, **vars(preset)})
    return rows


def _settings(spec: Any) -> dict[str, Any]:
    return {name: value for name, value in spec.model_dump(mode="json").items() if name != "kind"}
