"""Layers as JSON: a mapping with the kind and the settings that differ from their defaults."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from inr.errors import SpecError
from inr.layers.base import LAYERS, Layer
from inr.layers.initial import DISTRIBUTIONS, Distribution

_NAMES = {cls: name for name, cls in DISTRIBUTIONS.items()}


def layer_document(layer: Layer) -> dict[str, Any]:
    """A layer as what JSON can hold; raises `SpecError` for one that is no part of the vocabulary."""
    if not layer.kind:
        raise SpecError(f"layer {type(layer).__name__}: has no kind, so it has no JSON form")
    return {"kind": layer.kind, **_settings(layer)}


def layer_of(document: Any) -> Layer:
    """The layer that `layer_document` described.

    Raises:
        SpecError: it is not such a description; an `UnknownComponentError` if no layer has this kind.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        raise SpecError(f"network: layers: expected objects with a 'kind'; got {document!r}")
    cls = LAYERS.get(document["kind"])
    layer: Layer = _made(cls, {name: value for name, value in document.items() if name != "kind"}, f"layer {cls.kind}")
    return layer


def _settings(spec: Any) -> dict[str, Any]:
    """Settings of a frozen dataclass that differ from their defaults."""
    found = {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.default is MISSING or value != field.default:
            found[field.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Distribution):
        return {"kind": _NAMES[type(value)], **_settings(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _made(cls: type[Any], settings: dict[str, Any], name: str) -> Any:
    for key, value in settings.items():
        settings[key] = _value(value, f"{name}: {key}")
    try:
        return cls(**settings)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{name}: {error}") from None


def _value(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        kind = value.get("kind")
        if kind not in DISTRIBUTIONS:
            raise SpecError(f"{name}: expected a distribution, {', '.join(DISTRIBUTIONS)}; got {kind!r}")
        return _made(DISTRIBUTIONS[kind], {key: part for key, part in value.items() if key != "kind"}, name)
    return tuple(_value(part, name) for part in value) if isinstance(value, list) else value
