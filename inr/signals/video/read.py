"""Videos to signals and back.

Reading goes by content, never by the name of a file; a folder of images is a video as well. Frames come upright and
in the order they are shown, in RGB (or gray) of 8 bits, or of 16 where the file has more than 8; their times, and the
shape of pixels, are kept as attributes. Frames count as whole, whatever a file says about interlacing, and sound is
ignored.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from inr.cached import cached
from inr.domain import Domain
from inr.errors import SpecError
from inr.files import is_special, is_standard_input, read_bytes
from inr.meta import INTEGER_RANGE, SignalMeta
from inr.signals.parts import default_length, part_lengths
from inr.signals.refusal import Refusal
from inr.signals.signal import Array, Signal
from inr.signals.video.animation import is_for_ffmpeg, open_animation
from inr.signals.video.attributes import VideoAttributes
from inr.signals.video.clip import open_clip
from inr.signals.video.containers import ANIMATED_PICTURES, FORMATS, demuxer_of
from inr.signals.video.folder import frame_files, open_folder
from inr.signals.video.frame_source import (
    FrameSource,
    Size,
    VideoInfo,
    check_samples,
    checked_size,
    chosen,
    reported,
)
from inr.signals.video.whole import check_whole, opened
from inr.signals.video.write import VideoWriter, check_video_format, save_video, video_formats

__all__ = [
    "VideoInfo",
    "VideoSegments",
    "VideoWriter",
    "check_video_format",
    "is_video",
    "load_video",
    "probe_video",
    "save_video",
    "video_formats",
    "video_segments",
]

SEGMENT_SAMPLES = 2**24
"""Pixels of a segment, unless another number of frames is asked for."""


def is_video(source: str | Path | bytes) -> bool:
    """Tell by content whether something is a video: a container that is read, an animated picture, a folder of images.

    Args:
        source: a path, or the bytes of a file; ``-`` and pipes are no videos, as looking at them would use them up.

    Raises:
        FileAccessError: the file or folder cannot be read.
    """
    if not isinstance(source, bytes):
        source = Path(source)
        if is_standard_input(source) or is_special(source):
            return False
        if os.path.isdir(source):  # no error for a name too long
            return bool(frame_files(source))
    with opened(source) as file:
        return demuxer_of(file) is not None


def probe_video(source: str | Path | bytes, *, frame_rate: Fraction | None = None) -> VideoInfo:
    """Say what a video holds; the frames are counted, not taken from the header.

    Args:
        source: a file, a folder of images, ``-`` for standard input, or the bytes of a file.
        frame_rate: frames a second of a folder, None for 25; a file has its own.

    Raises:
        FileAccessError: it cannot be read.
        SignalError: it is no video, or a damaged one.
        SpecError: a frame rate that is not above 0, or one for a file.
        MissingDependencyError: a file, and PyAV is not installed.
    """
    return _opened(source, frame_rate).info


def load_video(
    source: str | Path | bytes,
    *,
    time: tuple[float, float] | None = None,
    frames: tuple[int, int] | None = None,
    size: Size | None = None,
    frame_rate: Fraction | None = None,
) -> Signal:
    """Read a video, or a part of it.

    Args:
        source: a file, a folder of images, ``-`` for standard input, or the bytes of a file.
        time: the frames that begin from start to before end, (start, end) in seconds; the end may be `math.inf`.
        frames: (first, count), instead of `time`.
        size: (width, height) to resample frames to, by area if smaller, else bicubic; None for that of the video.
        frame_rate: frames a second of a folder, None for 25; a file has its own.

    Returns:
        A signal of shape `(frames, height, width, channels)` over the axes t, y, x, of type uint8 or uint16, with
        1 channel (gray), 3 (RGB), or 2 or 4 where there is transparency.

    Raises:
        FileAccessError: it cannot be read.
        SignalError: it is no video, a damaged one, or what is asked for has more than `inr.signals.limits.MAX_SAMPLES`
            samples.
        SpecError: a range that is empty or not within the video, a size without pixels, or a bad frame rate.
        MissingDependencyError: PyAV is needed and not installed.
    """
    video = _opened(source, frame_rate)
    first, count = chosen(video, time, frames)
    check_samples(video.name, count, checked_size(video.info, size))
    with closing(video.read(first, count, size)) as run:
        return _collected(run, count, video.info, size, video.info.attributes(first, count))


def video_segments(
    source: str | Path | bytes,
    frames_per_segment: int | None = None,
    *,
    time: tuple[float, float] | None = None,
    frames: tuple[int, int] | None = None,
    size: Size | None = None,
    frame_rate: Fraction | None = None,
) -> "VideoSegments":
    """Read a video piece by piece, with the memory of one segment.

    Arguments are checked at once, frames are decoded as segments are asked for. Of n frames in as few segments as
    possible, K, segment k holds those from ``floor(k n / K)`` up to ``floor((k + 1) n / K)``.

    Args:
        source: as for `load_video`.
        frames_per_segment: at most; at least 1. None for as many as have `SEGMENT_SAMPLES` pixels, at least 2.
        time: as for `load_video`.
        frames: as for `load_video`.
        size: as for `load_video`.
        frame_rate: as for `load_video`.

    Returns:
        Signals as `load_video` returns them, one after another.

    Raises:
        FileAccessError: as `load_video`.
        SignalError: as `load_video`; damage within the frames is found when they are decoded.
        SpecError: as `load_video`, and fewer than 1 frame a segment.
        MissingDependencyError: as `load_video`.
    """
    if frames_per_segment is not None and frames_per_segment < 1:
        raise SpecError(f"frames per segment: at least 1 is needed; got {frames_per_segment}")
    video = _opened(source, frame_rate)
    first, count = chosen(video, time, frames)
    if frames_per_segment is None:
        width, height = checked_size(video.info, size)
        frames_per_segment = default_length((count, height, width), SEGMENT_SAMPLES)
    lengths = part_lengths(count, frames_per_segment)
    check_samples(video.name, max(lengths), checked_size(video.info, size))
    return VideoSegments(video, first, lengths, size)


@dataclass(frozen=True)
class VideoSegments:
    """The segments of a video: iterate to decode them one after another.

    Attributes:
        source: the video.
        first: number of the first frame.
        lengths: frames of each segment.
        size: (width, height) of the frames; None for that of the video.
    """

    source: FrameSource
    first: int
    lengths: tuple[int, ...]
    size: Size | None

    @cached
    def attributes(self) -> VideoAttributes:
        """Those of all segments together, which every one of them has."""
        return self.source.info.attributes(self.first, sum(self.lengths))

    @property
    def width(self) -> int:
        """Pixels of a row of a frame."""
        return checked_size(self.source.info, self.size)[0]

    @property
    def height(self) -> int:
        """Rows of a frame."""
        return checked_size(self.source.info, self.size)[1]

    def __getitem__(self, number: int) -> Signal:
        """One segment, read without those before it."""
        first, length = self.first + sum(self.lengths[:number]), self.lengths[number]
        with closing(self.source.read(first, length, self.size)) as run:
            return _collected(run, length, self.source.info, self.size, self.attributes)

    def __iter__(self) -> Iterator[Signal]:
        with closing(self.source.read(self.first, sum(self.lengths), self.size)) as run:
            for length in self.lengths:
                yield _collected(run, length, self.source.info, self.size, self.attributes)


def _opened(source: str | Path | bytes, frame_rate: Fraction | None) -> FrameSource:
    """The video behind a source, indexed but not decoded."""
    name = "video data" if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes) and (is_standard_input(source) or is_special(Path(source))):
        name, source = "standard input" if is_standard_input(source) else name, read_bytes(source)
    path = source if isinstance(source, bytes) else Path(source)
    if isinstance(path, Path) and path.is_dir():
        return open_folder(path, frame_rate)
    if frame_rate is not None:
        raise SpecError(f"frame rate: {name} is a file and has its own; only for a folder of images it is free")
    with reported(name), opened(path) as file:
        demuxer = demuxer_of(file)
        if file.seek(0, 2) == 0:
            raise Refusal("is empty (0 bytes)")
        if demuxer is None:
            raise Refusal(f"is not a video this version reads; it reads {FORMATS}")
        check_whole(file, demuxer)
        if demuxer in ANIMATED_PICTURES:
            file.seek(0)
            data = file.read()
            if demuxer != "avif" or not is_for_ffmpeg(data):
                return open_animation(data, name, demuxer)
    return open_clip(path, name, demuxer)


def _collected(
    run: Iterator[Array], count: int, info: VideoInfo, size: Size | None, attributes: VideoAttributes
) -> Signal:
    """The next `count` frames as a signal."""
    width, height = checked_size(info, size)
    samples = np.empty((count, height, width, info.channels), info.dtype)
    for number, frame in enumerate(islice(run, count)):
        samples[number] = frame
    low, high = INTEGER_RANGE[info.dtype]
    # All of 16 bits, not the values that occur: segments are read one by one and have to agree.
    meta = SignalMeta(info.dtype, (float(low), float(high)), attributes)
    return Signal(samples, Domain.of_shape(samples.shape[:3], ("t", "y", "x")), meta)
