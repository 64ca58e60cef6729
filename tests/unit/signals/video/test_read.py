"""Videos to signals: the right frames, any pixel format, any container, files and folders alike."""

import io
import math
import sys
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inr.errors import SpecError
from inr.meta import SignalMeta
from inr.signals.image.attributes import ImageAttributes
from inr.signals.image.picture import oriented
from inr.signals.image.read import load_image
from inr.signals.image.write import save_image
from inr.signals.video import clip as video_clip
from inr.signals.video.attributes import video_attributes
from inr.signals.video.frames import Converter
from inr.signals.video.read import (
    VideoInfo,
    is_video,
    load_video,
    probe_video,
    save_video,
    video_segments,
)
from tests.support.video_files import (
    RATE,
    X265,
    Array,
    counting,
    encoded,
    h264,
    meta_of,
    moving,
    numbers,
    psnr,
    remuxed,
    with_matrix,
)

NTSC = Fraction(30000, 1001)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def image_folder(folder: Path, samples: Array) -> Path:
    folder.mkdir()
    meta = meta_of(samples)
    for number, frame in enumerate(samples):
        save_image(folder / f"f{number}.png", frame, SignalMeta(meta.dtype, meta.value_range, ImageAttributes()))
    return folder


def test_opaque_alpha_is_left_out(tmp_path: Path) -> None:
    samples = moving(3, 8, 8, 4)
    samples[..., 3] = 255
    save_video(tmp_path / "clip.mkv", samples, meta_of(samples))
    np.testing.assert_array_equal(load_video(tmp_path / "clip.mkv").samples, samples[..., :3])


def test_path_bytes_and_standard_input_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = h264(counting(6))
    whole = load_video(data).samples
    np.testing.assert_array_equal(load_video(put(tmp_path / "no suffix: 100%d", data)).samples, whole)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    np.testing.assert_array_equal(load_video("-").samples, whole)


@pytest.mark.parametrize(
    ("codec", "option"),
    [
        ("libx264", {"x264-params": "keyint=5:bframes=2"}),
        ("libx264", {"x264-params": "keyint=5:bframes=2:open-gop=1"}),
        ("libx264", {"x264-params": "keyint=8:intra-refresh=1"}),
        ("libx265", {"x265-params": f"keyint=5:bframes=2:open-gop=1:{X265}"}),
        ("libvpx-vp9", {"g": "5", "cpu-used": "8"}),
    ],
)
@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_every_range_of_frames_is_the_right_one(container: str, codec: str, option: dict[str, str]) -> None:
    data = encoded(counting(23), container, codec, "yuv420p", options={"crf": "8", **option})
    whole = load_video(data).samples
    assert numbers(whole) == list(range(23))
    for first in range(23):
        part = load_video(data, frames=(first, min(3, 23 - first))).samples
        np.testing.assert_array_equal(part, whole[first : first + 3])


def test_reading_starts_at_a_key_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    data, decoded, original = h264(counting(30)), 0, video_clip._decoded

    def counted(*arguments: Any) -> Iterator[Any]:
        nonlocal decoded
        for frame in original(*arguments):
            decoded += 1
            yield frame

    monkeypatch.setattr(video_clip, "_decoded", counted)
    assert numbers(load_video(data, frames=(23, 2)).samples) == [23, 24]
    assert decoded <= 1 + 8  # one to see what it is, and those from key frame 20 on


@pytest.mark.parametrize("container", ["mp4", "matroska", "mov"])
@pytest.mark.parametrize("rate", [RATE, NTSC, Fraction(30), Fraction(7)])
def test_times_are_half_open(container: str, rate: Fraction) -> None:
    coding = {"g": "4", "bf": "2", "preset": "ultrafast"}
    data = encoded(counting(20), container, "libx264", "yuv420p", options=coding, rate=rate)
    for first, stop in [(0, 20), (0, 1), (3, 4), (7, 13), (19, 20)]:
        got = load_video(data, time=(float(first / rate), float(stop / rate)))
        assert numbers(got.samples) == list(range(first, stop))
    middle = load_video(data, time=(float(Fraction(5, 2) / rate), float(Fraction(9, 2) / rate)))
    assert numbers(middle.samples) == [3, 4]
    assert numbers(load_video(data, time=(float(17 / rate), math.inf)).samples) == [17, 18, 19]


