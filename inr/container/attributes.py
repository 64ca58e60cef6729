"""What a file holds of the attributes of its kind of signal. See FORMAT.md, section 2."""

from dataclasses import dataclass

from inr.container.file import ICC_PROFILE, InrFile, Section
from inr.meta import Stored


@dataclass(frozen=True)
class FileAttributes:
    """The places that a file has for attributes. Kinds later than pictures, videos and arrays use `own` alone.

    Attributes:
        orientation: header key 11.
        colour_space: header key 12, an id.
        frame_rate: header key 17, numerator and denominator.
        own: header key 18; of pictures, videos and arrays key 25.
        icc_profile: an ancillary section.
    """

    orientation: int = 1
    colour_space: int = 0
    frame_rate: tuple[int, int] | None = None
    own: Stored = ()
    icc_profile: bytes | None = None

    @staticmethod
    def of(file: InrFile) -> "FileAttributes":
        """Those of a file."""
        header = file.header
        profile, own = file.ancillary(ICC_PROFILE), header.attributes or header.extras
        return FileAttributes(header.orientation, header.colour_space, header.frame_rate, own, profile)

    @property
    def sections(self) -> list[Section]:
        """The sections that follow the data."""
        return [] if self.icc_profile is None else [Section(ICC_PROFILE, self.icc_profile)]
