"""Videos that are refused, ranges that are not there, outputs that cannot be written: one clear line, nothing left."""

import errno
import io
import math
import sys
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from inr.errors import (
    BackendUnavailableError,
    FileAccessError,
    MissingDependencyError,
    SignalError,
    SpecError,
)
from inr.meta import SignalMeta
from inr.signals.image.attributes import ImageAttributes
from inr.signals.image.write import save_image
from inr.signals.video import clip as video_clip
from inr.signals.video import frame_source as video_common
from inr.signals.video.attributes import VideoAttributes
from inr.signals.video.encode import Encoder
from inr.signals.video.read import (
    VideoWriter,
    check_video_format,
    is_video,
    load_video,
    probe_video,
    save_video,
    video_segments,
)
from tests.support.video_files import (
    RATE,
    Array,
    counting,
    encoded,
    h264,
    message_of,
    meta_of,
    moving,
    sound_only,
    temporary,
)


def noise(frames: int = 6) -> Array:
    """A clip that does not compress, so that every byte of a file matters."""
    return np.random.default_rng(3).integers(0, 256, (frames, 32, 48, 3)).astype(np.uint8)


def noisy_gif() -> bytes:
    stream = io.BytesIO()
    pictures = [Image.fromarray(frame).quantize(64) for frame in noise(4)]
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:], duration=40)
    return stream.getvalue()


def animated(format_: str) -> bytes:
    stream = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in noise(4)]
    pictures[0].save(stream, format_, save_all=True, append_images=pictures[1:], duration=40)
    return stream.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "mp4": lambda: h264(noise()),
    "mp4 faststart": lambda: h264(noise(), muxing={"movflags": "+faststart"}),
    "mp4 fragmented": lambda: h264(noise(), muxing={"movflags": "frag_keyframe+empty_moov"}),
    "mkv": lambda: encoded(noise()),
    "webm": lambda: encoded(noise(), "webm", "libvpx-vp9", "yuv420p"),
    "avi": lambda: encoded(noise(), "avi", "mpeg4", "yuv420p"),
    "ogg": lambda: encoded(noise(), "ogg", "libvpx", "yuv420p"),
    "y4m": lambda: encoded(noise(), "yuv4mpegpipe", "rawvideo", "yuv420p"),
    "gif": noisy_gif,
    "png": lambda: animated("PNG"),
    "webp": lambda: animated("WEBP"),
    "avif": lambda: animated("AVIF"),
    "ts": lambda: encoded(noise(), "mpegts", "libx264", "yuv420p"),
    "flv": lambda: encoded(noise(), "flv", "flv", "yuv420p"),
    "wmv": lambda: encoded(noise(), "asf", "wmv2", "yuv420p"),
    "mxf": lambda: encoded(noise(), "mxf", "mpeg2video", "yuv420p"),
    "ivf": lambda: encoded(noise(), "ivf", "libvpx", "yuv420p"),
}


