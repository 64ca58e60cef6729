"""Pictures of high dynamic range: which are, how they are fitted, and that a viewer sees the picture."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

import inr
from inr.cli.main import main
from inr.codec.load_save import load_parts
from inr.container.file import parse
from inr.errors import SignalError, SpecError, TargetError
from inr.meta import LightCurve, PowerTransform, SignalMeta
from inr.metrics.psnr import psnr
from inr.signals.image.attributes import ImageAttributes
from inr.signals.image.read import decode_image, encode_image, image_from_array
from inr.signals.kind import kind_for
from inr.signals.light import luminance_gain
from inr.signals.signal import denormalise, normalise
from tests.support.image_files import Array, exr_bytes, picture, read, tiff_bytes

SHAPE = (40, 56)
FAST: dict[str, Any] = {"model": "siren", "size": 9000, "steps": 150, "batch": 1024}


def scene(sun: float = 60_000.0, exposure: float = 1.0) -> Array:
    """A landscape in linear light: dark ground, a bright sky, zeros, negative values, and a small sun."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / 10.0
    light = np.exp(1.5 * np.sin(x + 0.6 * y) + np.cos(2 * y - x))[..., None] * np.array([0.12, 0.15, 0.2])
    light[: SHAPE[0] // 3] += 2.0
    light[5:8, 40:43] = sun
    light[-2:, :5] = 0.0
    light[-1, -5:] = -0.01
    scene: Array = (light * exposure).astype(np.float32)
    return scene


def shown(samples: Array) -> Array:
    """What a display shows: clamped, with the sRGB transfer curve, 8 bits."""
    unit = np.clip(samples[..., :3].astype(np.float64), 0, 1)
    return np.asarray(np.rint(255 * np.where(unit <= 0.0031308, 12.92 * unit, 1.055 * unit ** (1 / 2.4) - 0.055)))


def radiance(samples: Array) -> bytes:
    return bytes(imagecodecs.rgbe_encode(np.ascontiguousarray(samples.clip(0)), header=True))


def with_alpha(samples: Array) -> bytes:
    alpha = np.linspace(0.2, 1, SHAPE[1], dtype=np.float32) * np.ones((SHAPE[0], 1), np.float32)
    planes = np.dstack([samples * alpha[..., None], alpha])
    return exr_bytes({"RGBA": planes})


FILES: dict[str, Any] = {
    "a.exr": lambda s: exr_bytes({"RGB": s}),
    "half.exr": lambda s: exr_bytes({"RGB": s.astype(np.float16)}),
    "gray.exr": lambda s: exr_bytes({"Y": s[..., 1].copy()}),
    "alpha.exr": with_alpha,
    "a.hdr": radiance,
    "a.tif": lambda s: tiff_bytes(s, photometric="rgb"),
    "packed.tif": lambda s: tiff_bytes(s, photometric="rgb", compression="zlib"),
    "half.tif": lambda s: tiff_bytes(s.astype(np.float16), photometric="rgb"),
    "gray.tif": lambda s: tiff_bytes(s[..., 1].copy(), photometric="minisblack"),
}
"""Ways to keep a scene in a file."""


def shown_psnr(samples: Array, other: Array) -> float:
    """PSNR in dB of what a display shows of two pictures of light."""
    return psnr(shown(samples), shown(other), 255.0)


# --- which pictures ---


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("exposure", [1.0, 1e-3, 1.5])
def test_high_dynamic_range_is_found_in_every_format(name: str, exposure: float, tmp_path: Path) -> None:
    if name == "gray.tif" and exposure == 1e-3:
        exposure = 0.1  # of measurements that are no light, none is beyond white then
    path = tmp_path / name
    path.write_bytes(FILES[name](scene(40_000.0, exposure)))
    signal = inr.load(path)
    curve = signal.meta.light
    assert curve is not None
    assert curve.fitted
    assert curve.colours == signal.channels - (name == "alpha.exr")
    colours = signal.samples[..., : curve.colours].astype(np.float64)
    assert signal.meta.value_range == (colours.min(), colours.max())
    middle = float(np.median(colours[colours > 0]))
    assert 9 < luminance_gain(curve) * middle < 36  # middle gray, within the octave that is counted
    parts = list(load_parts(path, segment=7).signals)
    assert [part.meta for part in parts] == [signal.meta] * len(parts)


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("display.exr", scene(1.0).clip(0, 1)),
        ("display.tif", scene(1.0).clip(0, 1)),
        ("filtered.exr", scene(1.0).clip(-0.02, 1.05)),
        ("mild.exr", picture("float32", 3)),
        ("black.exr", np.zeros((12, 9, 3), np.float32)),
        ("flat.exr", np.full((12, 9, 3), 7.0, np.float32)),
        ("difference.exr", scene() * np.where(np.arange(SHAPE[1]) % 2, 1, -1)[:, None].astype(np.float32)),
        ("negative.exr", -scene()),
    ],
)
def test_other_floats_are_fitted_as_before(name: str, samples: Array, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(exr_bytes({"RGB": samples}) if path.suffix == ".exr" else tiff_bytes(samples, photometric="rgb"))
    signal = inr.load(path)
    assert signal.meta.light is None
    one, other = (inr.compress(path, **{**FAST, "steps": 3}, transform=how) for how in ("auto", "none"))
    assert one.data == other.data
    assert parse(one.data).header.light is None
    assert list(one.report.metrics) == ["psnr", "ssim"]


def test_arrays_are_light_only_beyond_doubt() -> None:
    colours = scene()
    assert image_from_array(colours).meta.light is not None
    assert image_from_array(colours[..., :1]).meta.light is not None
    assert image_from_array(colours.clip(0, 1)).meta.light is None
    assert image_from_array(np.rint(255 * scene(1.0).clip(0, 1))).meta.light is None  # 8 bits in floats
    assert image_from_array(colours.astype(np.float64)).meta.light is not None
    heights = np.geomspace(5.0, 2500.0, 20 * 30, dtype=np.float32).reshape(20, 30)
    assert image_from_array(heights).meta.light is None
    assert inr.load(colours, axes=3).meta.light is None


def test_heights_on_a_map_are_no_light(tmp_path: Path) -> None:
    heights = scene()[..., 1].copy()
    keys = (34735, 3, 4, (1, 1, 0, 0), True)
    assert decode_image(tiff_bytes(heights, photometric="minisblack"), "x").meta.light is not None
    assert decode_image(tiff_bytes(heights, photometric="minisblack", extratags=[keys]), "x").meta.light is None
    path = tmp_path / "map.tif"
    path.write_bytes(tiff_bytes(heights, photometric="minisblack", extratags=[keys]))
    assert [part.meta.light for part in load_parts(path, segment=20).signals] == [None, None]


def test_light_that_was_scaled_to_one_is_found_and_dark_photos_are_none() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / 9.0
    photo = (30 + 25 * np.sin(x) * np.cos(y))[..., None] * np.array([1.0, 0.9, 0.7])  # sRGB of 8 bits, very dark
    photo[:2, :2] = 255
    light = np.where(photo <= 10.31475, photo / 255 / 12.92, ((photo / 255 + 0.055) / 1.055) ** 2.4).astype(np.float32)
    assert decode_image(exr_bytes({"RGB": light}), "x").meta.light is None
    samples = scene(60.0)
    assert decode_image(exr_bytes({"RGB": samples / samples.max()}), "x").meta.light is not None


# --- samples that are none ---


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16"])
@pytest.mark.parametrize("missing", [-3.4028234663852886e38, -9999.0, -32768.0, 0.0, 65535.0])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_samples_without_data_are_refused(dtype: str, missing: float, compression: str | None, tmp_path: Path) -> None:
    heights = (500 + 100 * np.sin(np.arange(20 * 30) / 40)).reshape(20, 30).astype(dtype)
    tag = (42113, 2, len(f"{missing!r}") + 1, f"{missing!r}", True)
    path = tmp_path / "map.tif"

    def written(samples: Array) -> Path:
        path.write_bytes(tiff_bytes(samples, photometric="minisblack", compression=compression, extratags=[tag]))
        return path

    assert inr.load(written(heights)).samples.max() > 590  # the file only says what would be none
    if dtype == "uint16" and missing < 0:
        heights[3, 4:9] = np.int64(max(missing, -40_000.0)) % 2**16  # what the mark would be if it wrapped around
        np.testing.assert_array_equal(inr.load(written(heights)).samples[..., 0], heights)
        return
    with np.errstate(over="ignore"):
        heights[3, 4:9] = missing
    for read_ in (inr.load, lambda p: list(load_parts(p, segment=5).signals)):
        with pytest.raises(SignalError, match=r"map.tif has 5 of 600 samples without data, marked as .*: fill them"):
            read_(written(heights))


def test_shades_of_8_bits_are_kept_whatever_a_map_says() -> None:
    samples = picture("uint8", 3)
    tag = (42113, 2, 2, "0", True)
    np.testing.assert_array_equal(read(tiff_bytes(samples, photometric="rgb", extratags=[tag])), samples)


@pytest.mark.parametrize("mark", [np.float32(-3.4028235e38), np.float32(9.96921e36), np.float32(1e38)])
def test_huge_marks_are_refused_without_a_word_about_them(mark: np.float32, tmp_path: Path) -> None:
    heights = np.linspace(0, 800, 20 * 30, dtype=np.float32).reshape(20, 30)
    heights[2, :7] = mark
    with pytest.raises(SignalError, match="has 7 of 600 samples without data"):
        image_from_array(heights)
    with pytest.raises(SignalError, match="has 7 of 600 samples without data"):
        inr.load(heights, axes=2)
    np.save(tmp_path / "a.npy", heights)
    with pytest.raises(SignalError, match="has 7 of 600 samples without data"):
        list(load_parts(tmp_path / "a.npy", segment=5).signals)
    heights[2, :7] = np.nan
    with pytest.raises(SignalError, match=r"7 samples that are NaN.*: fill them, or cut them off"):
        image_from_array(heights)


# --- the curve ---


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("scale", [2.0**-20, 0.03125, 64.0])
@pytest.mark.parametrize("colours", [3, 4])
def test_the_curve_inverts(dtype: str, scale: float, colours: int) -> None:
    samples = np.dstack([scene(50_000.0), np.linspace(0, 1, SHAPE[1]) * np.ones((SHAPE[0], 1))]).astype(dtype)
    light = samples[..., :colours].astype(np.float64)
    ends = float(light.min()), float(light.max())
    meta = SignalMeta(dtype, ends, ImageAttributes("linear"), light=LightCurve(scale, colours))  # type: ignore[arg-type]
    unit = normalise(samples, meta)
    assert unit.min() == -1
    assert unit.max() == 1
    back = denormalise(unit, meta)
    assert back.dtype == dtype
    # Relative in the light, absolute below the scale, and never far from what 32 bits of the curve say.
    error = np.abs(back.astype(np.float64) - samples.astype(np.float64))
    eps = float(np.finfo(dtype).eps)
    assert (error <= (4 * eps + 1e-5) * (np.abs(samples.astype(np.float64)) + scale)).all()
    np.testing.assert_array_equal(denormalise(np.full((1, 4), np.nan, np.float32), meta)[0, :colours], ends[0])
    beyond = denormalise(np.full((1, 4), 9, np.float32), meta)
    np.testing.assert_allclose(beyond[0, :colours].astype(float), ends[1], rtol=1e-6)


def test_a_curve_is_checked() -> None:
    for scale in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(SpecError, match="light curve: needs a finite scale"):
            LightCurve(scale, 3)
    with pytest.raises(SpecError, match="at least one channel"):
        LightCurve(1.0, 0)
    with pytest.raises(SpecError, match="does not go with a light curve"):
        SignalMeta("float32", (0, 1), ImageAttributes(), PowerTransform(0, 1, 2), LightCurve(1.0, 3))


# --- files ---


@pytest.mark.parametrize("name", FILES)
def test_a_viewer_sees_the_picture(name: str, tmp_path: Path) -> None:
    samples = scene(40_000.0)
    path = tmp_path / name
    path.write_bytes(FILES[name](samples))
    reference = inr.load(path).samples
    parts: dict[str, Any] = {"segment": 20} if name == "a.tif" else {}
    kinds = ("auto", "none", "power") if name == "a.exr" else ("auto", "none")
    results = {how: inr.compress(path, transform=how, **FAST, **parts) for how in kinds}
    found = {how: shown_psnr(reference, inr.open(result.data).decode()) for how, result in results.items()}
    assert found["auto"] > found["none"] + 5
    assert found["auto"] > found.get("power", 0.0) + 3
    seen = {how: result.report.metrics["pu21_psnr"] for how, result in results.items()}
    assert seen["auto"] > seen["none"] + 5
    assert results["none"].report.psnr > 25  # which is what says nothing about the picture
    header = parse(results["auto"].data).header
    assert header.light is not None
    assert parse(results["none"].data).header.light is None
    assert len(results["auto"].data) <= 9000
    assert results["none"].report.metrics.keys() == results["auto"].report.metrics.keys()
    if name == "alpha.exr":
        plain = inr.open(results["none"].data).meta
        assert plain.value_range == (min(0.0, float(reference[..., :3].min())), 40_000.0)
        decoded = inr.open(results["auto"].data).decode()
        assert psnr(reference[..., 3], decoded[..., 3], 1.0) > 20


def test_very_dark_and_very_bright_pictures_are_seen_alike() -> None:
    found = []
    for exposure in (1e-6, 1.0, 4096.0):
        samples = scene(40_000.0, exposure)
        result = inr.compress(decode_image(exr_bytes({"RGB": samples}), "x"), **FAST)
        assert result.report.metrics["pu21_psnr"] > 20
        found.append(shown_psnr(samples / np.float32(exposure), inr.open(result.data).decode() / np.float32(exposure)))
    assert max(found) < min(found) + 4


def test_report_info_and_comparison_name_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, packed = tmp_path / "a.exr", tmp_path / "a.inr"
    path.write_bytes(FILES["a.exr"](scene()))
    arguments = ["--model", "siren", "--set", "width=32", "--steps", "60", "--layers", "2", "-q"]
    assert main(["compress", str(path), str(packed), *arguments]) == 0
    said = capsys.readouterr().out
    assert "PU21-PSNR" in said
    assert "dB, PSNR of linear light" in said
    assert main(["compare", str(path), str(packed), "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert list(compared["metrics"]) == ["pu21_psnr", "psnr", "pu21_ssim"]
    assert compared["psnr"] == compared["metrics"]["psnr"]
    assert compared["ssim"] is None
    assert main(["info", str(packed), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["layers"][-1]["pu21_psnr"] == pytest.approx(compared["metrics"]["pu21_psnr"], abs=0.006)
    assert info["layers"][-1]["psnr"] == pytest.approx(compared["psnr"], abs=0.006)
    assert info["layers"][0]["pu21_psnr"] < info["layers"][-1]["pu21_psnr"]
    curve = inr.load(path).meta.light
    assert curve is not None
    assert info["light"] == curve.scale
    assert main(["info", str(packed)]) == 0
    said = capsys.readouterr().out
    assert f"light:  fitted on a curve that is about linear below {curve.scale:g} and logarithmic above" in said
    assert said.count("PU21-PSNR") == 2
    inr.decompress(packed, tmp_path / "back.exr")
    assert inr.compare(path, tmp_path / "back.exr").metrics == pytest.approx(compared["metrics"])


def test_a_target_in_decibels_is_the_one_a_viewer_sees() -> None:
    result = inr.compress(decode_image(FILES["a.exr"](scene()), "x"), psnr=24.0, model="siren", steps=400)
    assert 24.0 <= result.report.metrics["pu21_psnr"] < 30
    assert result.report.layer_psnr == (result.report.metrics["pu21_psnr"],)
    with pytest.raises(TargetError, match="psnr: 90 dB of pu21_psnr was not reached"):
        inr.compress(decode_image(FILES["a.exr"](scene()), "x"), psnr=90.0, model="siren", steps=3)
    fitted = inr.fit(decode_image(FILES["a.exr"](scene()), "x"), model="siren", steps=20, settings={"width": 32})
    assert fitted.report.curve[-1].psnr < 30  # of linear light it would be some 50


@pytest.mark.parametrize(
    "request_",
    [
        {"model": "hashgrid", "steps": 80},
        {"model": "finr", "steps": 40},
        {"model": "siren", "settings": {"width": 24, "depth": 1}, "steps": 40, "backend": "torch"},
        {"model": "siren", "settings": {"width": 24, "depth": 1}, "steps": 40, "loss": {"kind": "huber"}},
        {"model": "siren", "settings": {"width": 24, "depth": 1}, "steps": 40, "bits": 16},
        {"model": "siren", "settings": {"width": 24, "depth": 1}, "steps": 40, "task": {"kind": "superresolve"}},
    ],
)
def test_other_ways_to_fit_keep_the_curve(request_: dict[str, Any]) -> None:
    result = inr.compress(decode_image(FILES["alpha.exr"](scene()), "x"), **request_)
    field = inr.open(result.data)
    assert field.meta.curve is not None
    decoded = field.decode()
    assert decoded.shape == (*SHAPE, 4)
    assert np.isfinite(decoded).all()
    assert decoded[..., 3].min() >= 0
    assert decoded[..., 3].max() <= 1
    np.testing.assert_array_equal(decoded, inr.open(result.data).decode())


def test_what_becomes_smaller_is_a_mean_of_light() -> None:
    result = inr.compress(decode_image(FILES["a.exr"](scene()), "x"), **FAST)
    field = inr.open(result.data)
    whole = field.decode(scale=2).astype(np.float64)
    expected = whole.reshape(SHAPE[0], 2, SHAPE[1], 2, 3).mean(axis=(1, 3))
    half = field.decode(scale=0.5).astype(np.float64)
    blocks = expected.reshape(SHAPE[0] // 2, 2, SHAPE[1] // 2, 2, 3).mean(axis=(1, 3))
    full = field.decode().astype(np.float64).reshape(SHAPE[0] // 2, 2, SHAPE[1] // 2, 2, 3).mean(axis=(1, 3))
    assert np.median(np.abs(half - full) / (np.abs(full) + 0.01)) < 0.02
    assert np.median(np.abs(half - blocks) / (np.abs(blocks) + 0.01)) < 0.05


def test_previews_show_the_scene() -> None:
    signal = decode_image(FILES["alpha.exr"](scene()), "x")
    seen = kind_for(signal.meta).preview(signal.samples, signal.meta)
    assert seen is not None
    assert seen.dtype == np.uint8
    assert 60 < np.median(seen[..., :3]) < 170
    assert seen[..., :3].std() > 20
    np.testing.assert_allclose(seen[..., 3], 255 * signal.samples[..., 3], atol=0.51)


def test_gray_measurements_are_written_along_the_curve() -> None:
    signal = decode_image(FILES["gray.tif"](scene()), "x")
    png = read(encode_image(signal.samples, signal.meta, "png"))
    unit = (normalise(signal.samples, signal.meta).astype(np.float64) + 1) / 2
    np.testing.assert_allclose(png, 65535 * unit, atol=0.51)
    plain = replace(signal.meta, light=None)
    assert np.median(read(encode_image(signal.samples, plain, "png"))) < 10  # all is black but the sun
