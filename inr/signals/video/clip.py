"""Video files read through FFmpeg: an index of the frames first, then any of them.

The frames are counted from the packets where each packet is one frame, and by decoding where it may be otherwise:
what a container says about its length is often an estimate. An empty packet shows the frame before it once more.
"""

import re
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inr.signals.limits import MAX_SAMPLES
from inr.signals.refusal import Refusal, damaged
from inr.signals.signal import Array
from inr.signals.video.attributes import MAX_ASPECT
from inr.signals.video.containers import UNTIMED
from inr.signals.video.frame_source import DEFAULT_RATE, Size, VideoInfo, reported, require_av
from inr.signals.video.frames import Converter, Layout, has_alpha, is_transparent, layout_of
from inr.signals.video.times import MAX_TERM, FrameTimes, rate_of
from inr.signals.video.whole import check_last_frame, opened

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Each packet of these is one frame; VP8 and MPEG-4 have packets without one.
_FRAME_A_PACKET = {"h264", "hevc", "vp9", "av1", "ffv1", "mjpeg", "png", "prores", "rawvideo"}
_REORDERED = {"h264", "hevc", "vp9", "av1"}
# Containers whose time stamps belong to the packets; others cut a stream into packets as they see fit.
_PACKETS = {"mov", "matroska", "avi", "yuv4mpegpipe"}
_NAMES = {"avif": "mov"}
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_BUFFER_BYTES = 2**18
# These may be joined and left at any moment.
_JOINED = {"mpegts", "mpeg", "mpegvideo", "h264", "hevc", "vvc", "m4v"}
_TAIL = 4
"""Frames that are shown after one that is cut at the end, but stored before it."""
_CLOCK = re.compile(r"([0-9]{1,4}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,9})?)")


