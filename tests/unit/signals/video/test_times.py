"""When frames are shown and which shape their pixels have: read, kept in files, written again."""

import io
import json
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import inr
from inr.cli.main import main
from inr.codec.info import describe
from inr.container.file import parse
from inr.container.limits import MAX_TIMES_BYTES
from inr.container.times import bytes_of, frames_of, stored_times, times_of
from inr.domain import Domain
from inr.errors import CorruptHeaderError, LimitExceededError, SignalError, SpecError
from inr.meta import SignalMeta
from inr.signals.target import Target
from inr.signals.video.attributes import VideoAttributes, video_attributes
from inr.signals.video.kind import AXES, Video
from inr.signals.video.read import VideoWriter, load_video, probe_video, save_video, video_segments
from inr.signals.video.times import FrameTimes, rate_of
from tests.support.video_files import counting, encoded, numbers, temporary

DELAYS = [100, 500, 50, 40, 70]
FIT: dict[str, Any] = {"model": "siren", "steps": 5, "batch": 128, "size": 1500}
SQUARE = Fraction(1)


def shown(milliseconds: Sequence[int], aspect: Fraction = SQUARE) -> VideoAttributes:
    """Attributes of frames with these times."""
    return VideoAttributes.shown(np.cumsum([0, *milliseconds]), Fraction(1, 1000), aspect)


def lengths(attributes: VideoAttributes) -> list[float] | None:
    """Seconds that each frame is shown, None if all equally long."""
    times = attributes.times
    return None if times is None else [round(ticks * float(times.tick), 6) for ticks in np.diff(times.edges).tolist()]


def read(source: Path | bytes) -> list[float] | None:
    return lengths(video_attributes(inr.load(source).meta))


def picture_file(format_: str, milliseconds: Sequence[int], **options: Any) -> bytes:
    stream = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in counting(len(milliseconds), 24, 32)]
    every = list(milliseconds)
    pictures[0].save(stream, format_, save_all=True, append_images=pictures[1:], duration=every, **options)
    return stream.getvalue()


def saved(path: Path, attributes: VideoAttributes, frames: int = len(DELAYS)) -> Path:
    samples = counting(frames, 48, 64)
    save_video(path, samples, SignalMeta("uint8", (0.0, 255.0), attributes))
    return path


# --- reading ---


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "AVIF"])
def test_delays_of_animated_pictures(format_: str) -> None:
    data = picture_file(format_, DELAYS)
    info = probe_video(data)
    assert read(data) == [0.1, 0.5, 0.05, 0.04, 0.07]
    assert info.duration_s == pytest.approx(0.76)
    assert info.frame_rate == Fraction(5 * 100, 76)
    assert numbers(load_video(data, time=(0.1, 0.65)).samples) == [1, 2]
    assert read(picture_file(format_, [50] * 4)) is None


def test_png_counts_in_any_fraction_of_a_second() -> None:
    data = bytearray(picture_file("PNG", [100, 500, 50]))
    for place, (delay, parts) in zip(
        [i for i in range(len(data)) if data[i : i + 4] == b"fcTL"], [(1, 24), (0, 0), (2, 30)], strict=True
    ):
        data[place + 24 : place + 28] = delay.to_bytes(2, "big") + parts.to_bytes(2, "big")
        data[place + 30 : place + 34] = zlib.crc32(data[place : place + 30]).to_bytes(4, "big")
    found = video_attributes(inr.load(bytes(data)).meta).times
    assert found is not None
    # A time of 0 is a tenth of a second, as in browsers.
    assert [ticks * found.tick for ticks in np.diff(found.edges).tolist()] == [
        Fraction(1, 24),
        Fraction(1, 10),
        Fraction(1, 15),
    ]


