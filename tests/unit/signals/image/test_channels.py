"""Alpha that is multiplied into the colours, channels that are no alpha, and linear floats in files of integers."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image

import inr
from inr.cli.main import main
from inr.codec.info import describe
from inr.container.file import parse
from inr.errors import SignalError, SpecError
from inr.meta import SignalMeta
from inr.signals.image.attributes import ImageAttributes, image_attributes
from inr.signals.image.channels import MIN_ALPHA, Channels, channels_of, multiplied, straight
from inr.signals.image.read import decode_image, encode_image, load_image
from inr.signals.kind import kind_for
from tests.support.image_files import PROFILE, SHAPE, Array, exr_bytes, picture, read, tiff_bytes

TINY: dict[str, Any] = {"model": "siren", "settings": {"width": 16, "depth": 1}, "steps": 5, "batch": 64}
TYPES = ["uint8", "uint16", "float16", "float32"]


def translucent(dtype: str, colours: int) -> tuple[Array, Array]:
    """A picture with straight alpha, and the same with alpha multiplied into its colours; alpha 0 where x is 0."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    alpha = x / (SHAPE[1] - 1)
    colour = 0.2 + 0.7 * np.stack([(y + c) % SHAPE[0] / SHAPE[0] for c in range(colours)], axis=-1)
    colour[:, 0] = 0
    if dtype.startswith("float"):
        return np.dstack([colour, alpha]).astype(dtype), np.dstack([colour * alpha[..., None], alpha]).astype(dtype)
    top = float(np.iinfo(dtype).max)
    kept = np.rint(np.dstack([colour, alpha]) * top)
    stored = np.dstack([np.rint(kept[..., :-1] * kept[..., -1:] / top), kept[..., -1]])
    return kept.astype(dtype), stored.astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_associated_alpha_of_tiff_is_taken_out(dtype: str, colours: int, compression: str | None) -> None:
    expected, stored = translucent(dtype, colours)
    photometric = "rgb" if colours == 3 else "minisblack"
    options: dict[str, Any] = {"photometric": photometric, "compression": compression}
    found = read(tiff_bytes(stored, extrasamples=["assocalpha"], **options)).astype(np.float64)
    top = 1.0 if dtype.startswith("float") else float(np.iinfo(stored.dtype).max)
    alpha = expected[..., -1:].astype(np.float64) / top
    # The stored colour was rounded, so the straight one is known only as well as alpha lets.
    step, last = {"uint8": (0.5, 0.5), "uint16": (0.5, 0.5), "float16": (1e-3, 0), "float32": (1e-6, 0)}[dtype]
    covered = alpha[..., 0] > 0
    errors = np.abs(found - expected)[covered]
    assert (errors <= step / alpha[covered] + last + 1e-9).all()
    np.testing.assert_array_equal(found[..., -1], expected[..., -1])
    assert (found[:, 0, :-1] == 0).all()
    np.testing.assert_array_equal(read(tiff_bytes(expected, extrasamples=["unassalpha"], **options)), expected)


@pytest.mark.parametrize("names", ["YA", "RGBA"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_exr_has_alpha_in_its_colours(names: str, dtype: str, tmp_path: Path) -> None:
    expected, stored = translucent(dtype, len(names) - 1)
    data = exr_bytes({name: stored[..., i].copy() for i, name in enumerate(names)})
    found = decode_image(data, "x")
    np.testing.assert_allclose(found.samples, expected, rtol=2e-3 if dtype == "float16" else 1e-6, atol=1e-6)
    (tmp_path / "x.exr").write_bytes(encode_image(found.samples, found.meta, "exr"))
    with OpenEXR.File(str(tmp_path / "x.exr"), separate_channels=True) as file:
        back = np.stack([file.parts[0].channels[name].pixels for name in names], axis=-1)
    np.testing.assert_allclose(back, stored, rtol=2e-3 if dtype == "float16" else 1e-6, atol=1e-6)


def test_what_covers_nothing_may_glow() -> None:
    glow = np.array([[[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, MIN_ALPHA / 2], [0.5, 0.25, 0.0, 0.5]]], np.float32)
    found = straight(glow, 3)
    np.testing.assert_array_equal(found[0, :2], glow[0, :2])
    np.testing.assert_array_equal(found[0, 2], [1.0, 0.5, 0.0, 0.5])
    np.testing.assert_array_equal(multiplied(found, 3), glow)


def test_colours_brighter_than_alpha_allows_stay_in_the_type() -> None:
    found = straight(np.array([[[200, 100, 50, 100]]], np.uint8), 3)
    assert found[0, 0].tolist() == [255, 255, 128, 100]
    half = straight(np.array([[[60_000.0, 1.0, 0.0, 0.25]]], np.float16), 3)
    assert half[0, 0].tolist() == [65_504.0, 4.0, 0.0, 0.25]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".tif", ".exr"])
