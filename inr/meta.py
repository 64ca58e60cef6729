"""What a signal's samples mean: enough to write the original kind of file back."""

import math
from dataclasses import dataclass
from typing import Literal

from inr.errors import SpecError

SampleType = Literal["uint8", "uint16", "float16", "float32"]
ColourSpace = Literal["srgb", "linear", "unknown"]

INTEGER_MAX: dict[str, int] = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True)
class SignalMeta:
    """Meaning of the samples.

    Attributes:
        kind: "image".
        dtype: type of the samples in the original file.
        value_range: (low, high) of the sample values that a field's [-1, 1] stands for.
        colour_space: transfer of the colour channels, "srgb" for ordinary pictures, "linear" for EXR and HDR.
        icc_profile: colour profile of the original, or None.
        orientation: EXIF orientation 1..8 of the original; already applied to the samples.
    """

    kind: Literal["image"]
    dtype: SampleType
    value_range: tuple[float, float]
    colour_space: ColourSpace = "srgb"
    icc_profile: bytes | None = None
    orientation: int = 1

    def __post_init__(self) -> None:
        low, high = self.value_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise SpecError(f"value range: needs finite low < high; got {self.value_range}")
        if not 1 <= self.orientation <= 8:
            raise SpecError(f"orientation: EXIF allows 1..8; got {self.orientation}")

    @property
    def peak(self) -> float:
        """The peak of PSNR: the largest value of an integer type, the value range of a float type."""
        return float(INTEGER_MAX.get(self.dtype, self.value_range[1] - self.value_range[0]))
