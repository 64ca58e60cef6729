"""What a video has beside its samples."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from inr.errors import SpecError
from inr.meta import Attributes, SignalMeta
from inr.signals.video.times import FrameTimes, Ticks, rate_of

MAX_ASPECT = 65535
"""Largest numerator and denominator of the shape of a pixel; video streams have 16 bits for each."""


@dataclass(frozen=True)
class VideoAttributes(Attributes):
    """Timing of a video, and the shape of its pixels.

    Attributes:
        frame_rate: frames a second, above 0; their average where they are not equally long.
        times: how long each frame of the whole is shown, where they are not equally long; else None.
        pixel_aspect: width of a pixel by its height, 1 for square ones.
    """

    kind: ClassVar[str] = "video"
    frame_rate: Fraction
    times: FrameTimes | None = None
    pixel_aspect: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.frame_rate <= 0:
            raise SpecError(f"frame rate: must be above 0; got {self.frame_rate}")
        if self.pixel_aspect <= 0 or max(self.pixel_aspect.as_integer_ratio()) > MAX_ASPECT:
            raise SpecError(f"pixel aspect: must be above 0, with terms up to {MAX_ASPECT}; got {self.pixel_aspect}")

    @staticmethod
    def shown(edges: Ticks, tick: Fraction, pixel_aspect: Fraction) -> "VideoAttributes":
        """Of frames that begin and end at these ticks.

        Args:
            edges: `(frames + 1,)`, increasing.
            tick: in seconds.
            pixel_aspect: width of a pixel by its height.
        """
        return VideoAttributes(*rate_of(edges, tick), pixel_aspect)

    def of_part(self) -> "VideoAttributes":
        """As `Attributes.of_part`: times are those of all frames."""
        return replace(self, times=None)

    def part(self, first: int, count: int) -> "VideoAttributes":
        """Of some of the frames."""
        if self.times is None or (first, count) == (0, self.times.frames):
            return self
        return VideoAttributes.shown(self.times.edges[first : first + count + 1], self.times.tick, self.pixel_aspect)


def video_attributes(meta: SignalMeta) -> VideoAttributes:
    """The attributes of a video; raises `SpecError` for another kind of signal."""
    if not isinstance(meta.attributes, VideoAttributes):
        raise SpecError(f"needs the attributes of a video, with a frame rate; got those of kind {meta.kind}")
    return meta.attributes
