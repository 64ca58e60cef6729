"""Pictures and arrays through the codec in bands and slabs: one file, of any size, without seams in the wrong place."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import inr
from inr.cli.main import main
from inr.codec.decode import open_encoded
from inr.codec.encode import compress_parts, fit_part, join_parts, shared_of
from inr.codec.field import DecodedField
from inr.codec.load_save import load_parts
from inr.codec.tiles import TiledField, Tiling
from inr.coders.request import CompressSpec
from inr.container.file import parse, section_sizes
from inr.domain import Domain
from inr.errors import SignalError, SpecError, TargetError
from inr.meta import SignalMeta
from inr.metrics.ssim import ssim
from inr.signals.array.attributes import ArrayAttributes
from inr.signals.image.attributes import image_attributes
from inr.signals.kind import KINDS
from inr.signals.target import Target
from tests.support.image_files import PROFILE
from tests.support.small_fits import Array, one_colour_psnr, psnr_of
from tests.support.weights import weights_in

SMOOTH = {"width": 16, "depth": 1, "omega_0": 6.0, "omega": 12.0}
FAST: dict[str, Any] = {
    "model": "siren",
    "settings": SMOOTH,
    "steps": 120,
    "batch": 256,
    "bits": 8,
    "learning_rate": 5e-3,
}
HEIGHT, WIDTH = 22, 16


def colours(dtype: str = "uint8") -> Array:
    """22 rows of waves; as floats with a range of values of their own in each band."""
    y, x = np.arange(HEIGHT)[:, None], np.arange(WIDTH)
    waves = [np.sin(0.8 * y + 0.2 * x), np.cos(0.6 * y) + 0 * x, np.sin(0.4 * x - 0.5 * y)]
    samples: Array = np.rint(127.5 + 110 * np.stack(waves, axis=-1)).astype(np.uint8)
    if dtype == "uint8":
        return samples
    return (samples / 255 + np.linspace(-3, 3, HEIGHT)[:, None, None]).astype(dtype)


def wave(*shape: int) -> Array:
    """A smooth array of float32 in [-3, 3]."""
    grid = np.meshgrid(*[np.linspace(0, 3, n) for n in shape], indexing="ij")
    values: Array = (3 * np.sin(sum((i + 1) * x for i, x in enumerate(grid)))).astype(np.float32)
    return values


@pytest.fixture(scope="module")
def opened() -> DecodedField:
    """A picture of three bands."""
    return inr.open(inr.compress(colours(), segment=8, **FAST).data)


@pytest.mark.parametrize(
    ("samples", "axes", "peak"),
    [
        (colours(), None, 255),
        (colours("float32"), None, None),
        (colours("float64")[..., :1], None, None),
        ((colours().astype(np.uint16) * 100)[..., 0], None, 65535),
        (wave(90), None, None),
        (np.stack([wave(90), -wave(90)], axis=-1), 1, None),
        (wave(22, 7, 6), None, None),
        ((40 * wave(22, 7, 6)).astype(np.int8), None, None),
        (wave(22, 4, 4, 3), 4, None),
    ],
)
def test_there_and_back(samples: Array, axes: int | None, peak: float | None, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", samples)
    segment = -(-len(samples) // 3)
    options: dict[str, Any] = {"axes": axes, "segment": segment, "layers": 2, **FAST}
    result = inr.compress(tmp_path / "a.npy", tmp_path / "a.inr", **options)
    report, field, file = result.report, inr.open(tmp_path / "a.inr"), parse(result.data)
    whole = load_parts(tmp_path / "a.npy", axes=axes).signals[0]
    assert (report.segments, report.shape, report.kind) == (3, whole.domain.shape, whole.meta.kind)
    assert file.header.tiles == (3, *[1] * (whole.domain.ndim - 1))
    assert (field.meta, field.domain) == (whole.meta, whole.domain)
    decoded = field.decode()
    span = whole.meta.value_range[1] - whole.meta.value_range[0]
    edges = [k * len(samples) // 3 for k in range(4)]
    for tile, (first, last) in enumerate(itertools.pairwise(edges)):
        alone = open_encoded(weights_in(file, tile)).decode()
        np.testing.assert_allclose(alone, decoded[first:last], rtol=0, atol=1e-6 * span)
    assert report.psnr == pytest.approx(psnr_of(whole.samples, decoded, peak or span), abs=1e-5)
    coarse = inr.open(result.data, layers=1).decode()
    assert report.layer_psnr[0] == pytest.approx(psnr_of(whole.samples, coarse, peak or span), abs=1e-5)
    assert inr.compare(tmp_path / "a.npy", tmp_path / "a.inr").psnr == pytest.approx(report.psnr, abs=1e-5)
    inr.decompress(tmp_path / "a.inr", tmp_path / "b.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy").reshape(decoded.shape), decoded)
    assert report.psnr > one_colour_psnr(whole.samples, peak or span) + 6


def test_regions_and_layers_across_borders(opened: DecodedField) -> None:
    """Rows 7 and 14 begin a band."""
    whole = opened.decode()
    for y, height in ((0, 22), (6, 2), (5, 12), (7, 7), (13, 1), (14, 8)):
        np.testing.assert_array_equal(opened.decode(region=(3, y, 9, height)), whole[y : y + height, 3:12])
    tripled = opened.decode(scale=3.0)
    assert tripled.shape == (3 * HEIGHT, 3 * WIDTH, 3)
    assert np.abs(tripled[1::3, 1::3].astype(int) - whole).max() <= 1  # the middle of nine lies on the sample: no shift
    np.testing.assert_array_equal(opened.decode(scale=3.0, region=(0, 5, 16, 4)), tripled[15:27])
    blocks = list(opened.blocks(Target(scale=3.0)))
    np.testing.assert_array_equal(np.concatenate(blocks), tripled)


def test_enlarged_bands_are_where_they_were(opened: DecodedField) -> None:
    """Scale 2 has twice the rows, and its means over 2 x 2 samples show the picture as well as it does itself."""
    doubled = opened.decode(scale=2.0)
    assert doubled.shape == (2 * HEIGHT, 2 * WIDTH, 3)
    means = doubled.astype(np.float64).reshape(HEIGHT, 2, WIDTH, 2, 3).mean(axis=(1, 3))
    plain = psnr_of(colours(), opened.decode())
    assert psnr_of(colours(), means) > plain - 1
    for shift in (-1, 1):
        assert psnr_of(colours()[1:-1], np.roll(means, shift, axis=0)[1:-1]) < plain - 1
    for row in (7, 14):  # on both sides of a border, too
        assert psnr_of(colours()[row - 1 : row + 1], means[row - 1 : row + 1]) > plain - 4


def test_reduced_picture_is_the_mean_across_borders(opened: DecodedField) -> None:
    whole = opened.decode().astype(np.float64)
    half = whole.reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean(axis=(1, 3))  # row 3 is a mean of two bands
    assert np.abs(opened.decode(scale=0.5) - half).max() <= 1
    assert opened.decode(size=(5, 4)).shape == (4, 5, 3)
    assert np.abs(opened.decode(size=(1, 1)) - whole.mean(axis=(0, 1))).max() <= 1


def test_a_very_long_axis_has_places_for_all_its_samples() -> None:
    """Coordinates of 32 bits cannot tell 2^24 samples apart; each still comes from its own place in its tile."""
    length, tiles = 2**24, 64

    class Place:
        def __init__(self, tile: int) -> None:
            self.tile = tile

        def __call__(self, coordinates: Array) -> Array:
            raise NotImplementedError

        def grid(self, axes: Any) -> Array:
            index = (axes[0].astype(np.float64) + 1) / 2 * (length // tiles) - 0.5
            values: Array = (2 * (index / (length // tiles)) - 1).astype(np.float32)[:, None]
            return values

    tiling = Tiling(Domain.of_shape((length,), ("axis0",)), (tiles,))
    meta = SignalMeta("float32", (0.0, float(length // tiles)), ArrayAttributes())
    field = DecodedField(TiledField(tiling, Place, 1), tiling.domain, meta, 1)
    for first in (0, length // tiles - 3, length - length // tiles - 3, length - 6):
        places = field.decode(region=(first, 6))[:, 0]
        np.testing.assert_allclose(places, np.arange(first, first + 6) % (length // tiles), atol=0.05)


def test_bands_lower_than_the_window_of_ssim() -> None:
    """Two rows are the least; the report has the mean over the bands."""
    result = inr.compress(colours(), segment=2, **FAST)
    decoded = inr.open(result.data).decode()
    assert result.report.segments == 11
    assert result.report.psnr == pytest.approx(psnr_of(colours(), decoded), abs=1e-5)
    bands = [ssim(colours()[y : y + 2], decoded[y : y + 2], 255) for y in range(0, HEIGHT, 2)]
    assert result.report.ssim == pytest.approx(np.mean(bands))
    odd = inr.compress(colours()[:5].copy(), segment=2, **FAST)
    assert (odd.report.segments, odd.report.shape) == (2, (5, WIDTH))


@pytest.mark.parametrize("model", ["hashgrid", "densegrid", "finr", "bacon"])
def test_models_that_look_at_the_grid(model: str) -> None:
    """The first band chooses the settings; a later one may have a row more."""
    result = inr.compress(colours(), segment=8, model=model, size=2500, steps=30, batch=256)
    assert result.report.segments == 3
    assert 0.8 * 2500 < len(result.data) <= 2500
    decoded = inr.open(result.data).decode()
    assert result.report.psnr == pytest.approx(psnr_of(colours(), decoded), abs=1e-5)


def test_targets_and_transform() -> None:
    """A PSNR of every band is one of the whole; a power transform covers the range of all bands."""
    request = {name: value for name, value in FAST.items() if name != "bits"}
    result = inr.compress(colours(), segment=11, psnr=20, **request)
    assert psnr_of(colours(), inr.open(result.data).decode()) >= 20
    samples = colours("float32")
    result = inr.compress(samples, segment=11, transform="power", **FAST)
    span = float(samples.max() - samples.min())
    assert result.report.psnr == pytest.approx(psnr_of(samples, inr.open(result.data).decode(), span), abs=1e-3)
    with pytest.raises(TargetError, match="segment 1 of 2: size: this model takes at least"):
        inr.compress(colours(), segment=11, model="siren", size=100, steps=1)


def test_parts_as_tasks_of_their_own(tmp_path: Path) -> None:
    """What a cluster does: each part from the file alone, in any order, joined into the file of a single process."""
    np.save(tmp_path / "a.npy", colours("float32"))
    request = CompressSpec(**FAST)
    here = compress_parts(load_parts(tmp_path / "a.npy", segment=8), request)
    lengths = load_parts(tmp_path / "a.npy", segment=8).lengths
    first = fit_part(load_parts(tmp_path / "a.npy", segment=8).signals[0], request, lengths, 0, None)
    others = {
        number: fit_part(
            load_parts(tmp_path / "a.npy", segment=8).signals[number], request, lengths, number, shared_of(first)
        )
        for number in (2, 1)
    }
    there = join_parts(lengths, [first, others[1], others[2]], 0.0)
    assert there.data == here.data
    assert there.report.psnr == here.report.psnr
    alien = replace(first.signal, meta=replace(first.signal.meta, value_range=(0.0, 1.0)))
    with pytest.raises(SpecError, match="segments: they differ in sample type, range or model"):
        join_parts(lengths, [first, replace(others[1], signal=alien), others[2]], 0.0)


def test_only_one_part_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc
    import weakref

    from inr.signals.uncompressed import StoredSignal

    np.save(tmp_path / "a.npy", colours())
    alive: list[int] = []
    seen: list[Any] = []
    read = StoredSignal.part

    def part(self: StoredSignal, first: int, last: int) -> Any:
        gc.collect()
        alive.append(sum(ref() is not None for ref in seen))
        signal = read(self, first, last)
        seen.append(weakref.ref(signal))
        return signal

    monkeypatch.setattr(StoredSignal, "part", part)
    inr.compress(tmp_path / "a.npy", tmp_path / "a.inr", segment=6, **FAST)
    assert alive == [0, 0, 0, 0]
    alive.clear()
    seen.clear()
    monkeypatch.setattr("inr.signals.parts.WHOLE_SAMPLES", 6 * WIDTH)
    inr.compare(tmp_path / "a.npy", tmp_path / "a.inr")
    assert alive == [0, 0, 0, 0]


def test_huge_originals_are_compared_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same PSNR; SSIM is the mean over the parts, as in the report."""
    for name, samples in (("a", colours()), ("b", wave(22, 7, 6))):
        path, file = tmp_path / f"{name}.npy", tmp_path / f"{name}.inr"
        np.save(path, samples)
        report = inr.compress(path, file, segment=8, **FAST).report
        whole = inr.compare(path, file)
        with monkeypatch.context() as patch:
            patch.setattr("inr.signals.parts.WHOLE_SAMPLES", 8 * samples[0].size // (3 if name == "a" else 1))
            for cls in KINDS:
                patch.setattr(cls, "load", None)
            found = inr.compare(path, file)
            assert found.psnr == pytest.approx(whole.psnr, abs=1e-6)
            assert found.psnr == pytest.approx(report.psnr, abs=1e-6)
            assert (found.bytes, found.bpp) == (whole.bytes, whole.bpp)
            assert found.ssim == (None if name == "b" else pytest.approx(report.ssim))
            np.save(tmp_path / "c.npy", samples[1:])
            with pytest.raises(SignalError, match=r"cannot compare 21x.* with 22x"):
                inr.compare(tmp_path / "c.npy", file)
            np.save(tmp_path / "c.npy", samples.astype(np.float16))
            with pytest.raises(SignalError, match=r"cannot compare .* float16 with .*"):
                inr.compare(tmp_path / "c.npy", file)


def test_profile_stays(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", colours(), photometric="rgb", iccprofile=PROFILE, metadata=None)
    inr.compress(tmp_path / "a.tif", tmp_path / "a.inr", segment=11, **FAST)
    inr.decompress(tmp_path / "a.inr", tmp_path / "b.png")
    assert image_attributes(inr.load(tmp_path / "b.png").meta).icc_profile == PROFILE


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inr.save(inr.load(colours()), tmp_path / "a.png")
    np.save(tmp_path / "a.npy", wave(30, 5, 4))
    common = ["--model", "siren", "--set", "width=12", "--set", "depth=1", "--steps", "20", "--bits", "8", "--quiet"]
    cases = (("a.png", "p.inr", [HEIGHT, WIDTH], ()), ("a.npy", "n.inr", [30, 5, 4], ("--axes", "3")))
    for source, out, shape, options in cases:
        line = ["compress", str(tmp_path / source), str(tmp_path / out), *common, "--layers", "2", "--json"]
        assert main([*line, *options, "--segment", "8"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert (answer["segments"], answer["shape"]) == (4 if source == "a.npy" else 3, shape)
        assert main(["info", str(tmp_path / out), "--json"]) == 0
        info = json.loads(capsys.readouterr().out)
        file = parse((tmp_path / out).read_bytes())
        assert [layer["bytes"] for layer in info["layers"]] == [
            section_sizes(file)[(i + 1) * answer["segments"] - 1] for i in range(2)
        ]
        assert [layer["psnr"] for layer in info["layers"]] == [
            pytest.approx(p, abs=0.006) for p in answer["layer_psnr"]
        ]
        assert main(["compare", str(tmp_path / source), str(tmp_path / out), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["psnr"] == pytest.approx(answer["psnr"], abs=1e-5)
    decode = ["decompress", str(tmp_path / "p.inr"), str(tmp_path / "b.png"), "--scale", "2"]
    assert main([*decode, "--region", "0,5,16,6", "--max-bytes", str(info["bytes"] - 1), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [12, 32]
    assert main(["decompress", str(tmp_path / "n.inr"), str(tmp_path / "b.npy"), "--region", "6,0,0,4,5,4"]) == 0
    assert np.load(tmp_path / "b.npy").shape == (4, 5, 4)
    capsys.readouterr()
    np.save(tmp_path / "a.npy", wave(30, 5, 6))
    for source, message in (("a.png", "rows of a band"), ("a.npy", "samples of a slab along the first axis")):
        assert main(["compress", str(tmp_path / source), str(tmp_path / "x.inr"), *common, "--segment", "1"]) == 2
        assert capsys.readouterr().err == f"inr: error: segment: {message}: at least 2 needed; got 1\n"
