"""What there is: the components of every registry, with their settings and papers."""

from dataclasses import dataclass
from typing import Any

from inr.coders.presets import PRESETS
from inr.fitting.schedules.base import SCHEDULES
from inr.inits.base import INITS
from inr.models.base import MODELS
from inr.optimisers.base import OPTIMISERS
from inr.registry import Registry, kind_of
from inr.reparams.base import REPARAMS
from inr.samplers.base import SAMPLERS
from inr.signals.kind import KINDS


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


COMPONENTS: dict[str, Registry[Any]] = {
    "inits": INITS,
    "samplers": SAMPLERS,
    "optimisers": OPTIMISERS,
    "schedules": SCHEDULES,
    "reparams": REPARAMS,
}


def list_models() -> list[ModelInfo]:
    """All models of the zoo."""
    return [
        ModelInfo(kind_of(cls), cls().parameters(2, 3), cls.learning_rate, _settings(cls()), cls.paper)
        for cls in MODELS
    ]


def list_components(what: str) -> list[ComponentInfo]:
    """All components of one of `COMPONENTS`."""
    return [ComponentInfo(kind_of(cls), _settings(cls()), cls.paper) for cls in COMPONENTS[what]]


def list_presets() -> list[dict[str, Any]]:
    """All presets, with the models of kinds of signal that have their own."""
    own = {f"{kind_of(cls)}_model": cls.default_model for cls in KINDS if cls.default_model is not None}
    rows = []
    for preset in PRESETS.values():
        first = {"name": preset.name, "model": preset.model}
        rows.append({**first, **own, **vars(preset)})
    return rows


def _settings(spec: Any) -> dict[str, Any]:
    return {name: value for name, value in spec.model_dump(mode="json").items() if name != "kind"}