def test_alpha_is_marked_right_in_every_format(suffix: str, tmp_path: Path) -> None:
    """A file of this version means the same to other software, whatever the input had."""
    expected, stored = translucent("uint8", 3)
    (tmp_path / "in.tif").write_bytes(tiff_bytes(stored, photometric="rgb", extrasamples=["assocalpha"]))
    path = tmp_path / f"out{suffix}"
    inr.save(inr.load(tmp_path / "in.tif"), path)
    solid = np.s_[:, 10:]
    if suffix == ".exr":
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = file.parts[0].channels
            red, alpha = channels["R"].pixels, channels["A"].pixels
        light = expected[..., 0] / 255.0
        light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
        np.testing.assert_allclose(red[solid], (light * alpha)[solid], atol=0.02)
        return
    if suffix == ".tif":
        with tifffile.TiffFile(path) as tiff:
            assert [int(kind) for kind in tiff.pages[0].extrasamples] == [2]  # type: ignore[union-attr]
    with Image.open(path) as image:
        shown = np.asarray(image.convert("RGBA")).astype(int)
    assert np.abs(shown - expected)[solid].max() <= (25 if suffix == ".avif" else 2)


@pytest.mark.parametrize(
    ("samples", "options", "expected"),
    [
        (picture("uint8", 4), {"photometric": "rgb", "extrasamples": ["unspecified"]}, Channels(3, 1, False)),
        (picture("uint16", 4), {"photometric": "rgb", "extrasamples": ["unspecified"]}, Channels(3, 1, False)),
        (picture("float32", 4), {"photometric": "rgb", "extrasamples": ["unspecified"]}, Channels(3, 1, False)),
        (picture("uint8", 2), {"photometric": "minisblack", "extrasamples": ["unspecified"]}, Channels(1, 1, False)),
        (
            picture("uint8", 4),
            {"photometric": "minisblack", "extrasamples": ["unspecified"] * 3},
            Channels(1, 3, False),
        ),
        (picture("uint8", 5), {"photometric": "rgb", "extrasamples": ["unspecified"] * 2}, Channels(3, 2, False)),
        (
            picture("uint16", 5),
            {"photometric": "rgb", "extrasamples": ["unspecified", "unassalpha"]},
            Channels(3, 1, True),
        ),
        (
            picture("uint16", 8),
            {"photometric": "minisblack", "extrasamples": ["unspecified"] * 7},
            Channels(1, 7, False),
        ),
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_an_unspecified_channel_is_no_alpha(
    samples: Array, options: dict[str, Any], expected: Channels, compression: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "in.tif"
    path.write_bytes(tiff_bytes(samples, planarconfig="contig", compression=compression, **options))
    signal = inr.load(path)
    assert channels_of(image_attributes(signal.meta).channels, signal.channels) == expected
    np.testing.assert_array_equal(signal.samples, samples)
    result = inr.compress(path, tmp_path / "x.inr", **TINY)
    assert describe(parse(result.data), 1).roles == (expected.colours, int(expected.alpha))
    field = inr.open(tmp_path / "x.inr")
    assert field.meta.attributes == signal.meta.attributes
    inr.decompress(tmp_path / "x.inr", tmp_path / "back.tif")
    inr.decompress(tmp_path / "x.inr", tmp_path / "back.npy")
    with tifffile.TiffFile(tmp_path / "back.tif") as tiff:
        page = tiff.pages[0]
        names = {"unspecified": 0, "unassalpha": 2}
        assert [int(kind) for kind in page.extrasamples] == [names[kind] for kind in options["extrasamples"]]  # type: ignore[union-attr]
        assert page.photometric.name.lower() == options["photometric"]  # type: ignore[union-attr]
    np.testing.assert_array_equal(load_image(tmp_path / "back.tif").samples, field.decode())
    np.testing.assert_array_equal(np.load(tmp_path / "back.npy"), field.decode())
    assert inr.compare(path, tmp_path / "back.tif").psnr == pytest.approx(result.report.psnr, abs=1e-6)
    for suffix in (".png", ".webp", ".avif", ".exr", ".jpg", ".bmp", ".ppm", ".hdr"):
        with pytest.raises(SpecError, match=r"neither colour nor alpha.*; formats that can are tiff, npy"):
            inr.decompress(tmp_path / "x.inr", tmp_path / f"back{suffix}")
    preview = kind_for(signal.meta).preview(signal.samples, signal.meta)
    assert preview is not None
    assert preview.shape == (*SHAPE, expected.colours)


def test_channels_that_mean_something_else_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = picture("uint8", 4)
    for name, kind in (("nir.tif", "unspecified"), ("alpha.tif", "unassalpha")):
        (tmp_path / name).write_bytes(tiff_bytes(samples, photometric="rgb", extrasamples=[kind]))
    with pytest.raises(SignalError, match=r"cannot compare RGB with 1 channel that is neither.* with RGB with alpha"):
        inr.compare(tmp_path / "nir.tif", tmp_path / "alpha.tif")
    inr.compress(tmp_path / "nir.tif", tmp_path / "nir.inr", **TINY)
    with pytest.raises(SignalError, match="cannot compare RGB with alpha with RGB with 1 channel"):
        inr.compare(tmp_path / "alpha.tif", tmp_path / "nir.inr")
    assert main(["info", str(tmp_path / "nir.inr")]) == 0
    assert "channels: 3 RGB, 1 of another meaning, 0 alpha" in capsys.readouterr().out


def test_alpha_before_other_channels_is_refused() -> None:
    data = tiff_bytes(
        picture("uint8", 5), photometric="rgb", planarconfig="contig", extrasamples=["unassalpha", "unspecified"]
    )
    with pytest.raises(SignalError, match=r"^x has alpha before other channels \(extra samples 2, 0\)"):
        decode_image(data, "x")


def test_what_channels_can_be() -> None:
    for count in range(1, 5):
        assert channels_of(None, count).stored is None
        assert channels_of(None, count).count == count
    assert str(channels_of((3, 1), 6)) == "RGB with 2 channels that are neither colour nor alpha and alpha"
    with pytest.raises(SpecError, match="a picture of 5 channels needs to say"):
        channels_of(None, 5)
    for wrong in ((3, 0), (2, 0), (1, 2)):
        with pytest.raises(SpecError):
            channels_of(wrong, 2)


# --- floats and integers ---


def srgb(light: Array) -> Array:
    unit = np.clip(light.astype(np.float64), 0, 1)
    return np.asarray(np.where(unit <= 0.0031308, 12.92 * unit, 1.055 * unit ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("source", ["exr", "tiff", "hdr"])
@pytest.mark.parametrize(("suffix", "top"), [("png", 65535), ("webp", 255), ("bmp", 255), ("ppm", 65535)])
def test_linear_floats_become_srgb(source: str, suffix: str, top: int, tmp_path: Path) -> None:
    light = picture("float32", 3)  # up to 2, so some of it is clamped
    path = tmp_path / f"in.{source}"
    made = {"exr": lambda: exr_bytes({"RGB": light}), "tiff": lambda: tiff_bytes(light, photometric="rgb")}
    if source == "hdr":
        inr.save(decode_image(exr_bytes({"RGB": light}), "x"), path)
    else:
        path.write_bytes(made[source]())
    signal = inr.load(path)
    assert image_attributes(signal.meta).colour_space == "linear"
    inr.save(signal, tmp_path / f"out.{suffix}")
    np.testing.assert_array_equal(inr.load(tmp_path / f"out.{suffix}").samples, np.rint(srgb(signal.samples) * top))


def test_a_profile_of_floats_is_kept_with_them_and_not_with_srgb() -> None:
    unit = (picture("float32", 3) / 3).astype(np.float32)
    profiled = decode_image(tiff_bytes(unit, photometric="rgb", iccprofile=PROFILE), "x")
    assert image_attributes(profiled.meta).icc_profile == PROFILE
    shown = decode_image(encode_image(profiled.samples, profiled.meta, "png"), "x")
    assert image_attributes(shown.meta).icc_profile == PROFILE
    np.testing.assert_array_equal(shown.samples, np.rint(np.clip(unit.astype(np.float64), 0, 1) * 65535))
    linear = SignalMeta("float32", (0.0, 1.0), ImageAttributes("linear", PROFILE))
    assert image_attributes(decode_image(encode_image(unit, linear, "png"), "x").meta).icc_profile is None
    assert image_attributes(decode_image(encode_image(unit, linear, "tiff"), "x").meta).icc_profile == PROFILE


def test_alpha_of_floats_is_not_stretched_with_the_colours() -> None:
    samples = np.dstack([np.linspace(0, 50, 12).reshape(3, 4), np.full((3, 4), 0.5)]).astype(np.float32)
    meta = SignalMeta("float32", (0.0, 50.0), ImageAttributes("unknown"))
    back = read(encode_image(samples, meta, "png"))
    assert (back[..., 1] == 32768).all()
    assert back[-1, -1, 0] == 65535


def test_integers_become_linear_light_with_alpha_in_it(tmp_path: Path) -> None:
    samples = np.array([[[255, 128, 0, 255], [255, 128, 0, 51]], [[9, 9, 9, 0], [0, 0, 0, 255]]], np.uint8)
    inr.save(decode_image(tiff_bytes(samples, photometric="rgb", extrasamples=["unassalpha"]), "x"), tmp_path / "a.exr")
    with OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True) as file:
        green = file.parts[0].channels["G"].pixels
    assert green[0, 0] == pytest.approx(0.21586, abs=1e-4)
    assert green[0, 1] == pytest.approx(0.21586 * 0.2, abs=1e-4)


def test_other_software_reads_many_channels() -> None:
    samples = picture("uint16", 6)
    meta = SignalMeta("uint16", (0.0, 65535.0), ImageAttributes(channels=(3, 1)))
    data = encode_image(samples, meta, "tiff")
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        assert [int(kind) for kind in tiff.pages[0].extrasamples] == [0, 0, 2]  # type: ignore[union-attr]
        np.testing.assert_array_equal(tiff.asarray(), samples)
