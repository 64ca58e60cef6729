"""What a picture has beside its samples."""

from dataclasses import dataclass
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
    """

    kind: ClassVar[str] = "image"
    colour_space: ColourSpace = "srgb"
    icc_profile: bytes | None = None
    orientation: int = 1
    channels: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.orientation <= 8:
            raise SpecError(f"orientation: EXIF allows 1..8; got {self.orientation}")
        if self.channels is not None and (self.channels[0] not in (1, 3) or self.channels[1] not in (0, 1)):
            raise SpecError(f"channels: 1 or 3 are colours, and 1 or none alpha; got {self.channels}")


def image_attributes(meta: SignalMeta) -> ImageAttributes:
    """The attributes of a picture; raises `SpecError` for another kind of signal."""
    if not isinstance(meta.attributes, ImageAttributes):
        raise SpecError(f"needs the attributes of an image; got those of kind {meta.kind}")
    return meta.attributes
