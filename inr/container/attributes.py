"""What a file holds of the attributes of its kind of signal. See FORMAT.md, section 2."""

from dataclasses import dataclass

from inr.container.file import ICC_PROFILE, InrFile, Section
from inr.container.times import bytes_of
from inr.meta import Stored


@dataclass(frozen=True)
class FileAttributes:
    """The places that a file has for attributes. Kinds later than pictures, videos and arrays use `own` alone.

    Attributes:
        orientation: header key 11.
        colour_space: header key 12, an id.
        frame_rate: header key 17, numerator and denominator.
        frame_times: header key 21, see `inr.container.times`.
        pixel_aspect: header key 22, numerator and denominator.
        own: header key 18; of pictures, videos and arrays key 25.
        icc_profile: an ancillary section.
        channels: header key 24, how many first channels of a picture are colours, and 1 if the last one is alpha.
    """

    orientation: int = 1
    colour_space: int = 0
    frame_rate: tuple[int, int] | None = None
    frame_times: tuple[int, ...] | None = None
    pixel_aspect: tuple[int, int] = (1, 1)
    own: Stored = ()
    icc_profile: bytes | None = None
    channels: tuple[int, int] | None = None

    @staticmethod
    def of(file: InrFile) -> "FileAttributes":
        """Those of a file."""
        header = file.header
        profile = file.ancillary(ICC_PROFILE)
        return FileAttributes(
            orientation=header.orientation,
            colour_space=header.colour_space,
            frame_rate=header.frame_rate,
            frame_times=header.frame_times,
            pixel_aspect=header.pixel_aspect,
            own=header.attributes or header.extras,
            icc_profile=profile,
            channels=header.roles,
        )

    @property
    def times_bytes(self) -> int:
        """What the times of frames take in the header that all parts of a signal share."""
        return 0 if self.frame_times is None else bytes_of(self.frame_times)

    @property
    def sections(self) -> list[Section]:
        """The sections that follow the data."""
        return [] if self.icc_profile is None else [Section(ICC_PROFILE, self.icc_profile)]
