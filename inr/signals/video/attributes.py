"""What a video has beside its samples."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from inr.errors import SpecError
from inr.meta import Attributes, SignalMeta


@dataclass(frozen=True)
class VideoAttributes(Attributes):
    """Timing of a video.

    Attributes:
        frame_rate: frames a second, above 0.
    """

    kind: ClassVar[str] = "video"
    frame_rate: Fraction

    def __post_init__(self) -> None:
        if self.frame_rate <= 0:
            raise SpecError(f"frame rate: must be above 0; got {self.frame_rate}")


def video_attributes(meta: SignalMeta) -> VideoAttributes:
    """The attributes of a video; raises `SpecError` for another kind of signal."""
    if not isinstance(meta.attributes, VideoAttributes):
        raise SpecError(f"needs the attributes of a video, with a frame rate; got those of kind {meta.kind}")
    return meta.attributes
