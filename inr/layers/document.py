"""Layers as JSON: a mapping with the kind and the settings that differ from their defaults."""

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

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
    try:
        hints = get_type_hints(cls)
        types = {field.name: hints[field.name] for field in fields(cls)}
        unknown = [key for key in settings if key not in types]
        if unknown:
            raise SpecError(f"no setting {unknown[0]!r}; known: {', '.join(types) or 'none'}")
        return cls(**{key: _value(value, types[key], key) for key, value in settings.items()})
    except (TypeError, ValueError, OverflowError, NameError) as error:
        raise SpecError(f"{name}: {error}") from None


def _value(value: Any, wanted: Any, name: str) -> Any:
    """What JSON holds, as a setting of this type holds it; raises `SpecError` for anything else."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if isinstance(value, Mapping) and Distribution in (wanted, *parts):
        return _distribution(value, name)
    if isinstance(value, list) and origin is tuple:
        each = parts[:1] * len(value) if parts[1:] == (...,) else parts
        if len(each) == len(value):
            return tuple(_value(part, one, name) for part, one in zip(value, each, strict=True))
    elif any(_fits(value, one) for one in (parts if origin in (Union, UnionType) else (wanted,))):
        return value
    raise SpecError(f"{name}: expected {wanted.__name__ if isinstance(wanted, type) else wanted}; got {value!r}")


def _distribution(value: Mapping[str, Any], name: str) -> Any:
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        raise SpecError(f"{name}: expected a distribution, {', '.join(DISTRIBUTIONS)}; got {kind!r}")
    return _made(DISTRIBUTIONS[kind], {key: part for key, part in value.items() if key != "kind"}, name)


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a value is of a type that is no tuple and no distribution. A bool is no number here."""
    if get_origin(wanted) is np.ndarray:
        return isinstance(value, list) and all(_fits(v, wanted if isinstance(v, list) else float) for v in value)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    if wanted is float:  # and neither infinite nor nan, with which comparisons are false
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) <= sys.float_info.max
    if get_origin(wanted) is Literal:
        return value in get_args(wanted)
    return wanted in (bool, str, NoneType) and isinstance(value, wanted)
