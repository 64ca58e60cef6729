"""Colours that a file gives in numbers: kept from PNG to PNG, brought to sRGB or light where a format has no place."""

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import inr
from inr.cli.main import main
from inr.codec.info import describe
from inr.container.file import parse, to_bytes
from inr.errors import CorruptHeaderError, SpecError
from inr.meta import SignalMeta
from inr.signals.image.attributes import ImageAttributes, image_attributes
from inr.signals.image.codes import light_of_cicp, light_of_gamma, light_to_srgb
from inr.signals.image.read import decode_image, encode_image
from tests.support.image_files import PROFILE, Array, chunk, picture, png_bytes
from tests.support.small_fits import psnr_of

SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
ADOBE = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
FAST: dict[str, Any] = {"model": "siren", "steps": 3, "size": 2000}


def gama(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


def chrm(*values: int) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *values))


def cicp(*values: int) -> bytes:
    return chunk(b"cICP", bytes(values))


PROFILE_CHUNK = encode_image(
    picture("uint8", 3), SignalMeta("uint8", (0, 255), ImageAttributes(icc_profile=PROFILE)), "png"
)[33:].split(b"IDAT")[0][:-4]
NOTHING: tuple[Any, ...] = ((), 0, ())


@pytest.mark.parametrize(
    ("chunks", "kept"),
    [
        (b"", NOTHING),
        (gama(45455), NOTHING),
        (gama(45000), NOTHING),
        (gama(45455) + chrm(*SRGB), NOTHING),
        (gama(100_000), ((), 100_000, ())),
        (gama(55_556), ((), 55_556, ())),
        (gama(100_000) + chrm(*SRGB), ((), 100_000, ())),
        (gama(45455) + chrm(*ADOBE), ((), 45455, ADOBE)),
        (chrm(*ADOBE), ((), 0, ADOBE)),
        (gama(100_000) + chunk(b"sRGB", b"\0"), NOTHING),
        (gama(100_000) + PROFILE_CHUNK, NOTHING),
        (gama(0), NOTHING),
        (chunk(b"gAMA", b"\1"), NOTHING),
        (chrm(*ADOBE[:2], *[30000] * 6), NOTHING),
        (chrm(*ADOBE[:7], 0), NOTHING),
        (cicp(9, 16, 0, 1), ((9, 16, 0, 1), 0, ())),
        (cicp(9, 18, 0, 1) + gama(100_000) + chrm(*ADOBE), ((9, 18, 0, 1), 0, ())),
        (cicp(12, 13, 0, 1) + PROFILE_CHUNK, ((12, 13, 0, 1), 0, ())),
        (cicp(1, 13, 0, 1) + gama(100_000), NOTHING),
        (cicp(9, 16, 9, 1) + gama(100_000), ((), 100_000, ())),
        (chunk(b"cICP", b"\1"), NOTHING),
    ],
)
def test_chunks_of_png_by_their_precedence(chunks: bytes, kept: tuple[Any, ...]) -> None:
    samples = picture("uint16", 3)
    signal = decode_image(png_bytes(samples, chunks), "x")
    own = image_attributes(signal.meta)
    np.testing.assert_array_equal(signal.samples, samples)
    assert (own.cicp, own.gamma, own.chromaticities) == kept
    assert (own.icc_profile is not None) == (b"iCCP" in chunks)
    again = encode_image(signal.samples, signal.meta, "png")
    assert image_attributes(decode_image(again, "x").meta) == own
    assert [again.count(name) for name in (b"cICP", b"gAMA", b"cHRM")] == [bool(value) for value in kept]


def test_chromaticities_of_gray_mean_nothing() -> None:
    own = image_attributes(decode_image(png_bytes(picture("uint8", 1), gama(50_000) + chrm(*ADOBE)), "x").meta)
    assert (own.gamma, own.chromaticities) == (50_000, ())