@pytest.mark.parametrize(
    ("container", "codec", "pixels"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mp4", "mpeg4", "yuv420p"),
        ("mov", "mjpeg", "yuvj420p"),
        ("matroska", "libx264", "yuv420p"),
        ("matroska", "ffv1", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("flv", "flv", "yuv420p"),
        ("asf", "wmv2", "yuv420p"),
        ("mpegts", "libx264", "yuv420p"),
        ("nut", "ffv1", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),  # with empty chunks for the frames that are not there
    ],
)
def test_variable_rates(container: str, codec: str, pixels: str) -> None:
    data = encoded(counting(8, 48, 64), container, codec, pixels, times=[0, 40, 80, 200, 240, 280, 480, 520])
    found = read(data)
    assert found is not None
    assert found[:-1] == [0.04, 0.04, 0.12, 0.04, 0.04, 0.2, 0.04]
    assert 0.03 < found[-1] < 0.05
    assert numbers(load_video(data, time=(0.08, 0.28)).samples) == [2, 3, 4]
    assert read(encoded(counting(8, 48, 64), container, codec, pixels)) is None


@pytest.mark.parametrize("container", ["mp4", "matroska", "flv"])
def test_rounded_times_of_a_constant_rate_stay_one(container: str) -> None:
    codec = "flv" if container == "flv" else "libx264"
    times = [round(n * 1000 / 30) for n in range(20)]
    info = probe_video(encoded(counting(20, 48, 64), container, codec, "yuv420p", times=times, rate=Fraction(30)))
    assert info.times is None
    assert float(info.frame_rate) == pytest.approx(30, rel=1e-3)


def test_a_frame_that_is_missing_is_seen_whatever_the_tick() -> None:
    for tick in (Fraction(1, 25), Fraction(1, 1000), Fraction(1, 90000)):
        step = Fraction(1, 25) / tick
        whole = np.array([round(n * step) for n in range(11)])
        assert rate_of(whole, tick, Fraction(25)) == (Fraction(25), None)
        rate, times = rate_of(np.delete(whole, 4), tick, Fraction(25))
        assert times is not None
        assert (rate, times.runs) == (Fraction(9 * 25, 10), ((1, 3), (2, 1), (1, 5)))


def with_empty_packets(codec: str) -> bytes:
    """A clip of 4 frames; two empty packets follow the second and the last."""
    data = encoded(counting(4, 48, 64), "nut", codec, "yuv420p")
    with temporary() as path, av.open(io.BytesIO(data), "r") as source:
        with av.open(str(path), "w", format="nut") as output:
            video = output.add_stream_from_template(source.streams.video[0])
            found = [packet for packet in source.demux(video=0) if packet.size]
            packets: list[Any] = [
                *found[:2],
                av.Packet(b""),
                av.Packet(b""),
                *found[2:],
                av.Packet(b""),
                av.Packet(b""),
            ]
            for n, packet in enumerate(packets):
                packet.stream, packet.pts, packet.dts, packet.time_base = video, n, n, Fraction(1, 25)
                output.mux(packet)
        return path.read_bytes()


@pytest.mark.parametrize("codec", ["libvpx", "ffv1", "mpeg4"])
def test_an_empty_packet_shows_the_frame_before_it_again(codec: str) -> None:
    data = with_empty_packets(codec)
    assert numbers(load_video(data).samples) == [0, 1, 1, 1, 2, 3, 3, 3]
    assert probe_video(data).times is None
    assert numbers(load_video(data, frames=(2, 4)).samples) == [1, 1, 2, 3]
    assert [numbers(segment.samples) for segment in video_segments(data, 4)] == [[0, 1, 1, 1], [2, 3, 3, 3]]
    assert numbers(video_segments(data, 4)[1].samples) == [2, 3, 3, 3]


# --- in a file ---


def test_runs_come_back_from_a_header() -> None:
    for runs in [((1, 1), (5, 1), (25, 3)), ((7, 1), (3, 10_000), (7, 1)), ((1, 1), (2**40, 1))]:
        stored = stored_times((1, 50), runs)
        assert times_of(stored) == ((1, 50), runs)
        assert FrameTimes(Fraction(1, 50), runs).stored == stored
    assert stored_times((1, 100), ((10, 1), (50, 1), (5, 2))) == (1, 100, 20, 80, 89, -1)


@pytest.mark.parametrize(
    ("stored", "error"),
    [
        ((1, 50), CorruptHeaderError),
        ((2, 50, 2, 2), CorruptHeaderError),
        ((0, 50, 2, 2), CorruptHeaderError),
        ((1, 2**31 + 1, 2, 2), CorruptHeaderError),
        ((1, 50, 2), CorruptHeaderError),  # all equal
        ((1, 50, 2, -5), CorruptHeaderError),
        ((1, 50, 2, 0), CorruptHeaderError),  # no change
        ((1, 50, -1, 2), CorruptHeaderError),
        ((1, 50, 2, -1, -1, 2), CorruptHeaderError),
        ((1, 50, 2, 3), CorruptHeaderError),  # 1, then -1
        ((1, 50, 4, 4), CorruptHeaderError),  # a tick twice as long would do
        ((1, 50, 2, 2**52, -(2**30)), LimitExceededError),
    ],
)
def test_times_that_make_no_sense_are_refused(stored: tuple[int, ...], error: type[Exception]) -> None:
    with pytest.raises(error, match="frame_times"):
        times_of(stored)


def test_a_header_of_few_bytes_stands_for_many_frames_in_no_time() -> None:
    runs = times_of((1, 1, 2, -(2**24), 2))[1]
    assert frames_of(runs) == 2**24 + 2
    assert len(runs) == 2


def test_times_of_very_long_videos_are_rounded_until_they_fit() -> None:
    random = np.random.default_rng(1)
    edges = np.concatenate([[0], np.cumsum(random.integers(2000, 4000, 300_000))])
    times = FrameTimes.of(edges, Fraction(1, 90_000))
    assert times is not None
    assert times.frames == 300_000
    assert bytes_of(times.stored) <= MAX_TIMES_BYTES
    assert times.tick > Fraction(1, 90_000)
    assert np.abs(times.edges * float(times.tick) - edges / 90_000).max() < 2 * float(times.tick)
    with pytest.raises(SpecError, match="too many different ones for a file"):
        FrameTimes(Fraction(1, 90_000), tuple((int(n), 1) for n in random.permutation(2**18) + 1))


@pytest.mark.parametrize(
    ("tick", "runs"),
    [(Fraction(0), ((1, 1), (2, 1))), (Fraction(1, 25), ((1, 5),)), (Fraction(1, 25), ((0, 1), (2, 1)))],
)
def test_frame_times_need_a_sense(tick: Fraction, runs: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(SpecError, match="frame times"):
        FrameTimes(tick, runs)


def test_a_video_needs_a_rate_above_zero() -> None:
    with pytest.raises(SpecError, match="frame rate: must be above 0; got -1"):
        VideoAttributes(Fraction(-1))


def test_constant_rates_and_square_pixels_take_no_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.mkv", VideoAttributes(Fraction(25)))
    data = inr.compress(path, **FIT).data
    header = parse(data).header
    assert (header.frame_times, header.pixel_aspect) == (None, (1, 1))
    told = describe(parse(data), len(data))
    assert (told.frame_seconds, told.pixel_aspect) == (None, (1, 1))


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".mkv", ".webm"])
def test_times_go_through_a_file(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = saved(tmp_path / f"a{suffix}", shown(DELAYS))
    assert read(source) == [0.1, 0.5, 0.05, 0.04, 0.07]
    inr.compress(source, tmp_path / "a.inr", **FIT)
    field = inr.open(tmp_path / "a.inr")
    assert lengths(video_attributes(field.meta)) == [0.1, 0.5, 0.05, 0.04, 0.07]
    for other in (".gif", ".mp4", ".mkv", ".webm"):
        inr.decompress(tmp_path / "a.inr", tmp_path / f"b{other}")
        assert read(tmp_path / f"b{other}") == [0.1, 0.5, 0.05, 0.04, 0.07]
    assert inr.compare(source, tmp_path / "a.inr").psnr > 0
    assert main(["info", str(tmp_path / "a.inr")]) == 0
    assert "at 6.57895 frames a second on average (0.04 to 0.5 s each)" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "a.inr"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["frame_seconds"] == [[0.1, 1], [0.5, 1], [0.05, 1], [0.04, 1], [0.07, 1]]
    inr.decompress(tmp_path / "a.inr", tmp_path / "frames")  # which keep no times
    assert read(tmp_path / "frames") is None


def test_segments_share_the_times_of_the_whole(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.gif", shown(DELAYS))
    assert all(
        lengths(video_attributes(part.meta)) == [0.1, 0.5, 0.05, 0.04, 0.07] for part in video_segments(source, 2)
    )
    inr.compress(source, tmp_path / "a.inr", segment=2, **FIT)
    inr.decompress(tmp_path / "a.inr", tmp_path / "b.gif")
    assert read(tmp_path / "b.gif") == [0.1, 0.5, 0.05, 0.04, 0.07]


def test_part_of_a_time_keeps_the_frames_that_begin_in_it(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.gif", shown(DELAYS))
    field = inr.open(inr.compress(source, **FIT).data)
    whole = field.decode()
    np.testing.assert_array_equal(field.decode(time=(0.1, 0.65)), whole[1:3])
    np.testing.assert_array_equal(field.decode(time=(0.55, float("inf"))), whole[2:])
    with pytest.raises(SpecError, match=r"time: no frame begins from 0\.2 to 0\.5 s"):
        field.decode(time=(0.2, 0.5))
    with pytest.raises(SpecError, match=r"0 <= start < end <= 0\.76 seconds; got 0\.8 to 1"):
        field.decode(time=(0.8, 1.0))
    with pytest.raises(SpecError, match="needs the times of 2 frames; there are those of 5"):
        Video().sampling(Target(frame_rate=20), Domain.of_shape((2, 48, 64), AXES), field.meta, 3)
    inr.compress(source, tmp_path / "part.inr", time=(0.1, 0.65), **FIT)
    assert lengths(video_attributes(inr.open(tmp_path / "part.inr").meta)) == [0.5, 0.05]
    assert inr.compare(source, tmp_path / "part.inr", time=(0.1, 0.65)).psnr > 0
    inr.compress(source, tmp_path / "even.inr", time=(0.59, 0.65), **FIT)
    assert video_attributes(inr.open(tmp_path / "even.inr").meta) == VideoAttributes(Fraction(20))


def test_another_rate_asks_for_other_moments(tmp_path: Path) -> None:
    """Every moment lies in the frame that is shown then; a frame of half a second gives many, one of 40 ms few."""
    source = saved(tmp_path / "a.gif", shown([100, 500, 50, 50]), 4)
    field = inr.open(inr.compress(source, model="siren", steps=400, batch=512, size=6000, seed=3).data)
    grid = field.sampling(Target(frame_rate=20)).grid
    assert grid.shape[0] == 14
    places = (grid.axis_coordinates(0) + 1) / 2 * 4
    expected = [0.25, 0.75, *[1 + (2 * k + 1) / 20 for k in range(10)], 2.5, 3.5]
    np.testing.assert_allclose(places, expected, atol=1e-9)
    samples = field.decode(frame_rate=20)
    assert samples.shape == (14, 48, 64, 3)
    np.testing.assert_array_equal(samples[12:], field.decode()[2:])  # moments at the middle of a frame are that frame
    tail = field.decode(frame_rate=20, time=(0.6, 0.7))
    np.testing.assert_array_equal(tail, field.decode()[2:])
    blocks = np.concatenate(list(field.blocks(Target(frame_rate=20, scale=0.5))))
    np.testing.assert_array_equal(blocks, field.decode(frame_rate=20, scale=0.5))
    inr.decompress(_stored(tmp_path, source), tmp_path / "b.mkv", frame_rate=20)
    assert (probe_video(tmp_path / "b.mkv").frame_rate, read(tmp_path / "b.mkv")) == (Fraction(20), None)


def _stored(folder: Path, source: Path) -> Path:
    inr.compress(source, folder / "again.inr", **FIT)
    return folder / "again.inr"


# --- writing ---


def test_times_and_frames_have_to_agree(tmp_path: Path) -> None:
    attributes = shown(DELAYS)
    for frames, said in ((4, "has times for 5 frames; got 4"), (6, "has times for 5 frames; got more")):
        with pytest.raises(SpecError, match=said):
            saved(tmp_path / "a.gif", attributes, frames)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SpecError, match="frames may be shown for 600 s; one is for 700 s"):
        VideoWriter(tmp_path / "a.gif", shown([20, 700_000]), 8, 8, 3, "uint8")


def test_gif_rounds_to_hundredths_that_players_keep(tmp_path: Path) -> None:
    assert read(saved(tmp_path / "a.gif", shown([33, 34, 33, 1, 200]))) == [0.03, 0.04, 0.03, 0.02, 0.18]


@pytest.mark.parametrize("delays", [[33, 34, 33, 33, 200], [1001, 33, 5, 20, 40], [2000, 4000, 2000, 6000, 2000]])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_milliseconds_are_kept(tmp_path: Path, suffix: str, delays: list[int]) -> None:
    assert read(saved(tmp_path / f"a{suffix}", shown(delays))) == [n / 1000 for n in delays]


def test_damaged_animations_are_refused() -> None:
    data = picture_file("PNG", [50, 50, 60])
    with pytest.raises(SignalError, match="is cut"):
        load_video(data[:-5])
    place = data.index(b"fcTL") + 8
    with pytest.raises(SignalError, match="fails its checksum"):
        load_video(data[:place] + b"\xff" + data[place + 1 :])
