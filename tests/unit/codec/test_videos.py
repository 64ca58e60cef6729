"""Videos through the codec: any time, any size, in segments."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import inr
from inr.cli.main import main
from inr.codec.decode import open_field
from inr.codec.tiles import TiledField, Tiling
from inr.container.file import parse, to_bytes
from inr.domain import Domain
from inr.errors import CorruptHeaderError, SignalError, SpecError
from inr.meta import SignalMeta
from inr.signals.signal import Signal
from inr.signals.target import Target
from inr.signals.video.attributes import VideoAttributes, video_attributes
from inr.signals.video.kind import Video
from inr.signals.video.read import load_video, save_video
from tests.support.small_fits import Array, one_colour_psnr, psnr_of
from tests.support.weights import weights_in

FRAMES, HEIGHT, WIDTH = 7, 12, 16
MODEL = {"model": "siren", "steps": 150, "batch": 512, "learning_rate": 3e-3}


def clip(frames: int = FRAMES) -> Array:
    """A bright bar that moves to the right over a gradient."""
    x, y = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    pictures = [
        np.stack([100 + 150 * np.exp(-(((x - 2 * t) / 3) ** 2)) + 0 * y, 10 * y + 0 * x, 8 * x + 0 * y], axis=-1)
        for t in range(frames)
    ]
    samples: Array = np.clip(np.stack(pictures), 0, 255).astype(np.uint8)
    return samples


def signal(frames: int = FRAMES) -> Signal:
    samples = clip(frames)
    meta = SignalMeta("uint8", (0.0, 255.0), VideoAttributes(Fraction(25, 2)))
    return Signal(samples, Domain.of_shape(samples.shape[:3], ("t", "y", "x")), meta)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mkv"
    save_video(path, clip(), signal().meta)
    return path


def test_time_spans_the_whole_interval() -> None:
    """However short a clip is: a frame of 16 x 12 and 7 frames have no common measure."""
    domain = signal().domain
    assert domain.box == ((-1, 1), (-12 / 16, 12 / 16), (-1, 1))


def test_there_and_back(source: Path, tmp_path: Path) -> None:
    result = inr.compress(source, tmp_path / "a.inr", size=3000, **MODEL)  # type: ignore[arg-type]
    report = result.report
    assert (report.kind, report.shape, report.segments) == ("video", (FRAMES, HEIGHT, WIDTH), 1)
    assert report.bytes <= 3000
    field = inr.open(result.data)
    assert video_attributes(field.meta).frame_rate == Fraction(25, 2)
    decoded = field.decode()
    assert report.psnr == pytest.approx(psnr_of(clip(), decoded), abs=1e-6)
    assert report.psnr > one_colour_psnr(clip()) + 4
    assert 0 < report.ssim < 1  # type: ignore[operator]
    inr.decompress(tmp_path / "a.inr", tmp_path / "b.mkv")
    back = load_video(tmp_path / "b.mkv")
    np.testing.assert_array_equal(back.samples, decoded)
    assert video_attributes(back.meta).frame_rate == Fraction(25, 2)
    inr.decompress(tmp_path / "a.inr", tmp_path / "frames")
    assert sorted(path.name for path in (tmp_path / "frames").iterdir())[0].endswith(".png")
    np.testing.assert_array_equal(inr.load(tmp_path / "frames").samples, decoded)
    assert inr.compare(source, tmp_path / "a.inr").psnr == pytest.approx(report.psnr, abs=1e-6)


def test_a_part_is_compared_with_that_part(source: Path, tmp_path: Path) -> None:
    """Frames that the file was not made from do not count; a wrong number of frames is refused."""
    part = (0.16, 0.4)  # frames 2 to 4
    report = inr.compress(source, tmp_path / "a.inr", size=3000, time=part, **MODEL).report  # type: ignore[arg-type]
    found = inr.compare(source, tmp_path / "a.inr", time=part)
    assert found.psnr == pytest.approx(report.psnr, abs=1e-6)
    assert found.ssim == pytest.approx(report.ssim, abs=1e-6)
    assert found.bpp == pytest.approx(8 * report.bytes / (3 * HEIGHT * WIDTH))
    with pytest.raises(SignalError, match=r"cannot compare 7 frames of .* with fewer; choose a part with --time"):
        inr.compare(source, tmp_path / "a.inr")
    with pytest.raises(SignalError, match=r"cannot compare 2 frames of .* with more"):
        inr.compare(source, tmp_path / "a.inr", time=(0.16, 0.32))
    inr.decompress(tmp_path / "a.inr", tmp_path / "part.mkv")
    assert inr.compare(source, tmp_path / "part.mkv", time=part).psnr == pytest.approx(report.psnr, abs=1e-6)


def test_any_time_rate_and_size() -> None:
    smooth = {**MODEL, "settings": {"omega_0": 6.0, "omega": 10.0}}  # frequencies that suit seven frames
    field = inr.open(inr.compress(signal(), size=3000, **smooth).data)  # type: ignore[arg-type]
    whole = field.decode()
    seconds = 2 / 25
    np.testing.assert_array_equal(field.decode(time=(2 * seconds, 5 * seconds)), whole[2:5])
    np.testing.assert_array_equal(field.decode(time=(2 * seconds, float("inf"))), whole[2:])
    doubled = field.decode(frame_rate=25)
    assert doubled.shape == (2 * FRAMES, HEIGHT, WIDTH, 3)
    between = doubled.astype(int)[:-2:2] // 2 + doubled.astype(int)[1:-1:2] // 2
    assert np.abs(between - whole[:-1]).mean() < 6  # frames between frames look like their neighbours
    assert field.decode(time=(0, 3 * seconds), frame_rate=12.5 / 3).shape[0] == 1
    assert field.decode(scale=2.0).shape == (FRAMES, 2 * HEIGHT, 2 * WIDTH, 3)
    assert field.decode(size=(8, 6)).shape == (FRAMES, 6, 8, 3)
    np.testing.assert_array_equal(field.decode(region=(3, 2, 5, 4)), whole[:, 2:6, 3:8])
    blocks = list(field.blocks(Target(scale=2.0, time=(0, 4 * seconds))))
    np.testing.assert_array_equal(np.concatenate(blocks), field.decode(scale=2.0, time=(0, 4 * seconds)))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target(time=(0.3, 0.2)), r"time: needs 0 <= start < end <= 0\.56 seconds; got 0\.3 to 0\.2"),
        (Target(time=(-1, 0.2)), "got -1 to 0.2"),
        (Target(time=(0.57, 0.6)), r"0\.56 seconds"),
        (Target(time=(0, 5)), r"0\.56 seconds; got 0 to 5"),
        (Target(frame_rate=0), "frame rate: must be more than 0 and at most 1000000; got 0"),
        (Target(frame_rate=-2), "got -2"),
        (Target(frame_rate=float("nan")), "got nan"),
        (Target(frame_rate=float("inf")), "got inf"),
        (Target(frame_rate=1e300), r"got 1e\+300"),
        (Target(region=(0, 0, 99, 2)), r"axis x has samples 0\.\.15"),
        (Target(size=(2, 2, 2)), "size: needs width and height, at least 1 each; got 2x2x2"),
    ],
)
def test_targets_that_make_no_sense(target: Target, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Video().sampling(target, signal().domain, signal().meta, 3)


def test_segments_are_one_video(source: Path, tmp_path: Path) -> None:
    result = inr.compress(source, tmp_path / "a.inr", segment=3, size=5000, layers=2, **MODEL)  # type: ignore[arg-type]
    report = result.report
    assert (report.segments, report.shape, report.steps) == (3, (FRAMES, HEIGHT, WIDTH), 450)
    assert 0.8 * 5000 < len(result.data) <= 5000
    file = parse(result.data)
    assert file.header.tiles == (3, 1, 1)
    assert len(file.payloads) == 6
    assert to_bytes(file) == result.data
    field = inr.open(result.data)
    decoded = field.decode()
    for tile, (first, last) in enumerate(((0, 2), (2, 4), (4, 7))):
        part = weights_in(file, tile)
        assert part.domain == Domain.of_shape((last - first, HEIGHT, WIDTH), ("t", "y", "x"))
        from inr.codec.decode import open_encoded

        np.testing.assert_array_equal(open_encoded(part).decode(), decoded[first:last])
    assert report.psnr == pytest.approx(psnr_of(clip(), decoded), abs=1e-6)
    assert report.psnr > one_colour_psnr(clip()) + 4
    coarse = inr.open(result.data, layers=1).decode()
    assert report.layer_psnr[0] == pytest.approx(psnr_of(clip(), coarse), abs=1e-6)
    np.testing.assert_array_equal(field.decode(time=(0.16, 0.4)), decoded[2:5])  # across a border
    assert field.decode(frame_rate=25).shape[0] == 2 * FRAMES
    x = np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype(np.float32)
    assert field.function(x).shape == (50, 3)


def test_power_transform_is_one_for_all_segments(tmp_path: Path) -> None:
    """What the report says is what the file decodes to, also where the first segment is dark and a later one bright."""
    samples = clip(8)
    samples[:4] //= 6
    meta = signal(8).meta
    save_video(tmp_path / "a.mkv", samples, meta)
    source, target = tmp_path / "a.mkv", tmp_path / "a.inr"
    report = inr.compress(source, target, segment=4, size=6000, transform="power", **MODEL).report  # type: ignore[arg-type]
    assert report.psnr == pytest.approx(psnr_of(samples, inr.open(target).decode()), abs=1e-6)
    assert inr.compare(source, target).psnr == pytest.approx(report.psnr, abs=1e-6)
    assert report.psnr > one_colour_psnr(samples) + 4


def test_size_is_shared_among_segments(source: Path) -> None:
    """At least 85 % of it, although every segment is planned with a header that the file has only once."""
    for size in (3000, 6000):
        data = inr.compress(source, segment=1, size=size, model="siren", steps=2).data
        assert 0.85 * size <= len(data) <= size


def test_too_many_segments_are_refused_before_anything_is_fitted(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.container.limits.MAX_TILES", 2)
    with pytest.raises(SpecError, match="segment: 4 segments are too many; at most 2: make them longer"):
        inr.compress(source, segment=2, model="siren", steps=10**8)


def test_tiles_map_to_their_own_coordinates() -> None:
    """A field that returns its coordinates shows where each point of the whole lies in its tile."""

    class Echo:
        def __init__(self, tile: int) -> None:
            self.tile = tile

        def __call__(self, coordinates: Array) -> Array:
            return np.column_stack([np.full(len(coordinates), self.tile), coordinates]).astype(np.float32)

        def grid(self, axes: Sequence[Array]) -> Array:
            points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
            return self(points)

    domain = Domain.of_shape((10, 6))
    tiling = Tiling(domain, (3, 2))
    assert [tiling.edges(a) for a in (0, 1)] == [[0, 3, 6, 10], [0, 3, 6]]
    field = TiledField(tiling, Echo, 3)
    index = np.arange(60)
    points = domain.coordinates(index)
    values = field(points)
    on_grid = field.grid([domain.axis_coordinates(a).astype(np.float32) for a in (0, 1)])
    np.testing.assert_allclose(on_grid, values, atol=1e-6)
    for tile in range(6):
        (top, bottom), (left, right) = tiling.spans(tile)
        inside = values.reshape(10, 6, 3)[top:bottom, left:right].reshape(-1, 3)
        assert (inside[:, 0] == tile).all()
        own = Domain.of_shape((bottom - top, right - left))
        np.testing.assert_allclose(inside[:, 1:], own.coordinates(np.arange(own.size)), atol=1e-6)
    outside = field(np.array([[-1.5, -1.5], [1.5, 1.5]], dtype=np.float32))
    assert outside[:, 0].tolist() == [0, 5]


def test_tiles_along_another_axis_are_refused_by_name() -> None:
    from dataclasses import replace

    file = parse(inr.compress(signal(), size=2000, **MODEL).data)  # type: ignore[arg-type]
    other = replace(file, header=replace(file.header, tiles=(1, 2, 1)), sections=file.sections * 2)
    with pytest.raises(CorruptHeaderError, match="tiles: this version reads tiles along the first axis only"):
        open_field(to_bytes(other))


def test_command_line(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["compress", str(source), str(tmp_path / "a.inr"), "--model", "siren", "--steps", "20", "--quiet", "--json"]
    assert main([*line, "--time", "0.16:", "--segment", "3", "--size", "4000"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["shape"], answer["segments"], answer["width"]) == ([5, HEIGHT, WIDTH], 2, WIDTH)
    assert main(["info", str(tmp_path / "a.inr")]) == 0
    assert "video 16x12x5x3 uint8, srgb at 12.5 frames a second" in capsys.readouterr().out
    decode = ["decompress", str(tmp_path / "a.inr"), str(tmp_path / "b.mkv")]
    assert main([*decode, "--time", "0:0.16", "--fps", "50", "--scale", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [8, 24, 32]
    assert video_attributes(load_video(tmp_path / "b.mkv").meta).frame_rate == 50
    assert main([*decode, "--time", "0.1"]) == 2
    assert capsys.readouterr().err == "inr: error: --time takes START:END in seconds; got '0.1'\n"
    assert main(["decompress", str(tmp_path / "a.inr"), str(tmp_path / "b.png")]) == 2
    assert "b.png" in capsys.readouterr().err
    assert main(["decompress", str(tmp_path / "a.inr"), "-"]) == 2
    assert capsys.readouterr().err.startswith("inr: error: a video cannot go to standard output")


@pytest.mark.parametrize(
    ("model", "settings"), [("siren", {"width": 32, "depth": 2}), ("siren", {}), ("hashgrid", {"log2_hashmap_size": 8})]
)
def test_no_segment_is_too_small_for_the_model_of_the_first(model: str, settings: dict[str, int]) -> None:
    """Where nobody names a size: a few pixels have fewer bits than a model takes that somebody has named."""
    result = inr.compress(signal(), model=model, settings=settings, segment=2, steps=3)
    assert inr.open(result.data).decode().shape == signal().samples.shape
