"""Reading image files: types, ranges, layouts, orientation, profiles."""

import io
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image, ImageOps

from inr.errors import SignalError
from inr.signals.image.attributes import image_attributes
from inr.signals.image.read import (
    decode_image,
    encode_image,
    image_from_array,
)
from tests.support.image_files import (
    DTYPES,
    PROFILE,
    SHAPE,
    Array,
    chunk,
    exif_bytes,
    exr_bytes,
    meta_of,
    picture,
    png_bytes,
    read,
    saved,
    tiff_bytes,
)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_both_depths(dtype: str, channels: int) -> None:
    samples = picture(dtype, channels)
    signal = decode_image(png_bytes(samples), "x")
    np.testing.assert_array_equal(signal.samples, samples)
    assert signal.samples.flags.writeable
    assert image_attributes(signal.meta).colour_space == "srgb"


@pytest.mark.parametrize(
    ("mode", "format_", "expected_mode"),
    [
        *(("1", f, "L") for f in ("PNG", "BMP", "TIFF")),
        *(("P", f, "RGB") for f in ("PNG", "BMP", "TIFF", "GIF")),
        *(("CMYK", f, "RGB") for f in ("JPEG", "TIFF")),
        ("YCbCr", "TIFF", "RGB"),
        ("LA", "TIFF", "LA"),
        ("RGBA", "WEBP", "RGB"),  # the encoder leaves out alpha that is opaque everywhere
    ],
)
def test_other_colour_models_become_8_bit(mode: str, format_: str, expected_mode: str) -> None:
    image = Image.fromarray(picture("uint8", 3)).convert(mode)
    data = saved(image, format_, **({"lossless": True} if format_ == "WEBP" else {}))
    with Image.open(io.BytesIO(data)) as again:
        expected = np.atleast_3d(np.asarray(again.convert(expected_mode)))
    np.testing.assert_array_equal(read(data), expected)


@pytest.mark.parametrize("format_", ["PNG", "GIF"])
def test_transparent_palette(format_: str) -> None:
    data = saved(Image.fromarray(picture("uint8", 3)).quantize(8), format_, transparency=3)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGBA"))
    assert (expected[..., 3] == 0).any()
    np.testing.assert_array_equal(read(data), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "rgb", "tile": (16, 16), "compression": "zlib", "predictor": True},
        {"photometric": "rgb", "byteorder": ">", "rowsperstrip": 2},
        {"photometric": "rgb", "bigtiff": True, "compression": "lzw"},
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_tiff_layouts(options: dict[str, Any], dtype: str) -> None:
    samples = picture(dtype, 3)
    if dtype == "float16":
        options = {k: v for k, v in options.items() if k != "predictor"}
    signal = decode_image(tiff_bytes(samples, **options), "x")
    np.testing.assert_array_equal(signal.samples, samples)
    assert image_attributes(signal.meta).colour_space == ("linear" if dtype.startswith("float") else "srgb")


def test_tiff_special_cases() -> None:
    rgb, gray = picture("uint16", 3), picture("uint16", 1)[..., 0]
    planes = tiff_bytes(np.moveaxis(rgb, -1, 0).copy(), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read(planes), rgb)
    np.testing.assert_array_equal(read(tiff_bytes(gray, photometric="miniswhite"))[..., 0], 65535 - gray)
    np.testing.assert_array_equal(read(tiff_bytes(rgb.astype(np.float64), photometric="rgb")), rgb.astype(np.float32))
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(rgb, photometric="rgb")
        writer.write(rgb[::2, ::2], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read(stream.getvalue()), rgb)  # a thumbnail is no second page


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (12, 4095)])
def test_avif_depths(bits: int, top: int) -> None:
    exact = picture("uint16", 3).astype(np.float64) / 65535
    stored: Array = np.rint(exact * top).astype("uint8" if bits == 8 else "uint16")
    signal = decode_image(bytes(imagecodecs.avif_encode(stored, level=100, bitspersample=bits)), "x")
    assert signal.meta.dtype == ("uint8" if bits == 8 else "uint16")
    full = 255 if bits == 8 else 65535
    np.testing.assert_array_equal(signal.samples, np.rint(stored * (full / top)))


