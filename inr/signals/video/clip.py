"""Video files read through FFmpeg: an index of the frames first, then any of them.

The frames are counted from the packets where each packet is one frame, and by decoding where it may be otherwise:
what a container says about its length is often an estimate.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inr.signals.foreign import not_read, plural
from inr.signals.limits import MAX_SAMPLES
from inr.signals.refusal import Refusal, damaged
from inr.signals.signal import Array
from inr.signals.video.detect import HEAD_BYTES, check_last_frame, check_whole, demuxer_of, opened
from inr.signals.video.frame_source import Size, VideoInfo, reported, require_av
from inr.signals.video.frames import Converter, Layout, has_alpha, is_transparent, layout_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FORMATS = "MP4, MOV, MKV, WebM, AVI, Ogg, Y4M, animated GIF, and folders of pictures"
"""Names of what is read, for messages."""
# Each packet of these is one frame; VP8 and MPEG-4 have packets without one.
_FRAME_A_PACKET = {"h264", "hevc", "vp9", "av1", "ffv1", "mjpeg", "png", "prores", "rawvideo"}
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_DEFAULT_RATE = Fraction(25)
_BUFFER_BYTES = 2**18


@dataclass(frozen=True, eq=False)
class _Index:
    """The frames of a stream in the order they are shown.

    Attributes:
        frames: how many.
        pts: time stamp of each in ticks, increasing; None if the file has none that can be relied on.
        last: ticks that the last one is shown; 0 if the file does not say.
        seekable: whether decoding may start at a key frame in the middle.
    """

    frames: int
    pts: npt.NDArray[np.int64] | None
    last: int
    seekable: bool


@dataclass(frozen=True, eq=False)
class Clip:
    """A video file, or the bytes of one; a `FrameSource`."""

    name: str
    info: VideoInfo
    times: npt.NDArray[np.float64]
    tick: float
    _source: Path | bytes
    _demuxer: str
    _layout: Layout
    _index: _Index

    def read(self, first: int, count: int, size: Size | None) -> Generator[Array, None, None]:
        """As `FrameSource.read`."""
        with reported(self.name):
            convert, pts = Converter(self._layout, size), self._index.pts
            number = first
            for frame in islice(self._from(first), count):
                if pts is not None and frame.pts != pts[number]:
                    break
                yield convert(frame)
                number += 1
            if number < first + count:
                raise damaged(f"frame {number} of 0..{self.info.frames - 1} cannot be decoded")

    def _from(self, first: int) -> Iterator["VideoFrame"]:
        """Decode from frame number `first` on, starting at the key frame before it if possible."""
        pts = self._index.pts
        if first > 0 and pts is not None and self._index.seekable:
            with _streaming(self._source, self._demuxer) as (container, stream):
                run = _sought(container, stream, int(pts[first]))
                if run is not None:
                    yield from run
                    return
        # The seek missed, or frames need those before them.
        with _streaming(self._source, self._demuxer) as (container, stream):
            yield from islice(_decoded(container, stream), first, None)


def _sought(container: "InputContainer", stream: "VideoStream", pts: int) -> "Iterator[VideoFrame] | None":
    """Decode from the frame with a time stamp on; None if it is not found by starting at a key frame near it."""
    import av

    try:
        container.seek(pts, stream=stream)
        run = _decoded(container, stream)
        for frame in run:
            if frame.pts is None or frame.pts >= pts:
                return chain([frame], run) if frame.pts == pts else None
    except (av.FFmpegError, Refusal):  # decoding from the start will say whether the file is damaged
        return None
    return None


def open_clip(source: Path | bytes, name: str) -> Clip:
    """Index a video file.

    Args:
        source: its path or its bytes.
        name: what messages call it.

    Raises:
        FileAccessError: the file cannot be read.
        SignalError: it is empty, no video, cut or damaged, or has no video stream or no frame.
        MissingDependencyError: PyAV is not installed.
    """
    with reported(name):
        with opened(source) as file:
            head = file.read(HEAD_BYTES)
            demuxer = demuxer_of(head)
            if demuxer is None:
                raise not_read(head, plural("a video", FORMATS))
            require_av()
            check_whole(file, demuxer)
        with _streaming(source, demuxer) as (container, stream):
            _check_stream(stream)
            frame = next(_decoded(container, stream), None)
            if frame is None:
                raise Refusal("has no frame that can be decoded")
            alpha = has_alpha(frame)
            by_packet = stream.codec_context.codec.canonical_name in _FRAME_A_PACKET and not alpha
            stated = stream.average_rate or stream.guessed_rate
            tick = stream.time_base or Fraction(1, 1000)
        index = _packet_index(source, demuxer) if by_packet else None
        transparent = False
        if index is None:
            index, transparent = _frame_index(source, demuxer, alpha)
        layout = layout_of(frame, transparent)
        rate, times = _timing(index, stated if stated is not None and stated > 0 else None, tick)
        width, height = layout.upright
        duration = float(index.frames / rate)
        info = VideoInfo(index.frames, width, height, layout.channels, rate, duration, layout.dtype)
        return Clip(name, info, times, float(tick), source, demuxer, layout, index)


@contextmanager
def _streaming(source: Path | bytes, demuxer: str) -> "Iterator[tuple[InputContainer, VideoStream]]":
    """Open a file and choose its video stream."""
    import av

    # An open file instead of its name, which FFmpeg might take for an address; and never another demuxer than the
    # one the content was checked for, as some of them open further files.
    with (
        opened(source) as file,
        av.open(file, "r", format=demuxer, metadata_errors="replace", buffer_size=_BUFFER_BYTES) as container,
    ):
        videos = [s for s in container.streams.video if "attached_pic" not in str(s.disposition)]
        if not videos:
            raise Refusal(_without_video(container))
        # Where there are several, the first is the one that players show.
        videos[0].thread_type = "AUTO"
        yield container, videos[0]


def _without_video(container: "InputContainer") -> str:
    """The refusal of a file without a video stream, with what it has instead."""
    kinds = sorted({s.type for s in container.streams})
    return f"has no video stream; it has {', '.join(kinds) if kinds else 'no streams at all'}"


def _check_stream(stream: "VideoStream") -> None:
    """Refuse a stream that cannot be decoded, or whose frames are too large, before memory is taken for them."""
    context = stream.codec_context
    if context is None:
        raise Refusal("is coded in a way that the installed av has no decoder for")
    if context.width * context.height > MAX_SAMPLES:
        raise Refusal(f"is too large: {context.width} × {context.height} pixels; at most {MAX_SAMPLES} are allowed")


def _decoded(container: "InputContainer", stream: "VideoStream") -> "Iterator[VideoFrame]":
    """The frames of a stream from its present position on, in the order they are shown."""
    decoder = _decoder(stream)
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise damaged("a packet is cut")
        for frame in decoder.decode(packet):
            if frame.is_corrupt:
                raise damaged("a frame lacks data")
            yield frame


def _decoder(stream: "VideoStream") -> "VideoCodecContext":
    """The decoder of a stream, one that knows about alpha if the stream says that it has it."""
    from av.codec import CodecContext
    from av.video.codeccontext import VideoCodecContext

    usual = stream.codec_context
    name = _ALPHA_DECODERS.get(usual.codec.canonical_name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return usual
    # FFmpeg's own decoders of VP8 and VP9 leave the alpha channel out.
    decoder = CodecContext.create(name, "r")
    return decoder if isinstance(decoder, VideoCodecContext) else usual


def _packet_index(source: Path | bytes, demuxer: str) -> _Index | None:
    """The index by the packets alone, without decoding; None if they do not tell which frames are shown."""
    shown: list[tuple[int, int]] = []
    place: tuple[int, int] | None = None
    first: Packet[VideoStream] | None = None
    with _streaming(source, demuxer) as (container, stream):
        for packet in container.demux(stream):
            if packet.size == 0:  # the end
                continue
            if packet.is_corrupt:
                raise damaged("a packet is cut")
            first = first or packet
            if packet.pts is None:
                return None
            if packet.pos is not None:
                place = packet.pos, packet.size
            if not packet.is_discard:
                shown.append((packet.pts, packet.duration or 0))
    if demuxer == "yuv4mpegpipe" and place is not None:
        with opened(source) as file:
            check_last_frame(file, *place)
    shown.sort()
    pts = np.array([time for time, _ in shown], np.int64)
    if first is None or not shown or (np.diff(pts) <= 0).any():
        return None
    # Frames that are shown before the first key frame refer to others that are missing, and are not decoded.
    if not first.is_keyframe or first.pts is None or first.pts > pts[0]:
        return None
    return _Index(len(shown), pts, shown[-1][1], seekable=True)


def _frame_index(source: Path | bytes, demuxer: str, alpha: bool) -> tuple[_Index, bool]:
    """The index by decoding everything, and whether any pixel is transparent."""
    times: list[int | None] = []
    transparent, last = False, 0
    with _streaming(source, demuxer) as (container, stream):
        for frame in _decoded(container, stream):
            transparent = transparent or (alpha and is_transparent(frame))
            times.append(frame.pts)
            last = getattr(frame, "duration", 0) or 0
    pts = np.array([time for time in times if time is not None], np.int64)
    reliable = len(pts) == len(times) and not (np.diff(pts) <= 0).any()
    return _Index(len(times), pts if reliable else None, last, seekable=False), transparent


def _timing(index: _Index, stated: Fraction | None, tick: Fraction) -> tuple[Fraction, npt.NDArray[np.float64]]:
    """The frame rate, and the seconds from the first frame to each.

    The rate that the container states is taken if the clip is as long as it says, since it is exact (30000/1001)
    where the rounded times are not; else the average.
    """
    frames, pts = index.frames, index.pts
    if pts is None:
        rate = stated or _DEFAULT_RATE
        return rate, np.arange(frames) / float(rate)
    times = (pts - pts[0]) * float(tick)
    last = Fraction(index.last)
    if last <= 0 and frames > 1:
        last = Fraction(int(pts[-1] - pts[0]), frames - 1)
    duration = (int(pts[-1] - pts[0]) + last) * tick
    if duration <= 0:
        return stated or _DEFAULT_RATE, times
    if stated is not None and abs(frames / stated - duration) <= max(1 / (2 * stated), 2 * tick):
        return stated, times
    return (frames / duration).limit_denominator(1_000_000), times
