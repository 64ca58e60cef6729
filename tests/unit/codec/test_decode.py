"""Decoding at any size: nothing shifts, regions agree with the whole, memory is bounded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import inr
from inr.backends.render import render
from inr.codec.decode import open_prefix
from inr.codec.field import DecodedField
from inr.container.file import parse, section_sizes
from inr.domain import Domain
from inr.errors import ChecksumError, FormatError, LimitExceededError, SpecError, TruncatedError
from inr.signals.image.kind import Image
from inr.signals.target import MAX_OUTPUT_SAMPLES, Target
from tests.support.commands import environment
from tests.support.random_fields import RGB8
from tests.support.small_fits import Array, compressed, photo, psnr_of

both_kinds = pytest.mark.parametrize("kind", ["siren", "hashgrid"])

PEAK = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "inr", *sys.argv[1:]]).returncode
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def opened(kind: str) -> DecodedField:
    return inr.open(compressed(kind).data)


def box_mean(samples: Array, factor: int) -> Array:
    height, width, channels = samples.shape
    blocks = samples.reshape(height // factor, factor, width // factor, factor, channels)
    mean: Array = blocks.astype(np.float64).mean(axis=(1, 3))
    return mean


@both_kinds
@pytest.mark.parametrize(
    ("scale", "side"), [(0.5, 32), (2.0, 128), (3.0, 192), (1.0, 64), (0.01, 1), (1.5, 96), (0.9, 58)]
)
def test_scale_gives_the_size(kind: str, scale: float, side: int) -> None:
    decoded = opened(kind).decode(scale=scale)
    assert decoded.shape == (side, side, 3)
    assert decoded.dtype == np.uint8


@both_kinds
def test_size_is_width_and_height(kind: str) -> None:
    field = opened(kind)
    assert field.decode(size=(40, 21)).shape == (21, 40, 3)
    assert np.array_equal(field.decode(size=(128, 128)), field.decode(scale=2.0))
    assert np.array_equal(field.decode(size=(64, 64)), field.decode())
    assert np.array_equal(field.signal().samples, field.decode())


@both_kinds
def test_enlarged_picture_is_the_same_picture(kind: str) -> None:
    """Averaged over 2 x 2 samples it is as close to the original as the 1x decode: no shift."""
    field = opened(kind)
    plain = psnr_of(photo(64), field.decode())
    assert psnr_of(photo(64), box_mean(field.decode(scale=2.0), 2)) > plain - 0.5
    assert psnr_of(photo(64), box_mean(field.decode(scale=4.0), 4)) > plain - 0.5


@both_kinds
def test_odd_factors_keep_the_original_samples(kind: str) -> None:
    """The middle of 3 x 3 finer samples lies where the original sample does."""
    field = opened(kind)
    middle = field.decode(scale=3.0)[1::3, 1::3].astype(int)
    assert np.abs(middle - field.decode()).max() <= 1


@both_kinds
@pytest.mark.parametrize("factor", [2, 4])
def test_reduced_picture_is_the_box_mean(kind: str, factor: int) -> None:
    field = opened(kind)
    reduced = field.decode(scale=1 / factor)
    assert np.abs(reduced - box_mean(field.decode(), factor)).max() <= 1.0  # each of the two is rounded


@both_kinds
@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("region", [(0, 0, 64, 64), (7, 13, 20, 31), (63, 0, 1, 64), (0, 63, 1, 1)])
def test_region_is_a_crop(kind: str, scale: int, region: tuple[int, int, int, int]) -> None:
    x, y, width, height = (scale * n for n in region)
    field = opened(kind)
    whole = field.decode(scale=float(scale))
    part = field.decode(scale=float(scale), region=region)
    assert part.shape == (height, width, 3)
    assert np.array_equal(part, whole[y : y + height, x : x + width])


def test_region_takes_a_size() -> None:
    field = opened("siren")
    assert field.decode(size=(50, 10), region=(10, 20, 5, 5)).shape == (10, 50, 3)
    half = field.decode(scale=0.5, region=(16, 16, 32, 32))
    assert np.array_equal(half, field.decode(scale=0.5)[8:24, 8:24])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"scale": 0.0}, SpecError, "scale: must be more than 0; got 0"),
        ({"scale": -1.0}, SpecError, "more than 0"),
        ({"scale": float("nan")}, SpecError, "got nan"),
        ({"scale": float("inf")}, SpecError, "got inf"),
        ({"scale": 2.0, "size": (3, 3)}, SpecError, "a scale or a size, not both"),
        ({"size": (0, 5)}, SpecError, "at least 1 each; got 0x5"),
        ({"size": (5, -1)}, SpecError, "at least 1"),
        ({"region": (60, 0, 5, 5)}, SpecError, r"region: axis x has samples 0\.\.63; got 5 from 60"),
        ({"region": (0, -1, 5, 5)}, SpecError, "axis y"),
        ({"region": (0, 0, 0, 5)}, SpecError, "axis x"),
        ({"scale": 1e9}, LimitExceededError, "too large"),
        ({"scale": 1e300}, LimitExceededError, "too large"),
        ({"size": (2**16, 2**14)}, LimitExceededError, str(MAX_OUTPUT_SAMPLES)),
    ],
)
def test_impossible_sizes_are_refused_at_once(
    arguments: dict[str, object], error: type[FormatError], message: str
) -> None:
    with pytest.raises(error, match=message):
        opened("siren").decode(**arguments)  # type: ignore[arg-type]


@both_kinds
def test_max_bytes_picks_the_layers(kind: str, tmp_path: Path) -> None:
    data = compressed(kind, layers=3).data
    sizes = section_sizes(parse(data))
    cases = {sizes[0]: 1, sizes[1] - 1: 1, sizes[1]: 2, sizes[2] - 1: 2, sizes[2]: 3, 10**9: 3}
    for max_bytes, layers in cases.items():
        done = inr.decompress(data, tmp_path / "x.npy", max_bytes=max_bytes, overwrite=True)
        assert (done.layers, done.damage) == (layers, None)
        assert np.array_equal(np.load(tmp_path / "x.npy"), inr.open(data, layers=layers).decode())
    with pytest.raises(TruncatedError):
        inr.decompress(data, tmp_path / "y.npy", max_bytes=sizes[0] - 1)
    assert not (tmp_path / "y.npy").exists()


def test_damaged_tail_costs_detail_only_if_allowed(tmp_path: Path) -> None:
    data = compressed("siren", layers=3).data
    sizes = section_sizes(parse(data))
    changed = bytearray(data)
    changed[sizes[1] + 20] ^= 1
    for bad, error in ((bytes(changed), ChecksumError), (data[:-1], TruncatedError)):
        with pytest.raises(error, match="--partial decodes the 2 intact layers"):
            inr.decompress(bad, tmp_path / "x.npy")
        assert not (tmp_path / "x.npy").exists()
        done = inr.decompress(bad, tmp_path / "x.npy", partial=True)
        assert done.layers == 2
        assert isinstance(done.damage, error)
        assert np.array_equal(np.load(tmp_path / "x.npy"), inr.open(data, layers=2).decode())
        (tmp_path / "x.npy").unlink()
    file, damage = open_prefix(data)
    assert (file.layers_present, damage) == (3, None)


def test_format_that_cannot_hold_the_picture_is_refused_before_decoding(tmp_path: Path) -> None:
    data = inr.compress(photo(16)[..., :2].copy(), model="siren", steps=1).data
    with pytest.raises(SpecError, match="jpeg cannot hold gray with alpha; formats that can are png"):
        inr.decompress(data, tmp_path / "x.jpg", size=(30_000, 10_000))
    assert list(tmp_path.iterdir()) == []


def test_memory_is_bounded_by_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, frames and single samples that are means of very many points are evaluated piece by piece."""
    field = opened("siren")
    wanted = {size: field.decode(size=size).astype(int) for size in ((200, 2), (5, 7), (1, 1))}
    monkeypatch.setattr("inr.backends.render.PIECE", 50)
    monkeypatch.setattr("inr.backends.render.BLOCK", 100)
    for size, samples in wanted.items():
        assert np.abs(field.decode(size=size).astype(int) - samples).max() <= 1  # sums in another order