def test_variable_frame_rate_selects_by_the_times_in_the_file() -> None:
    data = encoded(counting(6), times=[0, 40, 80, 1000, 1040, 1080])
    info = probe_video(data)
    assert info.frames == 6
    assert info.frame_rate == Fraction(600, 112)  # the last one lasts 0.04 s
    assert info.duration_s == pytest.approx(6 / float(info.frame_rate))
    assert numbers(load_video(data).samples) == list(range(6))
    assert numbers(load_video(data, time=(0.5, 1.05)).samples) == [3, 4]
    assert numbers(load_video(data, time=(0.0, 0.08)).samples) == [0, 1]
    with pytest.raises(SpecError, match=r"no frame of video data begins from 0\.2 to 0\.5 s"):
        load_video(data, time=(0.2, 0.5))


@pytest.mark.parametrize("size", [(8, 6), (12, 16), (24, 5), (48, 32), (25, 17)])
def test_frames_are_resampled_alike_from_files_and_folders(tmp_path: Path, size: tuple[int, int]) -> None:
    samples = moving(3, 16, 24)
    save_video(tmp_path / "clip.mkv", samples, meta_of(samples))
    small = load_video(tmp_path / "clip.mkv", size=size).samples
    assert small.shape == (3, size[1], size[0], 3)
    folder = image_folder(tmp_path / "frames", samples)
    np.testing.assert_array_equal(load_video(folder, size=size).samples, small)
    assert np.abs(small.mean(axis=(1, 2)) - samples.mean(axis=(1, 2))).max() < 4


def test_halving_averages_blocks(tmp_path: Path) -> None:
    samples = moving(2, 16, 24, 3, "uint16")
    save_video(tmp_path / "clip.mkv", samples, meta_of(samples))
    blocks = samples.reshape(2, 8, 2, 12, 2, 3).astype(np.float64).mean(axis=(2, 4))
    got = load_video(tmp_path / "clip.mkv", size=(12, 8)).samples
    assert psnr(got, blocks) > 60


