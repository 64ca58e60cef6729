"""From a field's values, about [-1, 1], to the units of the samples, for arrays of numpy and tensors of torch alike.

Unlike `inr.signals.signal.denormalise`, which makes samples, nothing is rounded and nothing clamped: a function that is
to be differentiated has neither steps nor ends.
"""

from typing import Any, TypeVar

from inr.meta import SignalMeta

T = TypeVar("T", bound=Any)

_LEAST = 1e-30
"""Below this the power transform counts as 0: roots are infinitely steep there."""


def in_units(values: T, meta: SignalMeta) -> T:
    """What values of a field stand for.

    Linear, ``low + (high - low) (v + 1)/2``, or the inverse of the power transform, which ends at its lower end:
    ``low + (high - low) max(0, (v + 1)/2)^(1/gamma)``.

    Args:
        values: of the field, any shape; floats.
        meta: of the signal.

    Returns:
        The same shape, in the units of the samples.
    """
    if meta.power is None:
        low, high = meta.value_range
        linear: T = (values + 1) * ((high - low) / 2) + low
        return linear
    power = meta.power
    part = (values + 1) * 0.5
    root = part.clip(min=_LEAST) ** (1 / power.gamma) * (part > _LEAST)
    found: T = root * (power.high - power.low) + power.low
    return found


def unit_slope(values: T, meta: SignalMeta) -> T:
    """The derivative of `in_units`, at the same values."""
    if meta.power is None:
        low, high = meta.value_range
        constant: T = values * 0 + (high - low) / 2
        return constant
    power = meta.power
    part = (values + 1) * 0.5
    root = part.clip(min=_LEAST) ** (1 / power.gamma - 1) * (part > _LEAST)
    slope: T = root * ((power.high - power.low) / (2 * power.gamma))
    return slope
