"""Writing image files: what each format holds, and how samples are converted for it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from inr.domain import Domain
from inr.errors import FileAccessError, SpecError
from inr.meta import SignalMeta
from inr.signals.image.attributes import ImageAttributes, image_attributes
from inr.signals.image.read import (
    check_format,
    decode_image,
    encode_image,
    format_of,
    load_image,
)
from inr.signals.image.write import save_image
from tests.support.image_files import (
    DTYPES,
    SHAPE,
    meta_of,
    picture,
    read,
)

CHANNELS = {
    "png": (1, 2, 3, 4),
    "jpeg": (1, 3),
    "webp": (1, 3, 4),
    "tiff": (1, 2, 3, 4),
    "bmp": (1, 3),
    "avif": (1, 3, 4),
    "ppm": (1, 3),
    "pam": (1, 2, 3, 4),
    "pbm": (1,),
    "pfm": (1, 3),
    "exr": (1, 2, 3, 4),
    "hdr": (1, 3),
    "npy": (1, 2, 3, 4),
}
KEEPS = {"png": 2, "ppm": 2, "pam": 2, "tiff": 4, "npy": 4}  # how many of DTYPES come back unchanged
SUFFIXES = [
    *(
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".avif",
        ".ppm",
        ".pgm",
        ".pnm",
        ".pam",
        ".pbm",
        ".pfm",
    ),
    *(".exr", ".hdr", ".npy"),
]
CASES = [(f, d, c) for f, channels in CHANNELS.items() for d in DTYPES for c in channels]


@pytest.mark.parametrize(("format_", "dtype", "channels"), CASES)
def test_round_trip(format_: str, dtype: str, channels: int) -> None:
    samples = picture(dtype, channels)
    signal = decode_image(encode_image(samples, meta_of(samples), format_), "x")
    back = signal.samples.astype(np.float64)
    assert signal.domain == Domain.of_shape(SHAPE)
    assert signal.channels == (3 if channels == 1 and format_ in ("webp", "hdr") else channels)
    assert signal.meta.dtype == signal.samples.dtype.name

    if dtype in DTYPES[: KEEPS.get(format_, 0)] or (format_ in ("exr", "pfm") and dtype.startswith("float")):
        assert signal.meta.dtype == ("float32" if format_ == "pfm" else dtype)
        multiplied = format_ == "exr" and channels in (2, 4)  # in the file, so numbers are rounded twice
        rounding = float(np.finfo(dtype).eps) if multiplied else 0.0
        np.testing.assert_allclose(back, samples, rtol=rounding, atol=0)
        return
    if format_ == "pbm":
        assert signal.meta.dtype == "uint8"
        eight = read(encode_image(samples, meta_of(samples), "bmp"))
        np.testing.assert_array_equal(signal.samples, np.where(eight < 128, 0, 255))
        return
    colours = channels - (channels in (2, 4))
    values = samples.astype(np.float64) / (1 if dtype.startswith("float") else np.iinfo(samples.dtype).max)
    if format_ in ("exr", "hdr", "pfm"):
        gray_floats = format_ == "pfm" and channels == 1  # as often depths
        assert image_attributes(signal.meta).colour_space == ("unknown" if gray_floats else "linear")
        if not dtype.startswith("float"):
            c = values[..., :colours]
            values[..., :colours] = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        shared = values.max(axis=2, keepdims=True) if format_ == "hdr" else 0.0  # the exponent that channels share
        assert (np.abs(back - values) <= 1e-6 + shared / 128).all()
        return
    top = 65535 if format_ in ("png", "ppm", "pam") else 255
    assert signal.meta.dtype == ("uint16" if top == 65535 else "uint8")
    if dtype.startswith("float"):
        values = values.clip(0, 1)
        c = values[..., :colours]
        values[..., :colours] = np.where(c <= 0.0031308, 12.92 * c, 1.055 * c ** (1 / 2.4) - 0.055)
    tolerance = {"jpeg": 12, "avif": 25}.get(format_, 0.5001)
    assert np.abs(back - values * top).max() <= tolerance


@pytest.mark.parametrize("format_", ["png", "webp", "tiff", "bmp", "ppm"])
def test_other_software_reads_what_is_written(format_: str) -> None:
    samples = picture("uint8", 3)
    with Image.open(io.BytesIO(encode_image(samples, meta_of(samples), format_))) as image:
        np.testing.assert_array_equal(np.asarray(image), samples)


def test_other_software_reads_deep_and_float_samples() -> None:
    gray, rgb, real = picture("uint16", 1), picture("uint16", 3), picture("float32", 4)
    for format_ in ("png", "ppm"):
        with Image.open(io.BytesIO(encode_image(gray, meta_of(gray), format_))) as image:
            np.testing.assert_array_equal(np.asarray(image), gray[..., 0])
    with Image.open(io.BytesIO(encode_image(rgb, meta_of(rgb), "png"))) as image:
        np.testing.assert_array_equal(np.asarray(image), rgb >> 8)  # Pillow keeps the upper byte
    for samples in (rgb, real):
        np.testing.assert_array_equal(
            tifffile.imread(io.BytesIO(encode_image(samples, meta_of(samples), "tiff"))), samples
        )
    np.testing.assert_array_equal(np.load(io.BytesIO(encode_image(gray, meta_of(gray), "npy"))), gray[..., 0])


@pytest.mark.parametrize(("format_", "channels"), [(f, c) for f, cs in CHANNELS.items() for c in cs])
def test_one_pixel(format_: str, channels: int) -> None:
    samples = np.full((1, 1, channels), 255, np.uint8)
    back = read(encode_image(samples, meta_of(samples), format_))
    assert back.shape[:2] == (1, 1)
    assert np.abs(back - (1.0 if format_ in ("exr", "hdr", "pfm") else 255.0)).max() <= (
        0.01 if back.dtype.kind == "f" else 1
    )


def test_floats_that_are_not_linear_fill_the_integers() -> None:
    samples = np.array([[[-5.0], [0.0], [15.0], [99.0]]], np.float32)
    meta = SignalMeta("float32", (-5.0, 15.0), ImageAttributes(colour_space="unknown"))
    assert read(encode_image(samples, meta, "png")).ravel().tolist() == [0, 16384, 65535, 65535]
    assert read(encode_image(samples, meta, "bmp")).ravel().tolist() == [0, 64, 255, 255]


def test_scaling_to_eight_bits_rounds_correctly() -> None:
    samples = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    expected = np.floor(samples * (255 / 65535) + 0.5)
    np.testing.assert_array_equal(read(encode_image(samples, meta_of(samples), "bmp")), expected)


def test_hdr_holds_no_negative_and_no_huge_values() -> None:
    samples = np.array([[[-1.0, 2.0, 0.5], [3e38, 1.0, 0.0]]], np.float32)
    back = read(encode_image(samples, meta_of(samples), "hdr"))
    assert back[0, 0].tolist() == [0.0, 2.0, 0.5]
    assert back[0, 1, 0] == pytest.approx(1.6947e38, rel=1e-3)


def test_samples_need_not_be_contiguous() -> None:
    samples = np.asfortranarray(picture("float32", 3))[::-1]
    for format_ in ("exr", "tiff", "npy"):
        np.testing.assert_array_equal(read(encode_image(samples, meta_of(samples), format_)), samples)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_save_and_load_by_suffix(tmp_path: Path, suffix: str) -> None:
    samples = picture("uint8", 1 if suffix in (".pgm", ".pbm") else 3)
    path = tmp_path / f"picture{suffix.upper()}"
    save_image(path, samples, meta_of(samples))
    signal = load_image(path)
    assert signal.samples.shape == samples.shape
    assert format_of(path) == format_of(f"x{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_dash_means_png_on_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    samples = picture("uint8", 3)
    assert format_of("-") == "png"
    save_image("-", samples, meta_of(samples))
    np.testing.assert_array_equal(read(capfdbinary.readouterr().out), samples)


@pytest.mark.parametrize("path", ["picture.jp2", "picture", "png", Path("a.png/b.gif")])
def test_unknown_suffix_lists_the_known_ones(path: str | Path) -> None:
    with pytest.raises(SpecError, match="allowed are") as caught:
        format_of(path)
    assert all(suffix in str(caught.value) for suffix in SUFFIXES)


@pytest.mark.parametrize(("format_", "channels"), [(f, c) for f in CHANNELS for c in (1, 2, 3, 4)])
def test_check_format_agrees_with_encoding(format_: str, channels: int) -> None:
    samples = picture("uint8", channels)
    if channels in CHANNELS[format_]:
        check_format(format_, channels, "uint8", SHAPE)
        assert encode_image(samples, meta_of(samples), format_)
        return
    for call in (
        lambda: check_format(format_, channels, "uint8"),
        lambda: encode_image(samples, meta_of(samples), format_),
    ):
        with pytest.raises(SpecError, match=r"formats that can are .*tiff") as caught:
            call()
        assert f"format {format_} cannot hold" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gif", 3, "uint8"), "unknown name 'gif'; allowed are png, jpeg"),
        (("png", 5, "uint8"), "1 to 4 are allowed; got 5"),
        (("png", 3, "int32"), "unknown type 'int32'; allowed are uint8, uint16"),
        (("webp", 3, "uint8", (10, 16384)), "at most 16383 pixels.*formats that can are png, jpeg, tiff"),
    ],
)
def test_check_format_refuses(arguments: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        check_format(*arguments)


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 3), (4, 0, 3), (4, 4, 0)])
def test_encode_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="height, width, channels"):
        encode_image(np.zeros(shape, np.uint8), SignalMeta("uint8", (0, 255), ImageAttributes()), "png")


def test_save_into_a_missing_directory(tmp_path: Path) -> None:
    samples = picture("uint8", 3)
    with pytest.raises(FileAccessError, match="does not exist"):
        save_image(tmp_path / "no" / "x.png", samples, meta_of(samples))