def refusal(source: Path | bytes, name: str = "video data", **options: Any) -> str:
    """The message for a bad video, which begins with its name."""
    with pytest.raises(SignalError) as caught:
        load_video(source, **options)
    message = message_of(caught)
    assert message.startswith(name)
    return message


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("part", [0.002, 0.02, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_cut_files_are_refused(kind: str, part: float, capfd: pytest.CaptureFixture[str]) -> None:
    data = FILES[kind]()
    assert load_video(data).samples.shape[1:] == (32, 48, 3)
    refusal(data[: int(len(data) * part)])
    refusal(data[:-1])
    # FFmpeg would write its own complaints to standard error.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", FILES)
def test_flipped_bytes_never_escape_as_other_errors(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data, random = FILES[kind](), np.random.default_rng(5)
    messages = []
    for _ in range(25):
        damaged = np.frombuffer(data, np.uint8).copy()
        places = random.integers(0, len(data), 6)
        damaged[places] ^= random.integers(1, 256, 6).astype(np.uint8)
        try:
            assert load_video(damaged.tobytes()).samples.ndim == 4
        except SignalError as error:
            messages.append(str(error))
    assert all("\n" not in message for message in messages)
    assert capfd.readouterr() == ("", "")


def test_empty_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert "is empty (0 bytes)" in refusal(tmp_path / "empty.mp4", str(tmp_path / "empty.mp4"))
    assert "it reads MP4, MOV" in refusal(b"plain text, no video")
    assert "no video stream; it has audio" in refusal(sound_only())
    with pytest.raises(FileAccessError, match=r"cannot read .*missing\.mp4: no such file"):
        load_video(tmp_path / "missing.mp4")
    with pytest.raises(FileAccessError, match="cannot read"):
        is_video(tmp_path / "missing.mp4")


def joined(*files: bytes) -> bytes:
    """One AVI with the packets of several."""
    with temporary() as path, ExitStack() as stack:
        sources = [stack.enter_context(av.open(io.BytesIO(data), "r")) for data in files]
        with av.open(str(path), "w", format="avi") as output:
            video = output.add_stream_from_template(sources[0].streams.video[0])
            packets = [packet for source in sources for packet in source.demux(video=0) if packet.size]
            for number, packet in enumerate(packets):
                packet.stream, packet.pts, packet.dts = video, number, number
                output.mux(packet)
        return path.read_bytes()


def test_changing_size_is_refused() -> None:
    small, large = (encoded(moving(3, n, n), "avi", "mjpeg", "yuvj420p") for n in (16, 32))
    assert load_video(joined(small, small)).samples.shape == (6, 16, 16, 3)
    assert "changes its size from 16 × 16 to 32 × 32" in refusal(joined(small, large))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time": (0.1, 0.2), "frames": (0, 1)}, "seconds or frames, not both"),
        ({"time": (0.3, 0.1)}, "0 <= start < end in seconds; got 0.3 to 0.1"),
        ({"time": (0.1, 0.1)}, "0 <= start < end"),
        ({"time": (-1.0, 0.1)}, "0 <= start < end"),
        ({"time": (math.nan, 0.1)}, "0 <= start < end"),
        ({"time": (0.0, math.nan)}, "0 <= start < end"),
        ({"time": (0.4, 0.5)}, "lasts 0.4 s; got 0.4 to 0.5 s"),
        ({"time": (0.1, 3.0)}, "lasts 0.4 s; got 0.1 to 3 s"),
        ({"time": (0.05, 0.06)}, "no frame of video data begins from 0.05 to 0.06 s; they are about 0.04 s apart"),
        ({"frames": (0, 0)}, "at least 1 is needed; got 0"),
        ({"frames": (-1, 2)}, "has frames 0..9; got 2 from -1"),
        ({"frames": (10, 1)}, "has frames 0..9; got 1 from 10"),
        ({"frames": (8, 3)}, "has frames 0..9; got 3 from 8"),
        ({"size": (0, 5)}, "at least 1; got 0 × 5"),
        ({"frame_rate": Fraction(10)}, "is a file and has its own"),
    ],
)
def test_ranges_that_are_not_there(options: dict[str, Any], said: str) -> None:
    data = h264(counting(10))
    for read in (lambda: load_video(data, **options), lambda: video_segments(data, 4, **options)):
        with pytest.raises(SpecError) as caught:
            read()
        assert said in message_of(caught)


def test_segments_need_a_frame() -> None:
    with pytest.raises(SpecError, match="frames per segment: at least 1 is needed; got 0"):
        video_segments(h264(counting(3)), 0)


def test_limit_is_checked_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    data = h264(counting(10))
    monkeypatch.setattr(video_common, "MAX_SAMPLES", 5 * 16 * 24)
    message = refusal(data)
    assert "10 frames of 24 × 16 are 3840 samples; at most 1920" in message
    assert "segments" in message
    assert load_video(data, frames=(2, 5)).samples.shape[0] == 5
    assert load_video(data, size=(12, 16)).samples.shape == (10, 16, 12, 3)
    assert len(list(video_segments(data, 5))) == 2
    with pytest.raises(SignalError, match="10 frames"):
        video_segments(data, 10)


def test_huge_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal(b"YUV4MPEG2 W30000 H30000 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(1000))
    monkeypatch.setattr(video_clip, "MAX_SAMPLES", 16 * 24 - 1)
    assert "is too large: 24 × 16 pixels; at most 383" in refusal(h264(counting(3)))


def test_folders_that_are_no_video(tmp_path: Path) -> None:
    meta = SignalMeta("uint8", (0, 255), ImageAttributes())
    assert "has no pictures to take for frames" in refusal(tmp_path, str(tmp_path))
    for number, frame in enumerate(moving(3, 6, 8)):
        save_image(tmp_path / f"{number}.png", frame, meta)
    save_image(tmp_path / "1.png", moving(1, 6, 9)[0], meta)
    path = str(tmp_path / "1.png")
    assert "is 9 × 6 with 3 channels of uint8, but 0.png is 8 × 6 with" in refusal(tmp_path, path)
    save_image(tmp_path / "1.png", moving(1, 6, 8, 1)[0], meta)
    assert "8 × 6 with 1 channel of uint8" in refusal(tmp_path, path)
    save_image(tmp_path / "1.png", moving(1, 6, 8, 3, "uint16")[0], SignalMeta("uint16", (0, 65535), ImageAttributes()))
    assert "of uint16, but" in refusal(tmp_path, path)
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    refusal(tmp_path, path)
    assert load_video(tmp_path, frames=(2, 1)).samples.shape == (1, 6, 8, 3)
    with pytest.raises(SpecError, match="frame rate: must be above 0; got 0"):
        probe_video(tmp_path, frame_rate=Fraction(0))
    np.save(tmp_path / "0.npy", np.zeros((6, 8), np.float32))
    assert "has samples of type float32" in refusal(tmp_path, str(tmp_path / "0.npy"))


def test_without_av_files_are_refused_and_folders_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, samples = h264(counting(3)), moving(2, 6, 8)
    monkeypatch.setitem(sys.modules, "av", None)
    assert is_video(data)
    for act in (
        lambda: probe_video(data),
        lambda: load_video(data),
        lambda: VideoWriter(tmp_path / "clip.mp4", VideoAttributes(RATE), 8, 6, 3, "uint8"),
        lambda: check_video_format(tmp_path / "clip.mkv", 3, "uint8"),
    ):
        with pytest.raises(MissingDependencyError, match=r"pip install 'inr\[video\]'") as caught:
            act()
        message_of(caught)
    assert left_in(tmp_path) == []
    save_video(tmp_path / "frames", samples, meta_of(samples))
    np.testing.assert_array_equal(load_video(tmp_path / "frames").samples, samples)
    assert load_video(animated("WEBP")).samples.shape == (4, 32, 48, 3)
    with pytest.raises(MissingDependencyError):
        load_video(tmp_path / "frames", size=(4, 3))


def test_build_without_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"ffv1"})
    check_video_format("clip.mkv", 3, "uint8")
    with pytest.raises(BackendUnavailableError, match=r"\.mp4 needs the encoder libx264"):
        check_video_format("clip.mp4", 3, "uint8")


