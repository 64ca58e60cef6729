"""A signal: samples on a grid, where they lie, and what they mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.domain import Domain
from inr.errors import SignalError
from inr.meta import INTEGER_MAX, LightCurve, SignalMeta

Array = npt.NDArray[Any]
Samples = (
    npt.NDArray[np.uint8]
    | npt.NDArray[np.uint16]
    | npt.NDArray[np.float16]
    | npt.NDArray[np.float32]
    | npt.NDArray[np.int8]
    | npt.NDArray[np.int16]
)


@dataclass(frozen=True, eq=False)
class Signal:
    """Samples in their original type, channel-last.

    They are kept as they came (a photo takes 3 bytes a pixel, not 12) and normalised a mini-batch at a time.

    Attributes:
        samples: `(*domain.shape, channels)` of dtype `meta.dtype`; finite.
        domain: where they lie.
        meta: what they mean.
    """

    samples: Samples
    domain: Domain
    meta: SignalMeta

    def __post_init__(self) -> None:
        if self.samples.shape[:-1] != self.domain.shape or self.samples.shape[-1] < 1:
            raise SignalError(
                f"samples of shape {self.samples.shape} do not fit the domain {self.domain.shape} + channels"
            )
        if self.samples.dtype != np.dtype(self.meta.dtype):
            raise SignalError(f"samples are {self.samples.dtype}, the meta data say {self.meta.dtype}")

    @property
    def channels(self) -> int:
        """Number of values a sample has."""
        return int(self.samples.shape[-1])

    def targets(self, flat_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Normalised values in [-1, 1] of samples given by flat index, shape `(n, channels)`."""
        chosen = self.samples.reshape(-1, self.channels)[flat_index]
        return normalise(chosen, self.meta)

    def block_targets(self, axes: tuple[npt.NDArray[np.int64], ...]) -> npt.NDArray[np.float32]:
        """Normalised values of all combinations of indices along each axis, `(prod n_a, channels)` in C order."""
        return normalise(self.samples[np.ix_(*axes)], self.meta).reshape(-1, self.channels)


def normalise(samples: Samples, meta: SignalMeta) -> npt.NDArray[np.float32]:
    """Map sample values `(..., channels)` to a field's [-1, 1]."""
    if meta.curve is not None:
        return _on_curve(samples, meta.curve, meta.value_range)
    if meta.power is not None:
        power = meta.power
        part = np.clip((samples.astype(np.float64) - power.low) / (power.high - power.low), 0, 1)
        return (2 * part**power.gamma - 1).astype(np.float32)
    low, high = meta.value_range
    # The range of a float picture, or its reciprocal, may be too large for 32 bits.
    wide: npt.NDArray[Any] = samples.astype(np.float32 if meta.dtype == "uint8" else np.float64)
    unit: npt.NDArray[np.float32] = ((wide - low) * (2 / (high - low)) - 1).astype(np.float32, copy=False)
    return unit


def denormalise(values: npt.NDArray[np.float32], meta: SignalMeta) -> Samples:
    """Map a field's output `(..., channels)` to samples of the original type, clamped to the value range.

    Integers are rounded. What is not a number (the output of damaged weights) becomes the lowest value.
    """
    low, high = meta.value_range
    unit = clamped(values)
    if meta.dtype != "uint8":  # 24 bits are too few for the sums below
        unit = unit.astype(np.float64)
    samples: npt.NDArray[Any]
    if meta.curve is not None:
        samples = light_of(unit, meta.curve, meta.value_range)
    elif meta.power is not None:
        part = ((unit.astype(np.float64) + 1) / 2) ** (1 / meta.power.gamma)
        samples = np.clip(part * (meta.power.high - meta.power.low) + meta.power.low, low, high)
    else:
        samples = (unit + 1) * ((high - low) / 2) + low
    if meta.dtype in INTEGER_MAX:
        np.rint(samples, out=samples)
    native: Samples = samples.astype(meta.dtype)
    return native


def clamped(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A field's output within [-1, 1]; what is not a number becomes -1."""
    return np.asarray(np.clip(np.nan_to_num(values, nan=-1.0), np.float32(-1), np.float32(1)))


def _on_curve(samples: Samples, curve: LightCurve, value_range: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Light on its curve, whose ends are those of the value range, and alpha, in [-1, 1]."""
    low, high = (_curved(np.float64(x), curve.scale) for x in value_range)
    unit: npt.NDArray[np.float32] = np.empty(samples.shape, np.float32)
    light = _curved(samples[..., : curve.colours].astype(np.float64), curve.scale)
    unit[..., : curve.colours] = (light - low) * (2 / (high - low)) - 1
    unit[..., curve.colours :] = 2 * np.clip(samples[..., curve.colours :].astype(np.float64), 0, 1) - 1
    return unit


def light_of(unit: npt.NDArray[Any], curve: LightCurve, value_range: tuple[float, float]) -> npt.NDArray[np.float64]:
    """The inverse of the curve, for values within [-1, 1]: light within the value range, and alpha."""
    low, high = (_curved(np.float64(x), curve.scale) for x in value_range)
    samples = (unit.astype(np.float64) + 1) / 2
    light = samples[..., : curve.colours] * (high - low) + low
    light = np.copysign(np.expm1(np.abs(light)), light) * curve.scale
    samples[..., : curve.colours] = np.clip(light, *value_range)
    return samples


def _curved(light: npt.NDArray[np.float64] | np.float64, scale: float) -> Any:
    return np.copysign(np.log1p(np.abs(light) / scale), light)
