"""Arrays to video files and folders: exact where the format is lossless, close where it is not."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from inr.domain import Domain
from inr.signals.video.attributes import VideoAttributes
from inr.signals.video.read import (
    VideoInfo,
    VideoWriter,
    load_video,
    probe_video,
    save_video,
    video_formats,
)
from tests.support.video_files import (
    RATE,
    counting,
    meta_of,
    moving,
    psnr,
)

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", ["clip.mkv", "frames"])
@pytest.mark.parametrize("shape", [(19, 33), (1, 1), (2, 18)])
def test_lossless_formats_keep_every_bit(
    tmp_path: Path, name: str, channels: int, dtype: str, shape: tuple[int, int]
) -> None:
    samples = moving(4, *shape, channels, dtype)
    save_video(tmp_path / name, samples, meta_of(samples, NTSC))
    signal = load_video(tmp_path / name)
    np.testing.assert_array_equal(signal.samples, samples)
    assert signal.samples.dtype == samples.dtype
    assert signal.domain == Domain.of_shape((4, *shape), ("t", "y", "x"))
    # A folder of images has no place for a frame rate.
    assert signal.meta == meta_of(samples, NTSC if name == "clip.mkv" else RATE)


def test_folder_keeps_gray_with_alpha(tmp_path: Path) -> None:
    samples = moving(3, 5, 7, 2, "uint16")
    save_video(tmp_path / "frames", samples, meta_of(samples))
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["00000.png", "00001.png", "00002.png"]
    np.testing.assert_array_equal(load_video(tmp_path / "frames").samples, samples)
    assert load_video(tmp_path / "frames", size=(3, 2)).samples.shape == (3, 2, 3, 2)


@pytest.mark.parametrize("rate", [NTSC, Fraction(12), Fraction(60), Fraction(1, 2), Fraction(1000)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_frame_rate_survives(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    samples = counting(7)
    save_video(tmp_path / f"clip{suffix}", samples, meta_of(samples, rate))
    info = probe_video(tmp_path / f"clip{suffix}")
    assert info == VideoInfo(7, 24, 16, 3, rate, float(7 / rate), "uint8")


@pytest.mark.parametrize("size", [(48, 64), (47, 64), (48, 63), (33, 19)])
@pytest.mark.parametrize(("suffix", "least"), [(".mp4", 35), (".webm", 35), (".gif", 28)])
def test_lossy_formats_stay_close_at_any_size(tmp_path: Path, suffix: str, least: float, size: tuple[int, int]) -> None:
    samples = moving(8, *size)
    path = tmp_path / f"clip{suffix.upper()}"
    save_video(path, samples, meta_of(samples))
    signal = load_video(path)
    assert signal.samples.shape == samples.shape
    assert signal.meta == meta_of(samples)
    assert psnr(signal.samples, samples) > least


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_lossy_formats_get_gray_as_rgb_and_16_bits_as_8(tmp_path: Path, suffix: str) -> None:
    samples = moving(4, 16, 32, 1, "uint16")
    save_video(tmp_path / f"clip{suffix}", samples, meta_of(samples))
    got = load_video(tmp_path / f"clip{suffix}").samples
    assert got.shape == (4, 16, 32, 3)
    assert psnr(got, np.repeat(samples.astype(np.float64) / 257, 3, axis=3)) > 33


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_colours_come_back(tmp_path: Path, suffix: str) -> None:
    colours = np.array([(200, 30, 60), (20, 180, 40), (30, 40, 210), (255, 255, 255), (0, 0, 0)], np.uint8)
    samples = np.broadcast_to(colours[:, None, None, :], (5, 32, 32, 3)).copy()
    save_video(tmp_path / f"clip{suffix}", samples, meta_of(samples))
    got = load_video(tmp_path / f"clip{suffix}").samples.mean(axis=(1, 2))
    # The other matrix would be off by 10 and more.
    assert np.abs(got - colours).max() < 5


def test_webm_keeps_transparency(tmp_path: Path) -> None:
    samples = moving(4, 32, 48, 4)
    save_video(tmp_path / "clip.webm", samples, meta_of(samples))
    got = load_video(tmp_path / "clip.webm").samples
    assert got.shape == samples.shape
    assert psnr(got[..., 3], samples[..., 3]) > 35
    assert psnr(got[..., :3], samples[..., :3]) > 32


def test_writer_takes_frames_in_pieces(tmp_path: Path) -> None:
    samples = moving(7, 16, 24)
    with VideoWriter(tmp_path / "clip.mkv", VideoAttributes(RATE), 24, 16, 3, "uint8") as writer:
        for first, stop in pairwise([0, 1, 1, 5, 7]):
            writer.write(samples[first:stop])
        assert not (tmp_path / "clip.mkv").exists()
    np.testing.assert_array_equal(load_video(tmp_path / "clip.mkv").samples, samples)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mkv"]


def test_formats_are_listed() -> None:
    assert list(video_formats()) == [".mp4", ".mkv", ".webm", ".gif", ""]