@pytest.mark.parametrize(
    ("path", "channels", "dtype", "options", "said"),
    [
        ("clip.wmv", 3, "uint8", {}, "unknown suffix '.wmv'; allowed are .mp4, .mkv, .webm, .gif, and none"),
        ("-", 3, "uint8", {}, "cannot be written to standard output"),
        ("clip.mp4", 4, "uint8", {}, ".mp4 cannot hold RGB with alpha; those that can: .mkv, .webm, a folder"),
        ("clip.mkv", 2, "uint8", {}, ".mkv cannot hold gray with alpha; those that can: a folder"),
        ("clip.mp4", 5, "uint8", {}, "1 to 4 channels are allowed; got 5"),
        ("clip.mkv", 3, "float32", {}, "frames are uint8 or uint16; got float32"),
        ("frames", 3, "int16", {}, "frames are uint8 or uint16; got int16"),
        ("clip.mp4", 3, "uint8", {"size": (0, 4)}, "at least 1; got 0 × 4"),
        ("clip.webm", 3, "uint8", {"size": (20000, 4)}, "at most 16383 pixels; got 20000 × 4"),
        (
            "clip.gif",
            3,
            "uint8",
            {"attributes": VideoAttributes(Fraction(60))},
            "1/600 to 50 frames a second are allowed; got 60",
        ),
        ("clip.mp4", 3, "uint8", {"attributes": VideoAttributes(Fraction(5000))}, "1/1000 to 1000 frames a second"),
    ],
)
def test_formats_that_cannot_hold_a_video(
    path: str, channels: int, dtype: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        check_video_format(path, channels, dtype, **options)
    assert said in message_of(caught)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.webm", "clip.gif", "frames"])
def test_failed_writing_leaves_nothing(tmp_path: Path, name: str) -> None:
    def writer() -> VideoWriter:
        return VideoWriter(tmp_path / name, VideoAttributes(RATE), 24, 16, 3, "uint8")

    def written(then: Callable[[VideoWriter], None]) -> None:
        with writer() as output:
            output.write(counting(3))
            then(output)

    def fail(_: VideoWriter) -> None:
        raise OSError("the caller's own")

    with pytest.raises(OSError, match="own") as own:
        written(fail)
    assert type(own.value) is OSError
    assert left_in(tmp_path) == []
    with pytest.raises(SpecError, match="at least 1 frame is needed; got 0"), writer():
        pass
    with pytest.raises(SpecError, match=r"needs frames of shape \(n, 16, 24, 3\) and type uint8"):
        written(lambda output: output.write(counting(3).astype(np.uint16)))
    abandoned = writer()
    abandoned.write(counting(2))
    abandoned.abort()
    abandoned.close()
    with pytest.raises(SpecError, match="it is closed"):
        abandoned.write(counting(2))
    assert left_in(tmp_path) == []


def test_failed_writing_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "clip.mkv").write_bytes(b"before")
    with (
        pytest.raises(SpecError, match="needs frames"),
        VideoWriter(tmp_path / "clip.mkv", VideoAttributes(RATE), 24, 16, 3, "uint8") as output,
    ):
        output.write(counting(3)[0])
    assert (tmp_path / "clip.mkv").read_bytes() == b"before"
    save_video(tmp_path / "clip.mkv", counting(3), meta_of(counting(3)))
    assert probe_video(tmp_path / "clip.mkv").frames == 3