@pytest.mark.parametrize("maximum", [1, 7, 255, 1000, 65535])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_pnm_kinds_and_maxima(kind: int, maximum: int) -> None:
    stored = picture("uint16", 3 if kind in (3, 6) else 1).astype(np.int64) % (maximum + 1)
    stored[0, 0, 0] = maximum
    header = f"P{kind} # comment\n{SHAPE[1]} {SHAPE[0]}\n# another\n{maximum}\n".encode()
    text = " ".join(map(str, stored.ravel())).encode() + b"\n"
    data = header + (text if kind < 4 else stored.astype("u1" if maximum < 256 else ">u2").tobytes())
    signal = decode_image(data, "x")
    top = 255 if maximum < 256 else 65535
    assert signal.meta.dtype == ("uint8" if maximum < 256 else "uint16")
    np.testing.assert_array_equal(signal.samples, np.floor(stored * (top / maximum) + 0.5))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("names", ["Y", "YA", "RGB", "RGBA"])
def test_exr_channels_in_order(names: str, dtype: str) -> None:
    samples = picture(dtype, len(names))
    if "A" in names:
        samples[..., -1] = 0.5  # by which colours are multiplied in the file
    signal = decode_image(exr_bytes({n: samples[..., i].copy() for i, n in enumerate(names)}), "x")
    if "A" in names:
        samples[..., :-1] *= 2
    np.testing.assert_array_equal(signal.samples, samples)
    assert (signal.meta.dtype, image_attributes(signal.meta).colour_space) == (dtype, "linear")
    assert signal.meta.value_range == (float(samples.min()), float(samples.max()))


def test_exr_windows_tiles_and_mixed_types() -> None:
    samples = picture("float32", 3)
    corner = (np.array([2, 3], np.int32), np.array([2 + SHAPE[1] - 1, 3 + SHAPE[0] - 1], np.int32))
    frame = (np.array([0, 0], np.int32), np.array([99, 99], np.int32))
    np.testing.assert_array_equal(
        read(exr_bytes({"RGB": samples}, {"dataWindow": corner, "displayWindow": frame})), samples
    )
    large = picture("float32", 3, (90, 70))
    tiled = {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
    np.testing.assert_array_equal(read(exr_bytes({"RGB": large}, tiled)), large)
    mixed = {"R": samples[..., 0].copy(), "G": samples[..., 1].copy(), "B": samples[..., 2].astype(np.float16)}
    np.testing.assert_array_equal(read(exr_bytes(mixed)), samples)


@pytest.mark.parametrize("order", ["-Y +X", "-Y -X", "+Y +X", "+Y -X", "+X -Y", "-X -Y", "+X +Y", "-X +Y"])
def test_hdr_scanline_orders(order: str) -> None:
    upright = picture("float32", 3)
    first, second = order.split()
    stored = upright[::-1] if "+Y" in order else upright
    stored = stored[:, ::-1] if "-X" in order else stored
    stored = stored if first[1] == "Y" else stored.swapaxes(0, 1)
    data = bytes(imagecodecs.rgbe_encode(np.ascontiguousarray(stored), header=True))
    usual = f"-Y {stored.shape[0]} +X {stored.shape[1]}\n".encode()
    assert usual in data
    data = data.replace(usual, f"{first} {stored.shape[0]} {second} {stored.shape[1]}\n".encode())
    back = read(data.replace(b"\nFORMAT", b"\nEXPOSURE=1.0\nFORMAT"))
    np.testing.assert_allclose(back, upright, atol=upright.max() / 128)


@pytest.mark.parametrize("dtype", [*DTYPES, "float64", ">f4", ">u2"])
def test_npy_types_and_orders(dtype: str) -> None:
    samples = picture("float32" if "f" in dtype else "uint16", 3)
    samples = (samples if "f" in dtype else samples % 256).astype(dtype)
    for array in (samples, np.asfortranarray(samples), samples[..., 0]):
        stream = io.BytesIO()
        np.save(stream, array)
        signal = decode_image(stream.getvalue(), "x")
        np.testing.assert_array_equal(signal.samples, np.atleast_3d(array))
        assert signal.meta.dtype == {"float64": "float32", ">f4": "float32", ">u2": "uint16"}.get(dtype, dtype)
        assert image_attributes(signal.meta).colour_space == ("unknown" if "f" in dtype else "srgb")
        assert signal.samples.flags.writeable


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([3, 9], "uint8", (0, 255)),
        ([3, 900], "uint16", (3, 900)),
        ([7, 7], "uint16", (7, 8)),
        ([65535, 65535], "uint16", (65534, 65535)),
        ([-1.5, 2.5], "float32", (-1.5, 2.5)),
        ([0.25, 0.25], "float16", (0.25, 1.25)),
    ],
)
def test_value_range(values: list[float], dtype: str, expected: tuple[float, float]) -> None:
    assert image_from_array(np.array([values], dtype)).meta.value_range == expected