def test_light_of_known_samples() -> None:
    """BT.2408: 203 cd/m2 are 58 % PQ and 75 % HLG; the corners of P3 and BT.2020 in sRGB; powers by hand."""
    gray = np.array([[0.0], [0.5080784], [0.5806889], [1.0]])
    np.testing.assert_allclose(
        light_of_cicp(gray, (9, 16, 0, 1))[:, 0] * 203, [0, 100, 203, 10_000], rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        light_of_cicp(np.array([[0.75], [1.0]]), (9, 18, 0, 1))[:, 0] * 203, [203, 1000], rtol=2e-3
    )
    np.testing.assert_allclose(light_of_cicp(np.full((1, 3), 0.75), (9, 18, 0, 1))[0], np.ones(3), rtol=2e-3)
    red = np.array([[1.0, 0.0, 0.0]])
    np.testing.assert_allclose(light_of_cicp(red, (12, 13, 0, 1))[0], [1.2249, -0.0420, -0.0196], atol=2e-4)
    np.testing.assert_allclose(light_of_cicp(red, (9, 8, 0, 1))[0], [1.6605, -0.1246, -0.0182], atol=2e-4)
    np.testing.assert_allclose(light_of_cicp(np.ones((1, 3)), (11, 8, 0, 1)), np.ones((1, 3)), atol=1e-9)
    half = np.full((1, 1), 0.5)
    assert light_of_gamma(half, 100_000, ())[0, 0] == 0.5
    assert light_of_gamma(half, 50_000, ())[0, 0] == 0.25
    assert light_to_srgb(half)[0, 0] == pytest.approx(0.7353569)
    np.testing.assert_allclose(light_of_gamma(red, 100_000, ADOBE)[0], [1.3983, 0, 0], atol=1e-3)
    np.testing.assert_allclose(light_of_gamma(np.ones((1, 3)), 0, ADOBE), np.ones((1, 3)), atol=1e-9)


@pytest.mark.parametrize("code", [1, 2, 4, 5, 6, 8, 13, 14, 15, 16, 17, 18])
def test_every_transfer_grows_from_black(code: int) -> None:
    light = light_of_cicp(np.linspace(0, 1, 100)[:, np.newaxis], (2, code, 0, 1))[:, 0]
    assert light[0] == pytest.approx(0, abs=1e-6)
    assert (np.diff(light) > 0).all()


@pytest.mark.parametrize("codes", [(9, 99, 0, 1), (77, 13, 0, 1), (9, 16, 9, 1), (9, 16, 0, 0)])
def test_unknown_code_points_are_kept_but_not_converted(codes: tuple[int, ...]) -> None:
    samples = picture("uint8", 3)
    meta = SignalMeta("uint8", (0.0, 255.0), ImageAttributes(cicp=codes))
    with pytest.raises(SpecError, match="cannot be converted; PNG keeps them"):
        encode_image(samples, meta, "jpeg")
    assert b"cICP" + bytes(codes) in encode_image(samples, meta, "png")


def light(samples: Array) -> Array:
    """What linear 8-bit samples are as 8-bit sRGB, by the other form of the curve."""
    unit = samples / 255
    return np.where(unit <= 0.0031308, 12.92 * unit, 1.055 * unit ** (1 / 2.4) - 0.055) * 255


@pytest.mark.parametrize("format_", ["jpeg", "webp", "tiff", "bmp", "avif", "ppm", "pam"])
def test_gamma_is_applied_where_a_format_has_no_place(format_: str) -> None:
    signal = decode_image(png_bytes(picture("uint8", 3), gama(100_000)), "x")
    back = decode_image(encode_image(signal.samples, signal.meta, format_), "x")
    assert not image_attributes(back.meta).is_coded
    if format_ in ("jpeg", "avif"):
        assert psnr_of(light(signal.samples), back.samples) > 35
    else:
        assert np.abs(back.samples - light(signal.samples)).max() <= 0.5001


@pytest.mark.parametrize("format_", ["exr", "pfm", "hdr"])
def test_light_goes_into_formats_of_light(format_: str) -> None:
    signal = decode_image(png_bytes(picture("uint16", 3), cicp(9, 16, 0, 1)), "x")
    back = decode_image(encode_image(signal.samples, signal.meta, format_), "x")
    expected = light_of_cicp(signal.samples / 65535, (9, 16, 0, 1))
    if format_ == "hdr":
        expected = expected.clip(0)
    assert image_attributes(back.meta).colour_space == "linear"
    assert back.samples.max() > 4  # far above white
    np.testing.assert_allclose(
        back.samples, expected, rtol=1e-6, atol=1e-6 if format_ != "hdr" else expected.max() / 128
    )


def test_alpha_is_no_colour() -> None:
    signal = decode_image(png_bytes(picture("uint8", 4), gama(100_000)), "x")
    back = decode_image(encode_image(signal.samples, signal.meta, "tiff"), "x")
    np.testing.assert_array_equal(back.samples[..., 3], signal.samples[..., 3])
    assert np.abs(back.samples[..., :3] - light(signal.samples[..., :3])).max() <= 0.5001


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("codes", [(9, 16), (9, 18), (12, 13)])
def test_code_points_go_into_avif_and_come_back(codes: tuple[int, int], dtype: str) -> None:
    samples = picture(dtype, 3)
    signal = decode_image(png_bytes(samples, cicp(*codes, 0, 1)), "x")
    back = decode_image(encode_image(signal.samples, signal.meta, "avif"), "x")
    assert image_attributes(back.meta).cicp == (*codes, 0, 1)
    assert back.meta.dtype == dtype
    assert psnr_of(samples, back.samples, np.iinfo(samples.dtype).max) > 35
    png = encode_image(back.samples, back.meta, "png")
    assert b"cICP" + bytes((*codes, 0, 1)) in png