@pytest.mark.parametrize("step", ["write", "finish"])
def test_full_disk_is_a_file_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object) -> None:
        raise av.error.OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Encoder, step, full)
    with pytest.raises(FileAccessError, match=r"cannot write .*clip\.mkv: no space left on device"):
        save_video(tmp_path / "clip.mkv", counting(3), meta_of(counting(3)))
    assert left_in(tmp_path) == []


def test_encoder_that_refuses_is_a_setting_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.signals.video.encode._pixel_format", lambda *_: "pal8")
    with pytest.raises(SpecError, match="the encoder refuses it") as caught:
        save_video(tmp_path / "clip.mkv", counting(3), meta_of(counting(3)))
    message_of(caught)
    assert left_in(tmp_path) == []


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    samples = counting(2)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, said in [("full", "not empty"), ("file", "it is a file"), ("no/frames", "does not exist")]:
        with pytest.raises(FileAccessError, match=said):
            save_video(tmp_path / name, samples, meta_of(samples))
    with pytest.raises(FileAccessError, match="does not exist"):
        save_video(tmp_path / "no" / "clip.mp4", samples, meta_of(samples))
    assert left_in(tmp_path) == ["file", "full"]
    (tmp_path / "empty.mp4").mkdir()  # an existing folder is one, whatever its name
    save_video(tmp_path / "empty.mp4", samples, meta_of(samples))
    assert left_in(tmp_path / "empty.mp4") == ["00000.png", "00001.png"]


def test_save_video_needs_a_video(tmp_path: Path) -> None:
    samples = counting(2)
    image = SignalMeta("uint8", (0, 255), ImageAttributes())
    for bad, meta in [(samples, image), (samples[0], meta_of(samples)), (samples[:0], meta_of(samples))]:
        with pytest.raises(SpecError, match="needs samples"):
            save_video(tmp_path / "clip.mkv", bad, meta)
    with pytest.raises(SpecError, match="frames are uint8 or uint16; got float32"):
        save_video(tmp_path / "clip.mkv", samples.astype(np.float32), meta_of(samples))
    assert left_in(tmp_path) == []
