"""What a signal's samples mean: enough to write the original kind of file back."""

import math
from collections.abc import Iterable
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from inr.errors import SpecError, UnsupportedFeatureError

SampleType = Literal["uint8", "uint16", "float16", "float32", "int8", "int16"]

INTEGER_RANGE: dict[str, tuple[int, int]] = {
    "uint8": (0, 255),
    "uint16": (0, 65535),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
}
INTEGER_MAX: dict[str, int] = {name: top for name, (_, top) in INTEGER_RANGE.items()}

Stored = tuple[tuple[int, Any], ...]
"""Attributes as a file holds them: sorted numbers, and for each a number or a tuple of numbers."""


@dataclass(frozen=True)
class PowerTransform:
    """Symmetric power transform of the targets (Zhang et al. 2025): a field stands for ``2 u^gamma - 1``.

    Attributes:
        low: sample value with u = 0; u is linear in the sample.
        high: sample value with u = 1.
        gamma: exponent, 1/5 to 5.
    """

    low: float
    high: float
    gamma: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise SpecError(f"power transform: needs finite low < high; got {(self.low, self.high)}")
        if not 1 / MAX_GAMMA <= self.gamma <= MAX_GAMMA:
            raise SpecError(f"power transform: gamma must be within {1 / MAX_GAMMA}..{MAX_GAMMA}; got {self.gamma}")


MAX_GAMMA = 5.0


@dataclass(frozen=True)
class LightCurve:
    """Curve on which the light of a high dynamic range picture is fitted: ``sign(x) ln(1 + |x|/scale)``.

    Attributes:
        scale: light below which the curve is about linear, and above which about logarithmic.
        colours: first channels that are light; those behind them, alpha, are fitted as they are, in [0, 1].
        fitted: that a field stands for values on the curve; if not, it tells no more than how bright the picture is.
    """

    scale: float
    colours: int
    fitted: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise SpecError(f"light curve: needs a finite scale above 0; got {self.scale}")
        if self.colours < 1:
            raise SpecError(f"light curve: needs at least one channel; got {self.colours}")


@dataclass(frozen=True)
class Attributes:
    """What one kind of signal has beside its samples; each kind has a frozen dataclass of its own that inherits this.

    A field whose metadata has a ``key`` is stored in files under that number, 0 to 255, never reused, unless it has
    its default: ``rate: int = field(metadata={"key": 1})``. It holds an int, a float, or a tuple of such numbers. What
    values make sense is checked in ``__post_init__``, which raises `SpecError`.
    """

    kind: ClassVar[str]
    """Name of the kind of signal."""

    def of_part(self) -> Self:
        """Those of a part of a signal on its own: without what is said of the whole sample by sample."""
        return self

    def to_wire(self) -> Stored:
        """The stored fields that differ from their defaults, by number."""
        stored = ((number, getattr(self, item.name)) for number, item in sorted(self._marked().items()))
        return tuple((n, value) for n, value in stored if repr(value) != repr(self._marked()[n].default))

    @classmethod
    def from_wire(cls, stored: Iterable[tuple[int, Any]]) -> Self:
        """The attributes whose `to_wire` is `stored`.

        Raises:
            UnsupportedFeatureError: a number that this version does not know.
            SpecError: a value that makes no sense, or not what `to_wire` writes.
        """
        marked, hints, pairs = cls._marked(), get_type_hints(cls), tuple(stored)
        values: dict[str, Any] = {}
        for number, value in pairs:
            if number not in marked:
                raise UnsupportedFeatureError(f"{cls.kind} has no attribute number {number} in this version")
            name = marked[number].name
            _check_type(f"{cls.kind}: {name}", hints[name], value)
            values[name] = value
        needed = [item.name for item in marked.values() if item.default is MISSING]
        if not values.keys() >= set(needed):
            raise SpecError(f"{cls.kind}: needs {' and '.join(name for name in needed if name not in values)}")
        attributes = cls(**values)
        if repr(attributes.to_wire()) != repr(pairs):
            raise SpecError(f"{cls.kind}: attributes are not in canonical form")
        return attributes

    @classmethod
    def names(cls) -> dict[int, str]:
        """Number -> name of the stored fields."""
        return {number: item.name for number, item in cls._marked().items()}

    @classmethod
    def _marked(cls) -> dict[int, Field[Any]]:
        return {item.metadata["key"]: item for item in fields(cls) if "key" in item.metadata}


def _check_type(what: str, hint: Any, value: Any) -> None:
    """Raise `SpecError` unless a stored value is of the type of its field: a number, or a tuple of numbers."""
    wanted = get_origin(hint) or hint
    if type(value) is not wanted:
        raise SpecError(f"{what} must be {wanted.__name__}; got {type(value).__name__}")
    if wanted is not tuple:
        return
    kinds = get_args(hint)
    if kinds[-1:] == (Ellipsis,):
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise SpecError(f"{what} must have {len(kinds)} numbers; got {len(value)}")
    for item, kind in zip(value, kinds, strict=True):
        if type(item) is not kind:
            raise SpecError(f"{what} must hold {kind.__name__}; got {type(item).__name__}")


def with_ones(numbers: tuple[int, ...], places: tuple[int, ...], fill: int = 1) -> tuple[int, ...]:
    """A number for each axis of an array, when `numbers` leaves out those of axes of one sample.

    Args:
        numbers: for the other axes, in order.
        places: of the axes of one sample among all, increasing.
        fill: their number.
    """
    whole = list(numbers)
    for place in places:
        whole.insert(place, fill)
    return tuple(whole)


@dataclass(frozen=True)
class SignalMeta:
    """Meaning of the samples.

    Attributes:
        dtype: type of the samples in the original file.
        value_range: (low, high) of the sample values that a field's [-1, 1] stands for; decoded samples
            are clamped to it.
        attributes: what the kind of signal has beside them; their type tells the kind.
        power: the power transform of the targets, instead of the linear map from `value_range`; None for none.
        light: the curve of a picture of high dynamic range, whose `value_range` is that of its colours; None for
            every other signal.
    """

    dtype: SampleType
    value_range: tuple[float, float]
    attributes: Attributes
    power: PowerTransform | None = None
    light: LightCurve | None = None

    def __post_init__(self) -> None:
        low, high = self.value_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise SpecError(f"value range: needs finite low < high; got {self.value_range}")
        if self.power is not None and self.curve is not None:
            raise SpecError("power transform: does not go with a light curve")

    @property
    def curve(self) -> LightCurve | None:
        """The light curve, if fields stand for values on it."""
        return self.light if self.light is not None and self.light.fitted else None

    @property
    def kind(self) -> str:
        """Name of the kind of signal."""
        return self.attributes.kind

    @property
    def peak(self) -> float:
        """The peak of PSNR: the span of an unsigned type, the value range of every other."""
        if self.dtype in ("uint8", "uint16"):
            return float(INTEGER_RANGE[self.dtype][1])
        return self.value_range[1] - self.value_range[0]