def test_avif_of_ordinary_colours_has_no_codes() -> None:
    stream = io.BytesIO()
    Image.fromarray(picture("uint8", 3)).save(stream, "AVIF")
    plain = bytes(imagecodecs.avif_encode(picture("uint8", 3), level=90))
    for data in (stream.getvalue(), plain):
        assert not image_attributes(decode_image(data, "x").meta).is_coded


def test_a_profile_speaks_for_code_points_in_formats_that_hold_it() -> None:
    samples = picture("uint8", 3)
    meta = SignalMeta("uint8", (0.0, 255.0), ImageAttributes(icc_profile=PROFILE, cicp=(9, 16, 0, 1)))
    back = decode_image(encode_image(samples, meta, "tiff"), "x")
    np.testing.assert_array_equal(back.samples, samples)
    assert image_attributes(back.meta).icc_profile == PROFILE
    assert image_attributes(decode_image(encode_image(samples, meta, "bmp"), "x").meta).icc_profile is None


@pytest.mark.parametrize(
    ("chunks", "expected", "shown"),
    [
        (gama(100_000), {"gamma": 100_000}, "srgb, gamma=100000"),
        (cicp(9, 16, 0, 1), {"cicp": (9, 16, 0, 1)}, "srgb, cicp=(9, 16, 0, 1)"),
        (gama(45_455) + chrm(*ADOBE), {"gamma": 45_455, "chromaticities": ADOBE}, "chromaticities=(31270"),
    ],
)
def test_a_file_holds_the_codes(
    chunks: bytes, expected: dict[str, Any], shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.png").write_bytes(png_bytes(picture("uint8", 3), chunks))
    data = inr.compress(tmp_path / "x.png", tmp_path / "x.inr", **FAST).data
    assert describe(parse(data), len(data)).attributes == expected
    assert main(["info", str(tmp_path / "x.inr")]) == 0
    assert shown in capsys.readouterr().out
    inr.decompress(tmp_path / "x.inr", tmp_path / "y.png")
    own = image_attributes(inr.load(tmp_path / "y.png").meta)
    assert {name: value for name, value in vars(own).items() if name in expected} == expected
    assert (
        inr.compare(tmp_path / "x.png", tmp_path / "y.png").psnr
        == inr.compare(tmp_path / "x.png", tmp_path / "x.inr").psnr
    )
    inr.decompress(tmp_path / "x.inr", tmp_path / "y.bmp")
    png, bmp = (inr.load(tmp_path / name).samples for name in ("y.png", "y.bmp"))
    assert np.abs(png.astype(int) - bmp).mean() > 2  # converted


def test_a_file_of_ordinary_colours_holds_no_codes(tmp_path: Path) -> None:
    found = []
    for chunks in (b"", gama(45_455) + chrm(*SRGB) + chunk(b"sRGB", b"\0")):
        (tmp_path / "x.png").write_bytes(png_bytes(picture("uint8", 3), chunks))
        found.append(inr.compress(tmp_path / "x.png", **FAST).data)
    assert found[0] == found[1]
    assert parse(found[0]).header.extras == ()


@pytest.mark.parametrize(
    "extras", [((0, (9, 16, 0)),), ((0, (9, 16, 0, 999)),), ((1, -1),), ((1, 0),), ((2, (1,) * 7),), ((0, 5),)]
)
def test_codes_that_lie_are_refused(extras: Any) -> None:
    file = parse(inr.compress(picture("uint8", 3), **FAST).data)
    data = to_bytes(replace(file, header=replace(file.header, extras=extras)))
    with pytest.raises(CorruptHeaderError, match=r"^header: (image: |cicp: |gamma: |chromaticities: )"):
        inr.open(data)


def test_chromaticities_of_no_space_are_not_converted() -> None:
    meta = SignalMeta("uint8", (0.0, 255.0), ImageAttributes(chromaticities=(1,) * 8))
    with pytest.raises(SpecError, match="are those of no colour space"):
        encode_image(picture("uint8", 3), meta, "bmp")
