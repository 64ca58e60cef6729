"""From a field's values, about [-1, 1], to the units of the samples, for arrays of numpy and tensors of torch alike.

Unlike `inr.signals.signal.denormalise`, which makes samples, nothing is rounded and nothing clamped: a function that is
to be differentiated has neither steps nor ends.
"""

import math
from typing import Any, TypeVar

from inr.meta import LightCurve, SignalMeta

T = TypeVar("T", bound=Any)

_LEAST = 1e-30
"""Below this the power transform counts as 0: roots are infinitely steep there."""


def in_units(values: T, meta: SignalMeta) -> T:
    """What values of a field stand for.

    Linear, ``low + (high - low) (v + 1)/2``; or the inverse of the power transform, which ends at its lower end,
    ``low + (high - low) max(0, (v + 1)/2)^(1/gamma)``; or light, ``sign(y) scale (e^|y| - 1)`` with y linear between
    the ends of the light curve, and alpha, (v + 1)/2.

    Args:
        values: of the field, `(..., channels)`; floats.
        meta: of the signal.

    Returns:
        The same shape, in the units of the samples.
    """
    if meta.curve is not None:
        light, _ = _light(values, meta.curve, meta.value_range)
        joined: T = _alike(values, light, (values + 1) * 0.5, meta.curve.colours)
        return joined
    if meta.power is not None:
        power = meta.power
        part = (values + 1) * 0.5
        root = part.clip(min=_LEAST) ** (1 / power.gamma) * (part > _LEAST)
        found: T = root * (power.high - power.low) + power.low
        return found
    low, high = meta.value_range
    linear: T = (values + 1) * ((high - low) / 2) + low
    return linear


def unit_slope(values: T, meta: SignalMeta) -> T:
    """The derivative of `in_units`, at the same values."""
    if meta.curve is not None:
        _, slope = _light(values, meta.curve, meta.value_range)
        joined: T = _alike(values, slope, values * 0 + 0.5, meta.curve.colours)
        return joined
    if meta.power is not None:
        power = meta.power
        part = (values + 1) * 0.5
        root = part.clip(min=_LEAST) ** (1 / power.gamma - 1) * (part > _LEAST)
        found: T = root * ((power.high - power.low) / (2 * power.gamma))
        return found
    low, high = meta.value_range
    constant: T = values * 0 + (high - low) / 2
    return constant


def _light(values: T, curve: LightCurve, value_range: tuple[float, float]) -> tuple[T, T]:
    """Light, and its derivative, as if all channels were on the curve."""
    low, high = (math.copysign(math.log1p(abs(x) / curve.scale), x) for x in value_range)
    place = (values + 1) * ((high - low) / 2) + low
    grown = math.e ** abs(place)
    light: T = ((place > 0) * 1.0 - (place < 0) * 1.0) * (grown - 1) * curve.scale
    slope: T = grown * (curve.scale * (high - low) / 2)
    return light, slope


def _alike(values: T, colours: T, others: T, count: int) -> T:
    """The first channels of one, and the rest of another."""
    if count >= values.shape[-1]:
        return colours
    first = values * 0
    first[..., :count] = 1
    joined: T = colours * first + others * (1 - first)
    return joined
