"""Compressing: what the report claims is true of the bytes, and targets are met."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.metrics import structural_similarity

import inr
from inr.codec.compress import store
from inr.codec.encode import Compressed
from inr.codec.info import describe
from inr.coders.presets import bpp_of_quality
from inr.coders.weights.quantize import dequantize
from inr.container.file import parse, section_sizes, to_bytes
from inr.errors import FileAccessError, FitCancelledError, LimitExceededError, SignalError, SpecError, TargetError
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.run import Hooks
from inr.models.base import ModelSpec
from inr.signals.image.attributes import ImageAttributes, image_attributes
from inr.signals.image.read import image_from_array
from tests.support.default_backend import AUTO
from tests.support.domains import plain
from tests.support.image_files import png_bytes
from tests.support.small_fits import Array, compressed, one_colour_psnr, photo, pixels_of, psnr_of
from tests.support.weights import weights_in

both_kinds = pytest.mark.parametrize("kind", ["siren", "hashgrid"])


@both_kinds
def test_report_is_what_the_bytes_say(kind: str) -> None:
    result = compressed(kind)
    report = result.report
    decoded = inr.open(result.data).decode()
    assert (report.model, report.backend, report.steps, report.seed) == (kind, AUTO, 80, 0)
    assert (report.width, report.height) == (64, 64)
    assert report.bytes == len(result.data)
    assert report.bpp == pytest.approx(8 * len(result.data) / 64**2)
    assert report.psnr == pytest.approx(psnr_of(photo(64), decoded), abs=1e-6)
    similarity = structural_similarity(  # type: ignore[no-untyped-call]
        photo(64),
        decoded,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert report.ssim == pytest.approx(similarity, abs=1e-4)
    stored = dequantize(weights_in(parse(result.data)))
    assert report.parameters == sum(tensor.size for tensor in stored.values())
    assert isinstance(report.settings, ModelSpec)
    assert report.settings.parameters(plain(2), 3) == report.parameters
    assert report.psnr > one_colour_psnr(photo(64)) + 2
    assert 0 < report.seconds_fit < report.seconds_total
    assert report.curve[-1].step == 80


def test_size_that_nobody_named_is_large_enough_for_the_model() -> None:
    assert inr.compress(photo(16).copy(), model="iterative", steps=2).report.bytes > 512


@both_kinds
def test_header_holds_the_psnr(kind: str) -> None:
    result = compressed(kind)
    description = describe(parse(result.data), len(result.data))
    assert [layer.psnr for layer in description.layers] == [pytest.approx(result.report.psnr, abs=0.005)]
    assert description.layers[-1].bytes == description.bytes == result.report.bytes
    assert description.model == kind
    assert description.shape == (64, 64)


@both_kinds
def test_quantisation_costs_little(kind: str) -> None:
    report = compressed(kind).report
    assert report.curve[-1].psnr - 0.5 < report.psnr < report.curve[-1].psnr + 0.2


@both_kinds
def test_framing_takes_at_most_64_bytes(kind: str) -> None:
    data = compressed(kind).data
    assert len(data) - sum(len(payload) for payload in parse(data).payloads) <= 64


@both_kinds
def test_seed_decides_the_bytes(kind: str) -> None:
    def data(seed: int) -> bytes:
        return inr.compress(photo(32).copy(), model=kind, steps=6, size=700, seed=seed).data

    assert data(5) == data(5)
    assert data(5) != data(6)


@both_kinds
@pytest.mark.parametrize("size", [150, 400, 1100, 3000])
def test_size_is_met(kind: str, size: int) -> None:
    result = inr.compress(photo(64).copy(), model=kind, steps=4, size=size)
    assert 0.85 * size <= len(result.data) <= size
    assert len(result.data) == result.report.bytes


@both_kinds
@pytest.mark.parametrize("bpp", [0.4, 3.0])
def test_bpp_is_met(kind: str, bpp: float) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 70, 3), dtype=np.uint8)  # noise: the worst case
    report = inr.compress(picture, model=kind, steps=4, bpp=bpp).report
    assert 0.85 * bpp <= report.bpp <= bpp


@both_kinds
@pytest.mark.parametrize(("bits", "size"), [(16, 900), (32, 2500), (5, 1000)])
def test_size_is_met_with_a_given_precision(kind: str, bits: int, size: int) -> None:
    data = inr.compress(photo(64).copy(), model=kind, steps=2, size=size, bits=bits).data
    assert 0.85 * size <= len(data) <= size


def test_size_counts_layers_and_colour_profile() -> None:
    profile = bytes(range(256))
    signal = inr.load(photo(32).copy())
    tagged = replace(signal, meta=replace(signal.meta, attributes=ImageAttributes(icc_profile=profile)))
    data = inr.compress(tagged, model="siren", steps=3, size=1400, layers=3).data
    assert 0.85 * 1400 <= len(data) <= 1400
    assert image_attributes(inr.open(data).meta).icc_profile == profile


def test_quality_is_a_size() -> None:
    reports = [
        inr.compress(photo(64).copy(), model="hashgrid", steps=2, quality=quality).report for quality in (40, 70, 100)
    ]
    targets = [bpp_of_quality(quality) for quality in (40, 70, 100)]
    assert targets == sorted(targets)
    for report, target in zip(reports, targets, strict=True):
        assert 0.85 * target <= report.bpp <= target


@both_kinds
@pytest.mark.parametrize("request_", [{"size": 20}, {"size": 10**9}, {"bpp": 0.001}, {"quality": 1}])
def test_impossible_size_names_the_possible_ones(kind: str, request_: dict[str, Any]) -> None:
    with pytest.raises(TargetError, match=rf"a {kind} file of this picture can have \d+ to \d+ bytes; got \d+"):
        inr.compress(photo(16).copy(), model=kind, **request_)


@both_kinds
def test_psnr_is_reached_by_the_decoded_file(kind: str) -> None:
    result = inr.compress(photo(64).copy(), model=kind, steps=80, psnr=14.0)
    assert psnr_of(photo(64), inr.open(result.data).decode()) >= 14.0
    assert result.report.psnr < 15.5  # no more bytes than it takes


def test_psnr_climbs_to_a_larger_model(tmp_path: Path) -> None:
    """Every fit of the climb has a checkpoint of its own, so that it goes on where it stopped."""
    steps = 0

    def cancelled() -> bool:
        nonlocal steps
        steps += 1
        return steps == 70

    def compress(hooks: Hooks | None) -> Compressed:
        return inr.compress(photo(64).copy(), hooks=hooks, model="siren", psnr=13.5, steps=40)

    checkpoint = CheckpointPolicy(tmp_path / "fit.ckpt")
    with pytest.raises(FitCancelledError):
        compress(Hooks(cancelled=cancelled, checkpoint=checkpoint))
    resumed = compress(Hooks(checkpoint=checkpoint))
    assert sorted(path.name for path in tmp_path.iterdir())[:2] == ["fit.ckpt", "fit.ckpt.2"]
    assert resumed.data == compress(None).data
    assert resumed.report.psnr >= 13.5
    assert compress(Hooks(checkpoint=checkpoint)).data == resumed.data


def test_unreachable_psnr_says_what_was_reached() -> None:
    with pytest.raises(TargetError, match=r"psnr: 60 dB was not reached, the best was \d+\.\d+ dB; allow more steps"):
        inr.compress(photo(16).copy(), model="siren", steps=3, psnr=60.0)


@both_kinds
def test_layers_are_pictures_of_rising_quality(kind: str) -> None:
    result = compressed(kind, layers=3)
    sizes = section_sizes(parse(result.data))
    prefixes = [inr.open(result.data[:size]).decode() for size in sizes]
    measured = [psnr_of(photo(64), prefix) for prefix in prefixes]
    assert sizes[-1] == len(result.data)
    assert measured == sorted(measured)
    assert measured[0] < measured[2]
    assert list(result.report.layer_psnr) == pytest.approx(measured, abs=1e-6)
    assert result.report.psnr == result.report.layer_psnr[-1]
    described = describe(parse(result.data), len(result.data))
    assert [layer.bytes for layer in described.layers] == sizes
    assert [layer.psnr for layer in described.layers] == pytest.approx(measured, abs=0.006)
    for layers, prefix in enumerate(prefixes, start=1):
        assert np.array_equal(inr.open(result.data, layers=layers).decode(), prefix)
    with pytest.raises(LimitExceededError, match=r"layers must be within 1\.\.3; got 4"):
        inr.open(result.data, layers=4)


def test_layers_cost_little() -> None:
    """Three layers at the size of one: the quality of the whole file stays close."""
    one, three = compressed("siren").report, compressed("siren", layers=3).report
    assert one.settings == three.settings
    assert one.bytes == pytest.approx(three.bytes, rel=0.02)
    assert three.psnr > one.psnr - 0.2


@both_kinds
def test_stored_floats_are_the_fitted_ones(kind: str) -> None:
    settings = {"width": 12}
    fitted = inr.fit(photo(32).copy(), model=kind, steps=40, settings=settings)
    whole = inr.compress(photo(32).copy(), model=kind, steps=40, settings=settings, bits=32)
    half = inr.compress(photo(32).copy(), model=kind, steps=40, settings=settings, bits=16)
    assert whole.data == _with_psnr(store(fitted, 32), whole.data)
    exact = dequantize(weights_in(parse(whole.data)))
    assert all(np.array_equal(exact[name], tensor) for name, tensor in fitted.tensors.items())
    rounded = dequantize(weights_in(parse(half.data)))
    assert all(
        np.array_equal(rounded[name], tensor.astype(np.float16).astype(np.float32))
        for name, tensor in fitted.tensors.items()
    )
    assert whole.report.psnr == pytest.approx(psnr_of(photo(32), pixels_of(fitted)), abs=0.02)
    assert half.report.psnr == pytest.approx(whole.report.psnr, abs=0.1)
    assert len(half.data) < 0.6 * len(whole.data)


def _with_psnr(data: bytes, template: bytes) -> bytes:
    """A file of `inr.store` with the PSNR that the header of another one has."""
    return to_bytes(replace(parse(data), header=parse(template).header))


def test_constant_picture_is_all_but_exact() -> None:
    picture = np.full((20, 30, 3), (10, 200, 77), dtype=np.uint8)
    result = inr.compress(picture, model="hashgrid", steps=150)
    decoded = inr.open(result.data).decode()
    assert decoded.shape == picture.shape
    assert np.abs(decoded.astype(int) - picture).max() <= 8


@both_kinds
@pytest.mark.parametrize("shape", [(2, 2), (3, 500), (500, 3)])
def test_odd_shapes_round_trip(kind: str, shape: tuple[int, int]) -> None:
    picture = np.resize(photo(64), (*shape, 3)).astype(np.uint8)
    result = inr.compress(picture, model=kind, steps=8)
    field = inr.open(result.data)
    assert field.decode().shape == (*shape, 3)
    assert field.decode(scale=3.0).shape == (3 * shape[0], 3 * shape[1], 3)
    assert result.report.psnr == pytest.approx(psnr_of(picture, field.decode()), abs=1e-6)
    assert len(result.data) <= 700


def _picture(channels: int, dtype: str) -> Array:
    """The photo as gray or RGB, the negative of its red as alpha."""
    alpha = 255 - photo(32)[..., :1]
    colours = photo(32)[..., : 1 if channels <= 2 else 3]
    samples: Array = np.concatenate([colours, alpha], axis=-1) if channels in (2, 4) else colours.copy()
    if dtype == "uint8":
        return samples
    if dtype == "uint16":
        return samples.astype(np.uint16) * 120 + 900
    return (samples / 64 - 1).astype(dtype)


@pytest.mark.parametrize(
    ("suffix", "channels", "dtype"),
    [
        (".png", 1, "uint8"),
        (".png", 2, "uint8"),
        (".png", 3, "uint8"),
        (".png", 4, "uint8"),
        (".png", 3, "uint16"),
        (".tif", 1, "uint16"),
        (".tif", 3, "float16"),
        (".exr", 3, "float32"),
        (".exr", 4, "float32"),
        (".npy", 2, "float16"),
        (".npy", 1, "float32"),
    ],
)
def test_sample_types_come_back(tmp_path: Path, suffix: str, channels: int, dtype: str) -> None:
    picture, source = _picture(channels, dtype), tmp_path / f"in{suffix}"
    inr.save(inr.load(picture), source)
    loaded = inr.load(source)
    assert np.array_equal(loaded.samples, picture)
    report = inr.compress(source, tmp_path / "x.inr", model="siren", steps=60, size=1200).report
    done = inr.decompress(tmp_path / "x.inr", tmp_path / f"out{suffix}")
    back = inr.load(tmp_path / f"out{suffix}")
    assert (done.width, done.height, done.layers, done.damage) == (32, 32, 1, None)
    assert (back.samples.dtype, back.samples.shape) == (np.dtype(dtype), picture.shape)
    assert image_attributes(back.meta).colour_space == image_attributes(loaded.meta).colour_space
    low, high = (0, 255) if dtype == "uint8" else (picture.min(), picture.max())
    assert low <= back.samples.min() < back.samples.max() <= high
    peak = {"uint8": 255.0, "uint16": 65535.0}.get(dtype, float(picture.max()) - float(picture.min()))
    assert report.psnr == pytest.approx(psnr_of(picture, back.samples, peak), abs=0.01)
    assert report.psnr > one_colour_psnr(picture, peak)
    assert inr.compare(source, tmp_path / "x.inr").psnr == pytest.approx(report.psnr, abs=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ends", [(-3e38, 3e38), (0.0, 1e-40), (1e30, 1.0001e30)])
def test_extreme_floats_are_fitted_too(ends: tuple[float, float]) -> None:
    picture = np.linspace(*ends, 12 * 12, dtype=np.float32).reshape(12, 12)
    result = inr.compress(picture, model="siren", steps=60)
    decoded = inr.open(result.data).decode()
    assert np.isfinite(decoded).all()
    assert picture.min() <= decoded.min() < decoded.max() <= picture.max()
    span = float(np.float64(ends[1]) - ends[0])
    assert result.report.psnr > one_colour_psnr(picture[..., None], span) + 1


def test_profile_and_orientation_are_kept(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    profile = bytes(range(200))
    Image.fromarray(photo(32)[:20].copy()).save(tmp_path / "in.png", icc_profile=profile, exif=exif)
    inr.compress(tmp_path / "in.png", tmp_path / "x.inr", steps=3, size=1000)
    description = describe(parse((tmp_path / "x.inr").read_bytes()), 1)
    assert (description.icc_profile, description.orientation, description.shape) == (200, 6, (32, 20))
    inr.decompress(tmp_path / "x.inr", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == profile
        assert image.size == (20, 32)
        assert image.getexif().get(274, 1) == 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"size": 900, "bpp": 2.0}, "at most one of bpp, psnr, size and quality; got bpp and size"),
        ({"bits": 13}, "bits: 1 to 12, or 16 or 32"),
        ({"bits": 16, "layers": 2}, "float16 come in 1 layer; got 2"),
        ({"bits": 32, "psnr": 30.0}, "cannot be combined"),
        ({"task": "superresolve", "psnr": 30.0}, "psnr: cannot be combined with task superresolve, .*give a size"),
        ({"preset": "extreme"}, "unknown preset 'extreme'; known: fast, default, best"),
        ({"model": "wyre"}, "unknown model 'wyre'; known: siren, hashgrid"),
        ({"settings": {"width": 8}, "size": 900}, "not both"),
        ({"settings": {"wdth": 8}}, "no setting 'wdth'; it has .*width"),
        ({"model": "siren", "settings": {"width": 4096}}, r"give 50368515 parameters; a file holds at most 16777216"),
        ({"stepz": 3}, "stepz"),
        ({"sampler": "full", "batch": 3}, "batch: the sampler full has none; got 3"),
        ({"sampler": "uniform:batch=100", "batch": 7}, "batch: given twice, also with the sampler uniform; got 7"),
        ({"optimiser": "adam:learning_rate=0.5", "learning_rate": 0.1}, "learning rate: given twice.*got 0.1"),
        ({"sampler": "uniform:self=3"}, "uniform: self: .*; got 3"),
        ({"sampler": "teaching:ratio=1.5"}, "teaching: ratio: .*less than or equal to 1; got 1.5"),
        ({"sampler": "teaching:ratio=0"}, "teaching: ratio: .*greater than 0; got 0"),
        ({"model": "wire", "settings": {"omega": 40}}, "omega.*sigma.*got"),
        ({"model": "finr", "settings": {"rank": 1024}}, "rank"),
        ({"model": "wire", "init": "vi3nr"}, "vi3nr: model wire has no"),
        ({"model": "hashgrid", "init": "fresh"}, "fresh: model hashgrid has no setting that shifts its spectrum"),
    ],
)
def test_requests_that_make_no_sense(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        inr.compress(photo(16).copy(), **request_)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (9, 1, 3)])
def test_lines_and_points_are_refused(shape: tuple[int, ...]) -> None:
    """As pictures, that is: an array may have axes of one sample."""
    samples = np.zeros(shape, dtype=np.uint8)
    with pytest.raises(SignalError, match="at least 2 pixels on each side"):
        inr.compress(png_bytes(samples), steps=1)
    with pytest.raises(SignalError, match="at least 2 pixels on each side"):
        inr.compress(image_from_array(samples), steps=1)


def test_output_is_checked_before_the_work_starts(tmp_path: Path) -> None:
    asked: list[int] = []
    hooks = Hooks(on_event=lambda event: asked.append(1))
    with pytest.raises(FileAccessError, match="does not exist"):
        inr.compress(photo(16).copy(), tmp_path / "missing" / "x.inr", hooks, steps=3)
    assert asked == []
    assert list(tmp_path.iterdir()) == []