@dataclass(frozen=True, eq=False)
class _Index:
    """The frames of a stream in the order they are shown.

    Attributes:
        frames: how many.
        pts: the tick at which each is shown, increasing; None if the file has none that can be relied on.
        last: ticks that the last one is shown; 0 if the file does not say.
        seekable: whether decoding may start at a key frame in the middle, as decoded frames have these time stamps.
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
            convert, index = Converter(self._layout, size), self._index
            number = first
            for shown in islice(self._from(first), count):
                if index.seekable and index.pts is not None and shown.pts != index.pts[number]:
                    break
                yield convert(shown.frame)
                number += 1
            if number < first + count:
                raise damaged(f"frame {number} of 0..{self.info.frames - 1} cannot be decoded")

    def _from(self, first: int) -> Iterator["_Shown"]:
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


@dataclass(frozen=True, eq=False)
class _Shown:
    """A frame each time it is shown.

    Attributes:
        frame: as decoded.
        pts: time stamp in ticks, None if it has none.
        ticks: how long it is shown, 0 if the file does not say.
        sound: whether all its data was there.
    """

    frame: "VideoFrame"
    pts: int | None
    ticks: int
    sound: bool


def _sought(container: "InputContainer", stream: "VideoStream", pts: int) -> "Iterator[_Shown] | None":
    """Decode from the frame with a time stamp on; None if it is not found by starting at a key frame near it."""
    import av

    try:
        container.seek(pts, stream=stream)
        run = _decoded(container, stream)
        for shown in run:
            if shown.pts is None or shown.pts >= pts:
                return chain([shown], run) if shown.pts == pts else None
    except (av.FFmpegError, Refusal):  # decoding from the start will say whether the file is damaged
        return None
    return None


def open_clip(source: Path | bytes, name: str, demuxer: str) -> Clip:
    """Index a video file.

    Args:
        source: its path or its bytes.
        name: what messages call it.
        demuxer: FFmpeg's name of its container.

    Raises:
        FileAccessError: the file cannot be read.
        SignalError: it is damaged, not supported, or has no video stream or no frame.
        MissingDependencyError: PyAV is not installed.
    """
    require_av()
    with reported(name):
        with _streaming(source, demuxer) as (container, stream):
            _check_stream(stream)
            shown = next(_decoded(container, stream), None)
            if shown is None:
                raise Refusal("has no frame that can be decoded")
            alpha = has_alpha(shown.frame)
            codec = stream.codec_context.codec.canonical_name
            tick = stream.time_base or Fraction(1, 1000)
            stated = [stream.average_rate, stream.guessed_rate, stream.base_rate]
            if demuxer in UNTIMED:  # the rate of the demuxer is a guess, that of the codec stands in the stream
                stated.insert(0, stream.codec_context.framerate)
            aspect, end = _aspect(stream), _stated_end(stream, tick)
        by_packet = demuxer in _PACKETS and codec in _FRAME_A_PACKET and not alpha
        index = _packet_index(source, demuxer, codec) if by_packet else None
        transparent = False
        if index is None:
            index, transparent = _frame_index(source, demuxer, alpha)
        if demuxer in UNTIMED:
            index = replace(index, pts=None)
        layout = layout_of(shown.frame, transparent)
        rates = [rate for rate in stated if rate is not None and rate > 0]
        rate, begins, times = _timing(index, rates, tick, end, demuxer == "gif")
        width, height = layout.upright
        seconds = float(index.frames / rate) if times is None else float(times.seconds)
        aspect = 1 / aspect if layout.orientation >= 5 else aspect
        info = VideoInfo(index.frames, width, height, layout.channels, rate, seconds, layout.dtype, times, aspect)
        return Clip(name, info, begins, float(tick), source, demuxer, layout, index)


def _aspect(stream: "VideoStream") -> Fraction:
    """Width of a pixel by its height, 1 where the file says nothing that makes sense."""
    found = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return found if found and found > 0 and max(found.as_integer_ratio()) <= MAX_ASPECT else Fraction(1)


@dataclass(frozen=True)
class _End:
    """When the last frame ends by what is said of the stream, as its packet may not know.

    Attributes:
        tick: None if nothing is said.
        sure: true for a tag of Matroska, whose packets never know; else packets are stored out of order at worst.
    """

    tick: int | None
    sure: bool


def _stated_end(stream: "VideoStream", tick: Fraction) -> _End:
    """When the last frame of a stream ends."""
    tags = (text for name, text in stream.metadata.items() if name.partition("-")[0] == "DURATION")  # -eng
    if match := _CLOCK.fullmatch(next(tags, "")):
        hours, minutes, seconds = match.groups()
        return _End(round((3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)) / tick), sure=True)
    return _End(None if stream.duration is None else (stream.start_time or 0) + stream.duration, sure=False)


@contextmanager
def _streaming(source: Path | bytes, demuxer: str) -> "Iterator[tuple[InputContainer, VideoStream]]":
    """Open a file and choose its video stream."""
    import av

    # An open file instead of its name, which FFmpeg might take for an address; and never another demuxer than the
    # one the content was checked for, as some of them open further files.
    with (
        opened(source) as file,
        av.open(
            file, "r", format=_NAMES.get(demuxer, demuxer), metadata_errors="replace", buffer_size=_BUFFER_BYTES
        ) as container,
    ):
        videos = [s for s in container.streams.video if "attached_pic" not in str(s.disposition)]
        if not videos:
            raise Refusal(_without_video(container))
        # Where there are several, the first is the one that players show; the first of an AVIF file is its still.
        stream = max(videos, key=lambda video: video.frames) if demuxer == "avif" else videos[0]
        # Several frames at once are not always found to be damaged.
        stream.thread_type = "SLICE" if demuxer in _JOINED else "AUTO"
        yield container, stream


def _without_video(container: "InputContainer") -> str:
    """The refusal of a file without a video stream, with what it has instead."""
    kinds = sorted({"a cover" if s.type == "video" else s.type for s in container.streams})
    return f"has no video stream; it has {', '.join(kinds) if kinds else 'no streams at all'}"


def _check_stream(stream: "VideoStream") -> None:
    """Refuse a stream that cannot be decoded, or whose frames are too large, before memory is taken for them."""
    context = stream.codec_context
    if context is None:
        raise Refusal("is coded in a way that the installed av has no decoder for")
    if context.width * context.height > MAX_SAMPLES:
        raise Refusal(f"is too large: {context.width} × {context.height} pixels; at most {MAX_SAMPLES} are allowed")


def _decoded(container: "InputContainer", stream: "VideoStream") -> Iterator[_Shown]:
    """The frames of a stream from its present position on, in the order they are shown.

    Raises:
        Refusal: a frame is damaged. Streams that may be joined and left at any moment do not count as damaged where
            they begin and end in the middle of one: frames that need what is missing are left out, as players do.
    """
    joined, begun = container.format.name in _JOINED, False
    held: list[_Shown] | None = None
    for shown in _with_repeats(container, stream):
        if not shown.sound:
            if not joined:
                raise damaged("a frame lacks data")
            if begun and held is None:
                held = []
            continue
        begun = True
        if held is None:
            yield shown
            continue
        held.append(shown)
        if len(held) > _TAIL:
            raise damaged("a packet is cut, or a frame lacks data")


def _with_repeats(container: "InputContainer", stream: "VideoStream") -> Iterator[_Shown]:
    """As `_decoded`, of which some may not be sound."""
    import av

    decoder, joined = _decoder(stream), container.format.name in _JOINED
    repeats: deque[tuple[int, int]] = deque()
    cut = set[int | None]()
    last: _Shown | None = None
    for packet in container.demux(stream):
        if packet.size == 0 and packet.dts is not None:
            repeats.append((packet.dts if packet.pts is None else packet.pts, packet.duration or 0))
            continue
        if packet.is_corrupt and not joined:
            raise damaged("a packet is cut")
        if packet.is_corrupt:
            cut.add(packet.pts)
        try:
            frames = decoder.decode(packet)
        except av.error.InvalidDataError:
            if not joined:
                raise
            frames = []
            if last is not None:
                yield _Shown(last.frame, None, 0, sound=False)
        for frame in frames:
            # The decoder may be some packets behind.
            while last is not None and repeats and (frame.pts is None or repeats[0][0] < frame.pts):
                yield _Shown(last.frame, *repeats.popleft(), last.sound)
            sound = not frame.is_corrupt and frame.pts not in cut
            last = _Shown(frame, frame.pts, frame.duration or 0, sound)
            yield last
    if last is not None:
        yield from (_Shown(last.frame, *again, last.sound) for again in repeats)


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


def _packet_index(source: Path | bytes, demuxer: str, codec: str) -> _Index | None:
    """The index by the packets alone, without decoding; None if they do not tell which frames are shown."""
    shown: list[tuple[int, int]] = []
    place: tuple[int, int] | None = None
    first: Packet[VideoStream] | None = None
    with _streaming(source, demuxer) as (container, stream):
        for packet in container.demux(stream):
            if packet.size == 0:
                if packet.dts is None:  # the end
                    continue
                return None
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
    # AVI has times, but not whose they are where frames are stored out of order.
    return _Index(len(shown), pts, shown[-1][1], seekable=demuxer != "avi" or codec not in _REORDERED)


def _frame_index(source: Path | bytes, demuxer: str, alpha: bool) -> tuple[_Index, bool]:
    """The index by decoding everything, and whether any pixel is transparent."""
    times: list[int | None] = []
    transparent, last = False, 0
    with _streaming(source, demuxer) as (container, stream):
        for shown in _decoded(container, stream):
            transparent = transparent or (alpha and is_transparent(shown.frame))
            times.append(shown.pts)
            last = shown.ticks
    pts = np.array([time for time in times if time is not None], np.int64)
    pts = np.sort(pts) if demuxer == "avi" else pts
    reliable = len(pts) == len(times) and not (np.diff(pts) <= 0).any()
    return _Index(len(times), pts if reliable else None, last, seekable=False), transparent


def _timing(
    index: _Index, stated: list[Fraction], tick: Fraction, end: _End, chosen: bool
) -> tuple[Fraction, npt.NDArray[np.float64], FrameTimes | None]:
    """The frame rate, the seconds from the first frame to each, and the times of frames if their rate varies.

    Args:
        index: of the frames.
        stated: rates that the container states, the best first; they are exact (30000/1001) where the rounded times
            are not.
        tick: in seconds.
        end: of the last frame.
        chosen: the times of the frames are what an author chose, not rounded ones of a constant rate.
    """
    frames, pts = index.frames, index.pts
    if pts is None:
        rate = next(iter(stated), DEFAULT_RATE)
        return rate, np.arange(frames) / float(rate), None
    begins, span = (pts - pts[0]) * float(tick), int(pts[-1] - pts[0])
    length = Fraction(index.last) if index.last > 0 or frames == 1 else Fraction(span, frames - 1)
    if length <= 0:
        return next(iter(stated), DEFAULT_RATE), begins, None
    usual = index.last if index.last > 0 or frames == 1 else int(np.median(np.diff(pts)))
    edges = np.append(pts, pts[-1] + usual)
    constant = (frames / ((span + length) * tick)).limit_denominator(MAX_TERM)
    rates = [] if chosen else [*stated, constant]
    rate, times = rate_of(edges, tick, *rates)
    known = times is not None or (end.sure and pts[0] == 0)
    if end.tick is not None and end.tick > pts[-1] and known and not chosen:
        rate, times = rate_of(np.append(pts, end.tick), tick, *rates)
    return rate, begins, times
