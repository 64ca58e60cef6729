"""Clips and video files for the tests of video; without PyAV, the tests that import this are skipped."""

import io
import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inr.errors import InrError
from inr.meta import SignalMeta
from inr.signals.video.attributes import VideoAttributes

pytest.importorskip("av", reason="PyAV is not installed")

import av

Array = npt.NDArray[Any]

RATE = Fraction(25)

X265 = "asm=none:log-level=none"
"""`x265-params` of every clip that libx265 makes: the assembly of the one in PyAV 18.1 writes beyond its buffers, and
the process aborts some encodings later."""


def moving(frames: int, height: int, width: int, channels: int = 3, dtype: str = "uint8") -> Array:
    """A smooth clip that moves; every channel differs, and alpha is not opaque."""
    t, y, x, c = np.meshgrid(*(np.arange(n) for n in (frames, height, width, channels)), indexing="ij")
    wave = np.sin(x / 9 + t / 3 + c) + np.cos(y / 7 - t / 4 + 0.5 * c)
    top = 255 if dtype == "uint8" else 65535
    return np.rint((wave + 2) / 4 * top).astype(dtype)


def counting(frames: int, height: int = 16, width: int = 24, step: int = 6) -> Array:
    """A gray RGB clip in which frame i has the brightness 20 + step * i."""
    levels = (20 + step * np.arange(frames)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (frames, height, width, 3)).copy()


def numbers(samples: Array, step: int = 6) -> list[int]:
    """Which frames of `counting` these are."""
    return [round((float(frame.mean()) - 20) / step) for frame in samples]


def meta_of(samples: Array, rate: Fraction = RATE) -> SignalMeta:
    high = 255.0 if samples.dtype == np.uint8 else 65535.0
    return SignalMeta(samples.dtype.name, (0.0, high), VideoAttributes(rate))  # type: ignore[arg-type]


def psnr(a: Array, b: Array) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    peak = 255 if a.dtype == np.uint8 else 65535
    return math.inf if error == 0 else float(10 * np.log10(peak**2 / error))


def encoded(
    samples: Array,
    container: str = "matroska",
    codec: str = "ffv1",
    pixels: str = "bgr0",
    *,
    source: str = "rgb24",
    rate: Fraction = RATE,
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    sound: bool = False,
) -> bytes:
    """A video file made with PyAV alone.

    Args:
        samples: `(frames, height, width[, channels])`.
        container: FFmpeg's name of the format.
        codec: FFmpeg's name of the encoder.
        pixels: the pixel format to encode.
        source: the pixel format of the samples.
        rate: frames a second.
        options: of the encoder.
        muxing: options of the container.
        times: of the frames in milliseconds, instead of a constant rate.
        sound: whether to add silence.
    """
    with temporary() as path, av.open(str(path), "w", format=container, container_options=muxing or {}) as output:
        video: Any = output.add_stream(codec, rate=rate, options=options or {})
        video.height, video.width, video.pix_fmt = samples.shape[1], samples.shape[2], pixels
        video.thread_count = 1
        if times is not None:
            video.codec_context.time_base = Fraction(1, 1000)
        if sound:
            add_silence(output)
        for number, picture in enumerate(samples):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=source)
            frame = frame.reformat(format=pixels)
            frame.pts = number if times is None else times[number]
            frame.time_base = 1 / rate if times is None else Fraction(1, 1000)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        output.close()
        return path.read_bytes()


def remuxed(data: bytes, container: str, skip: int) -> bytes:
    """The packets of a video in another container, without the first few."""
    with temporary() as path, av.open(io.BytesIO(data), "r") as source:
        with av.open(str(path), "w", format=container) as output:
            video = output.add_stream_from_template(source.streams.video[0])
            for packet in [packet for packet in source.demux(video=0) if packet.size][skip:]:
                packet.stream = video
                output.mux(packet)
        return path.read_bytes()


@contextmanager
def temporary() -> Iterator[Path]:
    """A path to write to; some formats are finished by reading what was written."""
    with TemporaryDirectory() as folder:
        yield Path(folder) / "clip"


def add_silence(output: Any) -> None:
    """A fifth of a second of silence."""
    audio = output.add_stream("aac", rate=8000)
    for start in range(0, 2048, 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, start
        output.mux(audio.encode(frame))
    output.mux(audio.encode(None))


def sound_only() -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as output:
        add_silence(output)
    return stream.getvalue()


def h264(samples: Array, **options: Any) -> bytes:
    """An MP4 with B frames and a key frame every 5 frames."""
    coding = {"crf": "8", "g": "5", "bf": "2", "preset": "veryfast"}
    return encoded(samples, "mp4", "libx264", "yuv420p", options=coding, **options)


def with_matrix(mp4: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """An MP4 whose track is turned by a display matrix."""
    start = mp4.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", *(v << 16 for v in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    return mp4[:start] + matrix + mp4[start + 36 :]


def message_of(caught: "pytest.ExceptionInfo[InrError]") -> str:
    """The message of an error, which is one short line."""
    message = str(caught.value)
    assert "\n" not in message
    assert 10 < len(message) < 400
    return message
