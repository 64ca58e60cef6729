"""Frames to the bytes of a video file, through FFmpeg."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inr.errors import BackendUnavailableError
from inr.signals.signal import Array
from inr.signals.video.attributes import VideoAttributes
from inr.signals.video.frame_source import VideoType
from inr.signals.video.frames import frame_of
from inr.signals.video.matroska import PLACEHOLDER, set_aspect
from inr.signals.video.times import FrameTimes, Ticks

if TYPE_CHECKING:
    from av.filter import Graph
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Ticks a second of containers that count in no others, and the fewest that players show a frame for.
_TICKS = {".mkv": (1000, 1), ".webm": (1000, 1), ".gif": (100, 2)}
_NO_EDGES: Ticks = np.zeros(0, np.int64)
_BT709 = 1
_LIMITED = 1  # 16 to 235, what players expect


@dataclass(frozen=True)
class _Coding:
    """How a format is made.

    Attributes:
        muxer: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        codec_options: of the encoder.
        muxer_options: of the container.
    """

    muxer: str
    codec: str
    codec_options: dict[str, str]
    muxer_options: dict[str, str]


_CODINGS = {
    ".mp4": _Coding("mp4", "libx264", {"crf": "10", "preset": "medium"}, {"movflags": "+faststart"}),
    ".mkv": _Coding("matroska", "ffv1", {"level": "3", "slicecrc": "1"}, {}),
    ".webm": _Coding(
        "webm", "libvpx-vp9", {"crf": "12", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}, {}
    ),
    ".gif": _Coding("gif", "gif", {}, {"loop": "0"}),
}
_LOSSLESS_FORMATS = {
    (1, "uint8"): "gray",
    (3, "uint8"): "bgr0",
    (4, "uint8"): "bgra",
    (1, "uint16"): "gray16le",
    (3, "uint16"): "rgb48le",
    (4, "uint16"): "rgba64le",
}


def check_encoder(suffix: str) -> None:
    """Raise `BackendUnavailableError` if the installed PyAV was built without the encoder of a format."""
    import av

    codec = _CODINGS[suffix].codec
    if codec not in av.codecs_available:
        raise BackendUnavailableError(
            f"{suffix} needs the encoder {codec}, which the installed av {av.__version__} was built without; "
            "write .mkv or a folder"
        )


class Clock:
    """When frames are shown, in the ticks that a container counts in.

    Args:
        attributes: of the video.
        suffix: of the format.
    """

    def __init__(self, attributes: VideoAttributes, suffix: str) -> None:
        # Containers count time in ticks of 32 bits.
        self.rate = attributes.frame_rate.limit_denominator(1_000_000)
        self.tick, self._edges = 1 / self.rate, _NO_EDGES
        if attributes.times is not None:
            self.tick, self._edges = _rounded(attributes.times, suffix)

    @property
    def varies(self) -> bool:
        """Whether frames are shown for different times."""
        return len(self._edges) > 0

    def begin(self, number: int) -> int:
        """The tick at which a frame is shown."""
        return int(self._edges[number]) if self.varies else number

    @property
    def last(self) -> int:
        """For how many ticks the last frame is shown, if times vary."""
        return int(self._edges[-1] - self._edges[-2])

    def until(self, begin: int) -> int:
        """For how many ticks the frame is shown that begins at one, if times vary."""
        number = int(np.searchsorted(self._edges, begin, side="right"))
        return int(self._edges[min(number, len(self._edges) - 1)]) - begin


def _rounded(times: FrameTimes, suffix: str) -> tuple[Fraction, Ticks]:
    """A tick that a container has, and the times of frames in it."""
    if suffix not in _TICKS:
        return Fraction(1, times.tick.denominator), times.edges * times.tick.numerator
    count, least = _TICKS[suffix]
    edges = np.rint(times.edges * float(times.tick * count)).astype(np.int64)
    places = np.arange(len(edges), dtype=np.int64) * least
    return Fraction(1, count), np.maximum.accumulate(edges - places) + places


class Encoder:
    """Encodes frames of one size into a file."""

    def __init__(
        self,
        path: Path,
        suffix: str,
        attributes: VideoAttributes,
        shape: tuple[int, int, int],
        dtype: VideoType,
        codec_options: dict[str, str] | None = None,
    ) -> None:
        """Open a file for writing.

        Args:
            path: the file; its name says nothing about the format.
            suffix: ".mp4", ".mkv", ".webm" or ".gif".
            attributes: times of the frames, and the shape of pixels.
            shape: (height, width, channels).
            dtype: of the frames; "uint16" only for ".mkv".
            codec_options: of the encoder, instead of the usual ones of these names.
        """
        import av
        from av.video.reformatter import VideoReformatter

        coding, self._clock = _CODINGS[suffix], Clock(attributes, suffix)
        self._lossless, self._frames, self._path = suffix == ".mkv", 0, path
        self._reformatter = VideoReformatter()
        muxing = dict(coding.muxer_options)
        if suffix == ".gif" and self._clock.varies:
            muxing["final_delay"] = str(self._clock.last)
        self._container = av.open(str(path), "w", format=coding.muxer, container_options=muxing)
        try:
            options = {**coding.codec_options, **(codec_options or {})}
            height, width, channels = shape
            if channels == 4 and suffix == ".webm":
                options["auto-alt-ref"] = "0"  # libvpx cannot combine it with alpha
            if suffix == ".mp4" and self._clock.varies:
                options["bf"] = "0"  # frames that are stored out of order have no lengths of their own there
            if suffix == ".mkv":
                options["slices"] = "4" if min(width, height) >= 16 else "1"  # FFV1 cannot slice a few pixels
            stream = self._container.add_stream(coding.codec, rate=self._clock.rate, options=options)
            self._stream: VideoStream = stream  # type: ignore[assignment]  # of a video codec, which PyAV's types do not tell
            self._stream.width, self._stream.height = width, height
            self._stream.pix_fmt = _pixel_format(suffix, shape, dtype)
            if suffix in (".mp4", ".webm"):
                self._tag_colours()
            if self._clock.varies:
                self._stream.codec_context.time_base = self._clock.tick
                self._stream.codec_context.framerate = Fraction(0)  # or Matroska would state the average
            self._set_aspect(suffix, attributes.pixel_aspect)
            self._palettes = _palette_graph(width, height, self._clock.tick) if suffix == ".gif" else None
        except BaseException:
            self.abandon()
            raise

    def write(self, frame: Array) -> None:
        """Append a frame `(height, width, channels)`."""
        if frame.shape[2] == 1 and not self._lossless:
            frame = np.repeat(frame, 3, axis=2)
        picture = frame_of(frame)
        picture.pts, picture.time_base = self._clock.begin(self._frames), self._clock.tick
        self._frames += 1
        if self._palettes is not None:
            self._palettes.push(picture)
            self._encode(_pulled(self._palettes))
        else:
            self._encode([self._converted(picture)])

    def finish(self) -> None:
        """Encode what the encoder still holds and close the file."""
        if self._palettes is not None:
            self._palettes.push(None)
            self._encode(_pulled(self._palettes))
        self._mux(self._stream.encode(None))
        self._container.close()
        if self._shown is not None:
            set_aspect(self._path, self._shown)

    def abandon(self) -> None:
        """Close the file, whatever state it is in."""
        with contextlib.suppress(Exception):
            self._container.close()

    def _set_aspect(self, suffix: str, aspect: Fraction) -> None:
        """Say which shape pixels have, if they are not square: the codec where it can, Matroska afterwards."""
        self._shown: Fraction | None = None
        if aspect == 1:
            return
        self._stream.codec_context.sample_aspect_ratio = aspect
        if suffix in (".mkv", ".webm"):
            self._stream.metadata["title"] = PLACEHOLDER
            self._shown = aspect * Fraction(self._stream.width, self._stream.height)

    def _tag_colours(self) -> None:
        """Say which matrix and range the colours are coded with; players guess them otherwise."""
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED

    def _encode(self, pictures: "Iterable[VideoFrame]") -> None:
        for picture in pictures:
            self._mux(self._stream.encode(picture))

    def _mux(self, packets: "list[Packet[VideoStream]]") -> None:
        """Write packets, with their lengths where frames differ: an encoder knows only when they begin."""
        for packet in packets:
            if self._clock.varies and packet.pts is not None:
                packet.duration = self._clock.until(packet.pts)
            self._container.mux(packet)

    def _converted(self, picture: "VideoFrame") -> "VideoFrame":
        """A frame in the pixel format of the stream."""
        from av.video.reformatter import Interpolation

        pixel_format = self._stream.pix_fmt
        if self._lossless:
            return self._reformatter.reformat(picture, format=pixel_format)
        return self._reformatter.reformat(
            picture,
            format=pixel_format,
            dst_colorspace=_BT709,
            dst_color_range=_LIMITED,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
        )


def _pixel_format(suffix: str, shape: tuple[int, int, int], dtype: VideoType) -> str:
    """FFmpeg's name for how pixels are coded."""
    height, width, channels = shape
    if suffix == ".mkv":
        return _LOSSLESS_FORMATS[channels, dtype]
    if suffix == ".gif":
        return "pal8"
    if channels == 4:
        return "yuva420p"
    # H.264 with halved colour has even sizes only.
    odd = suffix == ".mp4" and (height % 2 or width % 2)
    return "yuv444p" if odd else "yuv420p"


def _palette_graph(width: int, height: int, tick: Fraction) -> "Graph":
    """A filter that gives every frame the 256 colours that suit it best."""
    from av.filter import Graph
    from av.video.format import VideoFormat

    graph = Graph()
    source = graph.add_buffer(width=width, height=height, format=VideoFormat("rgb24"), time_base=tick)
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: "Graph") -> "Iterable[VideoFrame]":
    """The frames that a filter has ready."""
    import av

    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
