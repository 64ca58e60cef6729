"""Videos as a kind of signal."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Literal, cast, final

import numpy as np

from inr.container.attributes import FileAttributes
from inr.container.times import times_of
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
from inr.signals.video.attributes import MAX_ASPECT, VideoAttributes, video_attributes
from inr.signals.video.containers import FORMATS
from inr.signals.video.frame_source import VideoType
from inr.signals.video.read import is_video, load_video, video_segments
from inr.signals.video.times import FrameTimes
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
    # At 0.06 bits a pixel SIREN is 2.3 dB ahead of F-INR on 3 million pixels, 0.9 on 8, and 0.7 behind on 17.
    default_model: ClassVar[str | None] = "siren"
    large_model: ClassVar[tuple[int, str] | None] = (2**23, "finr")
    default_bpp: ClassVar[float | None] = 0.06
    suffix: ClassVar[str] = ".mkv"

    def examples(self) -> tuple[Signal, ...]:
        """As `Kind.examples`: RGB that moves, at 12.5 frames a second; and wide pixels at a rate that varies."""
        t, y, x = np.mgrid[0:9, 0:12, 0:16] / 3
        colours = np.stack([np.sin(x + t + c) * np.cos(y) for c in range(3)], axis=-1)
        samples: Samples = np.rint(127.5 * (colours + 1)).astype(np.uint8)
        domain = Domain.of_shape(samples.shape[:3], AXES)
        varied = VideoAttributes.shown(np.cumsum([0, 2, 2, 6, 4, 2, 8, 2, 1, 3]), Fraction(1, 50), Fraction(4, 3))
        return tuple(
            Signal(samples, domain, SignalMeta("uint8", (0.0, 255.0), own))
            for own in (VideoAttributes(Fraction(25, 2)), varied)
        )

    def sniff(self, source: Source) -> bool:
        """As `Kind.sniff`: containers that are read, pictures of several frames, a folder with images."""
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
        size, own = (shape[2], shape[1]), video_attributes(meta)
        check_video_format(Path(path), channels, meta.dtype, size=size, attributes=own)

    def write(self, path: str | Path, blocks: Iterable[Samples], shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.write`: the frames as they come."""
        dtype = cast(VideoType, meta.dtype)  # `check_format` has seen it
        own, (height, width) = video_attributes(meta), shape[1:]
        with VideoWriter(Path(path), own, width, height, channels, dtype) as writer:
            for block in blocks:
                writer.write(block)

    def axes(self, count: int) -> tuple[str, ...]:
        """As `Kind.axes`."""
        if count != len(AXES):
            raise SpecError(f"video: has {len(AXES)} axes; got {count}")
        return AXES

    def to_file(self, meta: SignalMeta) -> FileAttributes:
        """As `Kind.to_file`."""
        own = video_attributes(meta)
        return FileAttributes(
            frame_rate=own.frame_rate.as_integer_ratio(),
            frame_times=None if own.times is None else own.times.stored,
            pixel_aspect=own.pixel_aspect.as_integer_ratio(),
        )

    def from_file(self, found: FileAttributes) -> Attributes:
        """As `Kind.from_file`."""
        if found.own or found.frame_rate is None:
            raise SpecError("video: needs a frame rate, and has no attributes of another kind")
        times = None
        if found.frame_times is not None:
            tick, runs = times_of(found.frame_times)
            times = FrameTimes(Fraction(*tick), runs)
        return VideoAttributes(Fraction(*found.frame_rate), times, Fraction(*found.pixel_aspect))

    def region(self, target: Target, domain: Domain) -> Domain:
        """As `Kind.region`: of every frame."""
        if target.region is None:
            return domain
        x, y, width, height = rectangle(target.region)
        return domain.cropped((0, y, x), (domain.shape[0], height, width))

    def timed(self, target: Target, part: Domain, meta: SignalMeta) -> tuple[Domain, SignalMeta]:
        """As `Kind.timed`: along time, as many cells as there are frames to make.

        Where frames are shown for different times, those that begin within the time asked for keep theirs, and
        another frame rate asks the field at other moments.
        """
        own = video_attributes(meta)
        if own.times is None or not {"time", "frame_rate"} & target.given():
            domain, rate = target.timed(part, own.frame_rate)
            own = replace(own, frame_rate=rate)
        else:
            domain, own = _timed(target, part, own, own.times)
        return domain, replace(meta, attributes=replace(own, pixel_aspect=self._aspect(target, part, own.pixel_aspect)))

    def _aspect(self, target: Target, part: Domain, aspect: Fraction) -> Fraction:
        """The shape of pixels after a change of size: what is shown keeps its shape, unless pixels were square."""
        if aspect == 1 or target.size is None:
            return aspect
        (_, height, width), (_, rows, columns) = part.shape, self.grid_shape(target, part.shape)
        changed = (aspect * width * rows / (height * columns)).limit_denominator(MAX_ASPECT)
        return changed if changed > 0 and changed.numerator <= MAX_ASPECT else aspect

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

    def preview(self, samples: Samples, meta: SignalMeta) -> Array | None:
        """As `Kind.preview`: the middle frame."""
        return eight_bits(samples[len(samples) // 2])

    def pngs(self, meta: SignalMeta) -> Pngs:
        """As `Kind.pngs`: one for each frame."""
        frame = replace(meta, attributes=ImageAttributes())
        return lambda block: ((1, encode_image(samples, frame, "png")) for samples in block)


def _timed(target: Target, part: Domain, own: VideoAttributes, times: FrameTimes) -> tuple[Domain, VideoAttributes]:
    """Frames within a time, or at other moments, of a video whose frames are shown for different times."""
    if times.frames != part.shape[0]:
        raise SpecError(f"time: needs the times of {part.shape[0]} frames; there are those of {times.frames}")
    start, end = target.span(times.seconds, times.frames / times.seconds)
    rate = target.rate(own.frame_rate)
    if target.frame_rate is None:
        first, count = times.within(start, end)
        if count == 0:
            raise SpecError(f"time: no frame begins from {start:g} to {end:g} s")
        whole = part.cropped((first, 0, 0), (count, *part.shape[1:]))
        return whole, own.part(first, count)
    count = target.moments(start, end, rate)
    moments = np.linspace(start, end, 2 * count + 1, dtype=np.float64)[1::2]
    return part.with_moments(times.places(moments)), replace(own, frame_rate=rate, times=None)