def test_value_range_of_a_huge_constant_is_not_empty() -> None:
    low, high = image_from_array(np.full((2, 2), 3e38, np.float32)).meta.value_range
    assert low == np.float32(3e38)
    assert np.isfinite(high)
    assert high > low


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF", "TIFF palette", "AVIF"])
def test_orientation_is_applied(format_: str, orientation: int) -> None:
    image = Image.fromarray(picture("uint8", 3))
    if format_ == "TIFF palette":
        image = image.quantize(200)
    data = saved(image, format_.split()[0], exif=exif_bytes(orientation))
    with Image.open(io.BytesIO(data)) as again:
        expected = np.asarray(ImageOps.exif_transpose(again).convert("RGB"))
    signal = decode_image(data, "x")
    np.testing.assert_array_equal(signal.samples, expected)
    assert signal.domain.shape == (SHAPE if orientation < 5 else SHAPE[::-1])
    if format_ != "TIFF palette":
        assert image_attributes(signal.meta).orientation == orientation
    rewritten = decode_image(encode_image(signal.samples, signal.meta, "png"), "x")
    np.testing.assert_array_equal(rewritten.samples, expected)
    assert image_attributes(rewritten.meta).orientation == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bit_files(orientation: int) -> None:
    samples = picture("uint16", 3)
    small = Image.fromarray((samples >> 8).astype(np.uint8))
    small.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(small))
    exif = exif_bytes(orientation).removeprefix(b"Exif\0\0")
    tiff = tiff_bytes(samples, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    for data in (png_bytes(samples, chunk(b"eXIf", exif)), tiff):
        signal = decode_image(data, "x")
        np.testing.assert_array_equal(signal.samples // 256, expected)
        assert image_attributes(signal.meta).orientation == orientation


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"no", exif_bytes(9)])
def test_broken_exif_does_not_spoil_a_picture(exif: bytes) -> None:
    samples = picture("uint8", 3)
    for data in (
        png_bytes(samples, chunk(b"eXIf", exif)),
        saved(Image.fromarray(samples), "WEBP", exif=exif, lossless=True),
    ):
        signal = decode_image(data, "x")
        np.testing.assert_array_equal(signal.samples, samples)
        assert image_attributes(signal.meta).orientation == 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("format_", ["png", "jpeg", "webp", "tiff", "avif"])
def test_profile_is_kept(format_: str, dtype: str) -> None:
    samples = picture(dtype, 3)
    data = encode_image(samples, meta_of(samples, PROFILE), format_)
    assert image_attributes(decode_image(data, "x").meta).icc_profile == PROFILE
    if (format_, dtype) != ("tiff", "uint16"):
        with Image.open(io.BytesIO(data)) as image:
            assert image.info["icc_profile"] == PROFILE


def test_profiles_that_would_lie_are_dropped() -> None:
    cmyk = Image.fromarray(picture("uint8", 3)).convert("CMYK")
    for format_ in ("JPEG", "TIFF"):
        assert image_attributes(decode_image(saved(cmyk, format_, icc_profile=PROFILE), "x").meta).icc_profile is None
    gray, profile = picture("uint8", 1), PROFILE.replace(b"RGB ", b"GRAY")
    assert (
        image_attributes(decode_image(encode_image(gray, meta_of(gray, profile), "webp"), "x").meta).icc_profile is None
    )
    assert (
        image_attributes(decode_image(encode_image(gray, meta_of(gray, profile), "png"), "x").meta).icc_profile
        == profile
    )
    broken = chunk(b"iCCP", b"name\0\0not deflated")
    assert image_attributes(decode_image(png_bytes(gray, broken), "x").meta).icc_profile is None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("coding", "bits"),
    [("lossy", 8), ("lossy", 12), *((c, b) for c in ("lossless", "jpegls") for b in (8, 10, 12, 16))],
)
def test_jpeg_of_any_depth(coding: str, bits: int, channels: int) -> None:
    samples, top = picture("uint16", channels), 2**bits - 1
    stored = (samples >> (16 - bits)).astype("uint8" if bits == 8 else "uint16")
    given = stored[..., 0] if channels == 1 else stored
    if coding == "jpegls":
        data = bytes(imagecodecs.jpegls_encode(given))
        stated = 8 if bits == 8 else data[data.index(b"\xff\xf7") + 4]
        top = 2**stated - 1
    else:
        data = bytes(imagecodecs.jpeg8_encode(given, bitspersample=bits, lossless=coding == "lossless", level=98))
    exif = exif_bytes(6)
    data = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    signal = decode_image(data, "x")
    full = 255 if bits == 8 else 65535
    expected = np.rot90(np.floor(stored * (full / top) + 0.5), -1)
    assert image_attributes(signal.meta).orientation == 6
    if coding == "lossy":
        assert np.abs(signal.samples - expected).mean() < full / 50
    else:
        np.testing.assert_array_equal(signal.samples, expected)


