"""Videos as a kind of signal."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Literal, cast, final

import numpy as np

from inr.container.attributes import FileAttributes
from inr.domain import Domain
from inr.errors import SpecError
from inr.files import is_standard_output, names_no_format
from inr.meta import Attributes, SignalMeta
from inr.metrics.base import Metric
from inr.metrics.psnr import Psnr
from inr.metrics.ssim import Ssim
from inr.signals.image.attributes import ImageAttributes
from inr.signals.image.kind import check_sides, picture_shape, rectangle
from inr.signals.image.write import encode_image
from inr.signals.kind import KINDS, Kind, Pngs, whole
from inr.signals.parts import PartRule, Parts
from inr.signals.preview import eight_bits
from inr.signals.signal import Array, Samples, Signal
from inr.signals.source import Reading, Source
from inr.signals.target import Shape, Target, ratios
from inr.signals.video.attributes import VideoAttributes, video_attributes
from inr.signals.video.clip import FORMATS
from inr.signals.video.frame_source import VideoType
from inr.signals.video.read import is_video, load_video, video_segments
from inr.signals.video.write import VideoWriter, check_video_format

AXES = ("t", "y", "x")


@final
@KINDS.register
class Video(Kind):
    """Frames of 1 to 4 channels over time: a video file, or a folder of images."""

    kind: Literal["video"] = "video"
    wire_id: ClassVar[int] = 1
    noun: ClassVar[str] = "a video"
    formats: ClassVar[str] = FORMATS
    folders: ClassVar[str | None] = "pictures, which would be the frames of a video"
    attributes: ClassVar[type[Attributes]] = VideoAttributes
    parts_are: ClassVar[PartRule] = PartRule("frames of a segment", 1)
    reading: ClassVar[frozenset[str]] = frozenset({"time"})
    targets: ClassVar[frozenset[str]] = frozenset({"scale", "size", "region", "time", "frame_rate"})
    metrics: ClassVar[tuple[Metric, ...]] = (Psnr(), Ssim(frames=True))
    default_model: ClassVar[str | None] = "finr"
    suffix: ClassVar[str] = ".mkv"

    def examples(self) -> tuple[Signal, ...]:
        """As `Kind.examples`: RGB that moves, at 12.5 frames a second."""
        t, y, x = np.mgrid[0:9, 0:12, 0:16] / 3
        colours = np.stack([np.sin(x + t + c) * np.cos(y) for c in range(3)], axis=-1)
        samples: Samples = np.rint(127.5 * (colours + 1)).astype(np.uint8)
        meta = SignalMeta("uint8", (0.0, 255.0), VideoAttributes(Fraction(25, 2)))
        return (Signal(samples, Domain.of_shape(samples.shape[:3], AXES), meta),)

    def sniff(self, source: Source) -> bool:
        """As `Kind.sniff`: containers that are read, a GIF of several frames, a folder with images."""
        return source.array is None and is_video(source.file())

    def load(self, source: Source, reading: Reading) -> Signal:
        """As `Kind.load`."""
        return load_video(source.file(), time=reading.time)

    def parts(self, source: Source, reading: Reading, segment: int | None) -> Parts:
        """As `Kind.parts`; damage within the frames is found when they are decoded."""
        segments = video_segments(source.file(), segment, time=reading.time)
        return Parts(segments.lengths, segments, (sum(segments.lengths), segments.height, segments.width))

    def check(self, shape: Shape) -> None:
        """As `Kind.check`."""
        check_sides(*shape[-2:])

    def check_format(self, path: str | Path, shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.check_format`."""
        if names_no_format(path):
            where = "standard output" if is_standard_output(path) else f"{path}, whose name has no suffix"
            raise SpecError(f"a video cannot go to {where}; name a file or a folder")
        size, rate = (shape[2], shape[1]), video_attributes(meta).frame_rate
        check_video_format(Path(path), channels, meta.dtype, size=size, frame_rate=rate)

    def write(self, path: str | Path, blocks: Iterable[Samples], shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.write`: the frames as they come."""
        dtype = cast(VideoType, meta.dtype)  # `check_format` has seen it
        rate, (height, width) = video_attributes(meta).frame_rate, shape[1:]
        with VideoWriter(Path(path), rate, width, height, channels, dtype) as writer:
            for block in blocks:
                writer.write(block)

    def axes(self, count: int) -> tuple[str, ...]:
        """As `Kind.axes`."""
        if count != len(AXES):
            raise SpecError(f"video: has {len(AXES)} axes; got {count}")
        return AXES

    def to_file(self, meta: SignalMeta) -> FileAttributes:
        """As `Kind.to_file`."""
        return FileAttributes(frame_rate=video_attributes(meta).frame_rate.as_integer_ratio())

    def from_file(self, found: FileAttributes) -> Attributes:
        """As `Kind.from_file`."""
        if found.own or found.frame_rate is None:
            raise SpecError("video: needs a frame rate, and has no other attributes")
        return VideoAttributes(Fraction(*found.frame_rate))

    def region(self, target: Target, domain: Domain) -> Domain:
        """As `Kind.region`: of every frame."""
        if target.region is None:
            return domain
        x, y, width, height = rectangle(target.region)
        return domain.cropped((0, y, x), (domain.shape[0], height, width))

    def timed(self, target: Target, part: Domain, meta: SignalMeta) -> tuple[Domain, SignalMeta]:
        """As `Kind.timed`: along time, as many cells as there are frames to make."""
        domain, rate = target.timed(part, video_attributes(meta).frame_rate)
        return domain, replace(meta, attributes=VideoAttributes(rate))

    def grid_shape(self, target: Target, part: Shape) -> Shape:
        """As `Kind.grid_shape`."""
        return (part[0], *picture_shape(target, part[1:]))

    def means(self, part: Shape, grid: Shape) -> Shape:
        """As `Kind.means`: frames are never mixed."""
        return (1, *map(whole, ratios(part[1:], grid[1:])))

    def size_text(self, shape: Shape) -> str:
        """As `Kind.size_text`."""
        return f"{shape[0]} frames of {shape[2]}x{shape[1]} pixels"

    def sides(self, shape: Shape) -> tuple[int | None, int | None]:
        """As `Kind.sides`."""
        return shape[1], shape[2]

    def rate(self, meta: SignalMeta) -> Fraction | None:
        """As `Kind.rate`."""
        return video_attributes(meta).frame_rate

    def preview(self, samples: Samples) -> Array | None:
        """As `Kind.preview`: the middle frame."""
        return eight_bits(samples[len(samples) // 2])

    def pngs(self, meta: SignalMeta) -> Pngs:
        """As `Kind.pngs`: one for each frame."""
        frame = replace(meta, attributes=ImageAttributes())
        return lambda block: ((1, encode_image(samples, frame, "png")) for samples in block)
