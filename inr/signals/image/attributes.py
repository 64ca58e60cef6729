"""What a picture has beside its samples."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from inr.errors import SpecError
from inr.meta import Attributes, SignalMeta

ColourSpace = Literal["srgb", "linear", "unknown"]


@dataclass(frozen=True)
class ImageAttributes(Attributes):
    """Colours and orientation of a picture.

    Attributes:
        colour_space: transfer of the colour channels, "srgb" for ordinary pictures, "linear" for EXR and HDR.
        icc_profile: colour profile of the original, or None.
        orientation: EXIF orientation 1..8 of the original; already applied to the samples.
        channels: how many first channels are colours, 1 or 3, and 1 if the last one is alpha, else 0; None where the
            number of channels tells: gray, gray and alpha, RGB, RGB and alpha.
        cicp: code points of the colours by ITU-T H.273 (primaries, transfer, matrix, full range), which have precedence
            over all else that is said of them, or nothing.
        gamma: of the samples as gAMA of PNG has it, in 1/100000, or 0.
        chromaticities: x and y of white, red, green and blue as cHRM of PNG has them, in 1/100000, or nothing.
        channel_axis: 1 for an array `(height, width, 1)`, whose last axis comes back in ``.npy``; else 0.
    """

    kind: ClassVar[str] = "image"
    colour_space: ColourSpace = "srgb"
    icc_profile: bytes | None = None
    orientation: int = 1
    channels: tuple[int, int] | None = None
    cicp: tuple[int, ...] = field(default=(), metadata={"key": 0})
    gamma: int = field(default=0, metadata={"key": 1})
    chromaticities: tuple[int, ...] = field(default=(), metadata={"key": 2})

    channel_axis: int = field(default=0, metadata={"key": 3})

    def __post_init__(self) -> None:
        if not 1 <= self.orientation <= 8:
            raise SpecError(f"orientation: EXIF allows 1..8; got {self.orientation}")
        if self.channels is not None and (self.channels[0] not in (1, 3) or self.channels[1] not in (0, 1)):
            raise SpecError(f"channels: 1 or 3 are colours, and 1 or none alpha; got {self.channels}")
        if len(self.cicp) not in (0, 4) or not all(0 <= code <= 255 for code in self.cicp):
            raise SpecError(f"cicp: four code points of 0..255 are needed; got {self.cicp}")
        if self.channel_axis not in (0, 1):
            raise SpecError(f"channel axis: must be 0 or 1; got {self.channel_axis}")
        if not 0 <= self.gamma < 2**31:
            raise SpecError(f"gamma: must be within 0..2^31 - 1; got {self.gamma}")
        if len(self.chromaticities) not in (0, 8) or not all(0 <= value < 2**31 for value in self.chromaticities):
            raise SpecError(f"chromaticities: eight numbers within 0..2^31 - 1 are needed; got {self.chromaticities}")

    @property
    def is_coded(self) -> bool:
        """True if the samples are colours by code points, gamma or chromaticities, and not simply by `colour_space`."""
        return bool(self.cicp or self.gamma or self.chromaticities)


def image_attributes(meta: SignalMeta) -> ImageAttributes:
    """The attributes of a picture; raises `SpecError` for another kind of signal."""
    if not isinstance(meta.attributes, ImageAttributes):
        raise SpecError(f"needs the attributes of an image; got those of kind {meta.kind}")
    return meta.attributes