@pytest.mark.parametrize(("marker", "what"), [(0xC5, "hierarchical"), (0xCB, "lossless with arithmetic codes")])
def test_jpeg_that_nothing_decodes_is_not_damaged(marker: int, what: str) -> None:
    data = saved(Image.fromarray(picture("uint8", 3)), "JPEG").replace(b"\xff\xc0", bytes([0xFF, marker]), 1)
    with pytest.raises(SignalError, match=f"^x is not supported: it is JPEG, {what}$"):
        decode_image(data, "x")
    cut = bytes(imagecodecs.jpegls_encode(picture("uint8", 3)))[:-20]
    with pytest.raises(SignalError, match=r"^x is damaged"):
        decode_image(cut, "x")


PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def packed_rows(values: Array, bits: int) -> bytes:
    """Rows of a PNG file without a filter; values of fewer bits than 8 share bytes."""
    flat = values.reshape(values.shape[0], -1)
    if bits >= 8:
        return b"".join(b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes() for row in flat)
    digits = (flat[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    return b"".join(b"\0" + np.packbits(row.astype(np.uint8).ravel()).tobytes() for row in digits)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (11, 13)])
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize(
    ("colour", "bits", "channels"),
    [
        *((0, bits, 1) for bits in (1, 2, 4, 8, 16)),
        *((3, bits, 1) for bits in (1, 2, 4, 8)),
        *((colour, bits, channels) for colour, channels in ((2, 3), (4, 2), (6, 4)) for bits in (8, 16)),
    ],
)
def test_every_kind_of_png_interlaced_or_not(
    colour: int, bits: int, channels: int, transparent: bool, size: tuple[int, int], capfd: pytest.CaptureFixture[str]
) -> None:
    random, top = np.random.default_rng(4), 2**bits - 1
    values = random.integers(0, top + 1, (*size, channels))
    palette = random.integers(0, 256, (top + 1 if bits <= 8 else 1, 3)).astype(np.uint8)
    tables = chunk(b"PLTE", palette.tobytes()) if colour == 3 else b""
    expected = palette[values[..., 0]] if colour == 3 else values * (65535 if bits == 16 else 255) // top
    clear = values[-1, -1]
    if transparent and colour in (0, 2):
        tables += chunk(b"tRNS", struct.pack(f">{channels}H", *clear))
        alpha = np.where((values == clear).all(axis=-1), 0, 65535 if bits == 16 else 255)
        expected = np.concatenate([expected, alpha[..., np.newaxis]], axis=-1)
    elif transparent and colour == 3:
        tables += chunk(b"tRNS", bytes([7]))
        expected = np.concatenate([expected, np.where(values == 0, 7, 255)], axis=-1)
    whole = packed_rows(values, bits)
    passes = [values[y::dy, x::dx] for y, x, dy, dx in PASSES]
    parts = b"".join(packed_rows(part, bits) for part in passes if part.size)
    for interlaced, rows in ((0, whole), (1, parts)):
        header = struct.pack(">IIBBBBB", size[1], size[0], bits, colour, 0, 0, interlaced)
        body = chunk(b"IHDR", header) + tables + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        np.testing.assert_array_equal(read(b"\x89PNG\r\n\x1a\n" + body), expected)
    short = chunk(b"IHDR", header) + tables + chunk(b"IDAT", zlib.compress(rows[:-1])) + chunk(b"IEND", b"")
    with pytest.raises(SignalError, match="damaged"):
        read(b"\x89PNG\r\n\x1a\n" + short)
    assert capfd.readouterr() == ("", "")


def bitmap(bits: int, compression: int, masks: bytes = b"") -> bytes:
    """A BMP file of 2 x 2 pixels, made by hand."""
    info = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, bits, compression, 32, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(masks) + 32, 0, 0, 54 + len(masks)) + info + masks + bytes(32)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (bitmap(24, 4), r"Unsupported BMP compression \(4\)"),
        (bitmap(64, 0), r"Unsupported BMP pixel depth \(64\)"),
        (bitmap(32, 3, struct.pack("<III", 0x3FF00000, 0xFFC00, 0x3FF)), "Unsupported BMP bitfields layout"),
        (
            b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", bytes(4)) + png_bytes(picture("uint8", 3))[8:],
            "it is PNG as Apple's tools",
        ),
    ],
)
def test_what_decoders_lack_is_no_damage(data: bytes, what: str) -> None:
    with pytest.raises(SignalError, match=f"^x is not supported: {what}"):
        decode_image(data, "x")