def test_mean_over_too_many_points_is_refused() -> None:
    domain = Domain.of_shape((2**17, 2**18))
    target = Target(size=(8, 8))
    with pytest.raises(LimitExceededError, match=r"mean over 68719476736 points; at most 17179869184 are evaluated"):
        Image().sampling(target, domain, RGB8, 3)


def test_band_limited_outputs_replace_the_box_filter() -> None:
    """Of the outputs with up to 2, 4 and 8 cycles a unit, a grid of n samples over 2 units holds n/4 cycles a unit."""
    model = {"max_band": 16, "width": 8}
    field = inr.open(inr.compress(photo(64).copy(), model="bacon", settings=model, steps=30, bits=8).data)
    assert [band for band, _ in field.limited] == [2.0, 4.0, 8.0]
    functions = [function for _, function in field.limited]
    assert functions[-1] is field.function
    for side, output, fineness in ((64, 2, 1), (32, 2, 1), (20, 1, 1), (16, 1, 1), (12, 0, 1), (8, 0, 1), (4, 2, 16)):
        grid = field.domain.resized((side, side))
        expected = render(functions[output], grid, field.meta, 3, (fineness, fineness))
        np.testing.assert_array_equal(field.decode(size=(side, side)), expected)
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(field.decode(size=(16, 16)), render(field.function, grid, field.meta, 3))


def test_8192_squared_takes_bounded_memory(tmp_path: Path) -> None:
    inr.compress(
        photo(64).copy(), tmp_path / "x.inr", model="siren", settings={"width": 8, "depth": 1}, steps=1, bits=8
    )
    run = subprocess.run(
        [sys.executable, "-c", PEAK, "decompress", "x.inr", "x.ppm", "--size", "8192x8192"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(run.stdout.split()[-1].removeprefix("8192x8192")) * unit < 1.5e9
    assert (tmp_path / "x.ppm").stat().st_size == 3 * 8192**2 + len(b"P6\n8192 8192\n255\n")
    corner = np.memmap(tmp_path / "x.ppm", np.uint8, "r", len(b"P6\n8192 8192\n255\n"), (8192, 8192, 3))[:128, :128]
    wanted = inr.open(tmp_path / "x.inr").decode(scale=128.0, region=(0, 0, 1, 1))
    assert np.array_equal(corner, wanted)