@pytest.mark.parametrize(
    ("frames", "each", "lengths"),
    [
        (10, 5, [5, 5]),
        (11, 5, [3, 4, 4]),
        (12, 5, [4, 4, 4]),
        (3, 5, [3]),
        (1, 5, [1]),
        (6, 5, [3, 3]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_segments_make_the_whole(frames: int, each: int, lengths: list[int]) -> None:
    data = h264(counting(frames + 2))
    segments = list(video_segments(data, each, frames=(2, frames), size=(12, 8)))
    assert [s.domain.shape for s in segments] == [(n, 8, 12) for n in lengths]
    whole = load_video(data, frames=(2, frames), size=(12, 8))
    np.testing.assert_array_equal(np.concatenate([s.samples for s in segments]), whole.samples)
    assert all(s.meta == whole.meta for s in segments)


def test_segments_are_decoded_as_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    converted = 0

    class Counting(Converter):
        def __call__(self, frame: Any) -> Array:
            nonlocal converted
            converted += 1
            return super().__call__(frame)

    monkeypatch.setattr(video_clip, "Converter", Counting)
    segments = video_segments(h264(counting(21)), 4)
    assert converted == 0
    seen = [(segment.samples.shape[0], converted) for segment in segments]
    assert seen == [(3, 3), (4, 7), (3, 10), (4, 14), (3, 17), (4, 21)]


def test_segments_hold_one_at_a_time() -> None:
    data = encoded(np.zeros((40, 64, 64, 3), np.uint8))
    segment_bytes = 4 * 64 * 64 * 3
    tracemalloc.start()
    means = [float(np.mean(s.samples)) for s in video_segments(data, 4)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert means == [0.0] * 10
    # The comprehension lets go of a segment only after it was given the next.
    assert peak < 3 * segment_bytes + 2**19


@pytest.mark.parametrize(
    ("container", "codec", "pixels"),
    [
        ("avi", "mpeg4", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
        ("mov", "prores_ks", "yuv422p10le"),
        ("mov", "qtrle", "rgb24"),
        ("mp4", "mpeg4", "yuv420p"),
        ("mp4", "libx265", "yuv420p10le"),
        ("mp4", "libx264", "yuv422p"),
        ("webm", "libvpx", "yuv420p"),
        ("matroska", "ffv1", "yuv444p12le"),
        ("matroska", "rawvideo", "nv12"),
        ("ogg", "libvpx", "yuv420p"),
        ("yuv4mpegpipe", "rawvideo", "yuv420p"),
    ],
)
def test_containers_and_pixel_formats(container: str, codec: str, pixels: str) -> None:
    samples = moving(9, 32, 48)
    data = encoded(
        samples,
        container,
        codec,
        pixels,
        rate=Fraction(24),
        options={"b": "4000000"} | ({"x265-params": X265} if codec == "libx265" else {}),
    )
    assert is_video(data)
    signal = load_video(data)
    deep = pixels.endswith(("10le", "12le"))
    assert probe_video(data) == VideoInfo(9, 48, 32, 3, Fraction(24), 9 / 24, "uint16" if deep else "uint8")
    assert signal.samples.dtype == (np.uint16 if deep else np.uint8)
    assert psnr(signal.samples, samples.astype(np.float64) * (257 if deep else 1)) > 29


def test_ten_bits_keep_more_than_eight() -> None:
    ramp = np.broadcast_to(np.linspace(0, 65535, 512).astype(np.uint16)[:, None], (2, 4, 512, 3)).copy()
    data = encoded(ramp, "mp4", "libx264", "yuv444p10le", source="rgb48le", options={"crf": "1"})
    signal = load_video(data)
    assert signal.meta == meta_of(ramp)
    assert len(np.unique(signal.samples[0, 0, :, 1])) > 400
    assert psnr(signal.samples, ramp) > 50


@pytest.mark.parametrize(("pixels", "top", "scaled"), [("gray", 255, 255), ("gray10le", 1023, 65535)])
def test_gray_streams_have_one_channel(pixels: str, top: int, scaled: int) -> None:
    samples = np.linspace(0, top, 3 * 8 * 8).reshape(3, 8, 8).astype(np.uint8 if top == 255 else np.uint16)
    signal = load_video(encoded(samples, pixels=pixels, source=pixels))
    assert signal.samples.shape == (3, 8, 8, 1)
    assert np.abs(signal.samples[..., 0].astype(np.float64) / scaled - samples.astype(np.float64) / top).max() < 1 / top


MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


@pytest.mark.parametrize("orientation", MATRICES)
def test_display_matrix_is_applied(orientation: int) -> None:
    data = h264(moving(3, 16, 32))
    upright = load_video(data).samples
    turned = load_video(with_matrix(data, *MATRICES[orientation]))
    for got, stored in zip(turned.samples, upright, strict=True):
        np.testing.assert_array_equal(got, oriented(stored, orientation))
    info = probe_video(with_matrix(data, *MATRICES[orientation]))
    assert (info.height, info.width) == turned.samples.shape[1:3]
    small = load_video(with_matrix(data, *MATRICES[orientation]), size=(10, 6))
    assert small.domain.shape == (3, 6, 10)


def test_quarter_turn_is_clockwise() -> None:
    samples = np.zeros((2, 16, 32, 3), np.uint8)
    samples[:, :8] = 200  # the upper half, which a quarter turn clockwise brings to the right
    turned = load_video(with_matrix(h264(samples), 0, 1, -1, 0)).samples
    assert turned.shape == (2, 32, 16, 3)
    assert turned[:, :, 10:].min() > 150
    assert turned[:, :, :6].max() < 50


def test_sound_is_ignored() -> None:
    data = h264(counting(8), sound=True)
    assert numbers(load_video(data).samples) == list(range(8))
    assert probe_video(data).duration_s == pytest.approx(8 / 25)


def test_frames_are_counted_when_the_header_lies() -> None:
    data = bytearray(encoded(counting(8), "avi", "mpeg4", "yuv420p"))
    total = data.index(b"avih") + 8 + 16
    data[total : total + 4] = (500).to_bytes(4, "little")
    assert probe_video(bytes(data)).frames == 8
    assert numbers(load_video(bytes(data), frames=(3, 2)).samples) == [3, 4]


@pytest.mark.parametrize("container", ["matroska", "mp4"])
def test_packets_that_give_no_frame_are_not_counted(container: str) -> None:
    # Without the first key frame, the frames up to the next one cannot be decoded.
    data = remuxed(h264(counting(14)), container, skip=1)
    count = probe_video(data).frames
    assert count < 13
    assert numbers(load_video(data).samples) == list(range(14 - count, 14))
    assert numbers(load_video(data, frames=(count - 2, 2)).samples) == [12, 13]


def gif(frames: int, alpha: bool = False) -> bytes:
    mode = "RGBA" if alpha else "RGB"
    pictures = []
    for level in range(frames):
        pixels = np.full((10, 12, len(mode)), 40 + 20 * level, np.uint8)
        if alpha:
            pixels[..., 3], pixels[:5, ..., 3] = 255, 0
        pictures.append(Image.fromarray(pixels))
    stream = io.BytesIO()
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:], duration=50, loop=0, disposal=2)
    return stream.getvalue()


def test_animated_gif_is_a_video_and_a_still_one_an_image(tmp_path: Path) -> None:
    assert is_video(gif(4))
    assert not is_video(gif(1))
    signal = load_video(gif(4))
    assert signal.samples.shape == (4, 10, 12, 3)
    assert video_attributes(signal.meta).frame_rate == 20
    assert signal.samples[:, 0, 0, 0].tolist() == [40, 60, 80, 100]
    assert load_image(put(tmp_path / "a.gif", gif(1))).samples.shape == (10, 12, 3)


def test_gif_with_transparency_has_alpha() -> None:
    signal = load_video(gif(3, alpha=True))
    assert signal.samples.shape == (3, 10, 12, 4)
    assert set(np.unique(signal.samples[:, :5, :, 3])) == {0}
    assert set(np.unique(signal.samples[:, 5:, :, 3])) == {255}


def test_is_video_goes_by_content(tmp_path: Path) -> None:
    assert is_video(put(tmp_path / "clip.png", h264(counting(2))))
    samples = moving(1, 8, 8)[0]
    for name in ("a.png", "b.jpg", "c.avif", "d.webp", "e.npy"):
        save_image(tmp_path / name, samples, SignalMeta("uint8", (0, 255), ImageAttributes()))
        assert not is_video(tmp_path / name)
    assert not is_video(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert not is_video(b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf")
    assert not is_video(b"")
    assert not is_video(b"plain text")
    assert not is_video("-")
    assert is_video(tmp_path)  # a folder of images
    (tmp_path / "empty").mkdir()
    put(tmp_path / "empty" / "notes.txt", b"no image")
    assert not is_video(tmp_path / "empty")


def test_folder_is_in_natural_order_and_ignores_other_files(tmp_path: Path) -> None:
    samples = counting(12)
    folder = image_folder(tmp_path / "frames", samples)
    put(folder / "notes.txt", b"text")
    put(folder / ".hidden.png", b"")
    (folder / "f3.png").rename(folder / "F03.PNG")
    info = probe_video(folder, frame_rate=NTSC)
    assert info == VideoInfo(12, 24, 16, 3, NTSC, float(12 / NTSC), "uint8")
    assert numbers(load_video(folder).samples) == list(range(12))
    assert video_attributes(load_video(folder).meta).frame_rate == 25
    assert numbers(load_video(folder, time=(0.2, 0.4), frame_rate=Fraction(10)).samples) == [2, 3]
    assert [s.domain.shape[0] for s in video_segments(folder, 5, frame_rate=NTSC)] == [4, 4, 4]


def test_folder_of_jpeg_and_sixteen_bits(tmp_path: Path) -> None:
    deep = image_folder(tmp_path / "deep", moving(2, 6, 8, 3, "uint16"))
    assert load_video(deep).meta == meta_of(moving(2, 6, 8, 3, "uint16"))
    (tmp_path / "jpeg").mkdir()
    for number, frame in enumerate(moving(2, 32, 32)):
        save_image(tmp_path / "jpeg" / f"{number}.jpg", frame, SignalMeta("uint8", (0, 255), ImageAttributes()))
    assert psnr(load_video(tmp_path / "jpeg").samples, moving(2, 32, 32)) > 35


def test_same_frames_twice() -> None:
    data = h264(moving(12, 32, 48))
    np.testing.assert_array_equal(load_video(data).samples, load_video(data).samples)
