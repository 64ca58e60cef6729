"""What a signal's samples mean: enough to write the original kind of file back."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from inr.errors import SpecError

SignalKind = Literal["image", "video", "array"]
SampleType = Literal["uint8", "uint16", "float16", "float32", "int8", "int16"]
ColourSpace = Literal["srgb", "linear", "unknown"]

AXES: dict[str, tuple[str, ...]] = {"image": ("y", "x"), "video": ("t", "y", "x")}
"""Axes of each kind of signal; an array has as many as its shape."""
INTEGER_RANGE: dict[str, tuple[int, int]] = {
    "uint8": (0, 255),
    "uint16": (0, 65535),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
}
INTEGER_MAX: dict[str, int] = {name: top for name, (_, top) in INTEGER_RANGE.items()}


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
class SignalMeta:
    """Meaning of the samples.

    Attributes:
        kind: "image" (y, x), "video" (t, y, x) or "array" (any axes).
        dtype: type of the samples in the original file.
        value_range: (low, high) of the sample values that a field's [-1, 1] stands for; decoded samples
            are clamped to it.
        power: the power transform of the targets, instead of the linear map from `value_range`; None for none.
        frame_rate: frames a second of a video, or None.
        colour_space: transfer of the colour channels, "srgb" for ordinary pictures, "linear" for EXR and HDR.
        icc_profile: colour profile of the original, or None.
        orientation: EXIF orientation 1..8 of the original; already applied to the samples.
    """

    kind: SignalKind
    dtype: SampleType
    value_range: tuple[float, float]
    colour_space: ColourSpace = "srgb"
    icc_profile: bytes | None = None
    orientation: int = 1
    power: PowerTransform | None = None
    frame_rate: Fraction | None = None

    def __post_init__(self) -> None:
        low, high = self.value_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise SpecError(f"value range: needs finite low < high; got {self.value_range}")
        if not 1 <= self.orientation <= 8:
            raise SpecError(f"orientation: EXIF allows 1..8; got {self.orientation}")
        if (self.kind == "video") != (self.frame_rate is not None) or (self.frame_rate or 1) <= 0:
            raise SpecError(f"frame rate: a video needs one above 0, nothing else has one; got {self.frame_rate}")

    @property
    def peak(self) -> float:
        """The peak of PSNR: the span of an unsigned type, the value range of every other."""
        if self.dtype in ("uint8", "uint16"):
            return float(INTEGER_RANGE[self.dtype][1])
        return self.value_range[1] - self.value_range[0]
