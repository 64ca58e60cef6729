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
    """

    kind: ClassVar[str] = "image"
    colour_space: ColourSpace = "srgb"
    icc_profile: bytes | None = None
    orientation: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.orientation <= 8:
            raise SpecError(f"orientation: EXIF allows 1..8; got {self.orientation}")


def image_attributes(meta: SignalMeta) -> ImageAttributes:
    """The attributes of a picture; raises `SpecError` for another kind of signal."""
    if not isinstance(meta.attributes, ImageAttributes):
        raise SpecError(f"needs the attributes of an image; got those of kind {meta.kind}")
    return meta.attributes
