"""Kinds of TIFF: what is compressed, coloured or numbered in another way is read right, or refused for what it is."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from inr.codec.load_save import load_parts
from inr.errors import SignalError
from inr.signals.image.attributes import image_attributes
from inr.signals.image.read import decode_image, encode_image, load_image
from tests.support.image_files import PROFILE, Array, picture, read, saved, tiff_bytes

LOSSLESS = ["lzw", "zlib", "lzma", "zstd", "packbits", "jpeg2000", "jpegxl", "jpegxr", "lerc", "png", "webp"]


def directory(tags: list[tuple[int, int, list[int]]], body: bytes) -> bytes:
    """A little-endian TIFF file of one page made by hand; offsets of strips and of JPEG count from the body."""
    codes = {1: "B", 3: "H", 4: "I"}
    start = 8 + 2 + 12 * len(tags) + 4
    far = sum(len(values) * struct.calcsize(codes[kind]) for _, kind, values in tags)  # room for all of them
    entries, outside = b"", b""
    for tag, kind, values in sorted(tags):
        numbers = [start + far + v for v in values] if tag in (273, 513) else values
        packed = struct.pack(f"<{len(numbers)}{codes[kind]}", *numbers)
        entries += struct.pack("<HHI", tag, kind, len(numbers))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack("<I", start + len(outside))
            outside += packed
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)
    return head + outside.ljust(far, b"\0") + body


def page(bits: list[int], compression: int, photometric: int, length: int, **more: list[int]) -> Any:
    """Tags of a page of 16 x 8 pixels in one strip; `more` names further ones by number, as ``t330``."""
    basic = {
        256: [16],
        257: [8],
        258: bits,
        259: [compression],
        262: [photometric],
        273: [0],
        277: [len(bits)],
        279: [length],
    }
    every = basic | {int(name[1:]): values for name, values in more.items()}
    return [(tag, 4 if tag in (273, 279, 330, 513, 514) else 1 if tag == 50706 else 3, v) for tag, v in every.items()]


@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"bigtiff": True, "rowsperstrip": 5}, {"byteorder": ">"}])
def test_every_lossless_compression(compression: str, options: dict[str, Any]) -> None:
    for samples in (picture("uint8", 3), picture("uint8", 1)):
        if samples.shape[2] == 1 and compression == "webp":
            continue
        plain = samples if samples.shape[2] == 3 else samples[..., 0]
        kind = "rgb" if samples.shape[2] == 3 else "minisblack"
        np.testing.assert_array_equal(
            read(tiff_bytes(plain, photometric=kind, compression=compression, **options)), samples
        )


@pytest.mark.parametrize("compression", ["jpeg2000", "jpegxl", "zstd", "lerc"])
def test_planes_and_16_bits(compression: str) -> None:
    samples = picture("uint16", 3)
    planes = np.moveaxis(samples, -1, 0).copy()
    for data in (
        tiff_bytes(samples, photometric="rgb", compression=compression),
        tiff_bytes(planes, photometric="rgb", planarconfig="separate", compression=compression),
    ):
        np.testing.assert_array_equal(read(data), samples)


@pytest.mark.parametrize("compression", [None, "zlib", "zstd"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
)
def test_every_type_of_numbers(dtype: str, order: str, compression: str | None, tmp_path: Path) -> None:
    values = picture("uint16", 1)[..., 0].astype(np.int64) - (0 if dtype[0] == "u" else 2000)
    stored = (values % 256 - 128 if dtype == "int8" else values).astype(dtype)
    data = tiff_bytes(stored, photometric="minisblack", byteorder=order, compression=compression)
    signal = decode_image(data, "x")
    kept = dtype if np.dtype(dtype).itemsize <= 2 or dtype == "float32" else "float32"
    assert signal.meta.dtype == kept
    (tmp_path / "x.tif").write_bytes(data)
    [part] = load_parts(tmp_path / "x.tif").signals  # not read whole if it is not compressed
    assert part.meta == signal.meta
    np.testing.assert_array_equal(part.samples, signal.samples)
    np.testing.assert_array_equal(signal.samples[..., 0], stored.astype(kept))
    assert image_attributes(signal.meta).colour_space == "unknown"
    if kept in ("int8", "int16"):
        for format_ in ("tiff", "npy"):
            again = encode_image(signal.samples, signal.meta, format_)
            back = tifffile.imread(io.BytesIO(again)) if format_ == "tiff" else np.load(io.BytesIO(again))
            assert back.dtype == kept
            np.testing.assert_array_equal(back, stored)
        png = read(encode_image(signal.samples, signal.meta, "png"))
        assert (png.min(), png.max()) == (0, np.iinfo(png.dtype).max)  # the values that occur, over the whole range


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_odd_depths_are_stretched(bits: int, photometric: str) -> None:
    top = 2**bits - 1
    stored = picture("uint16", 1)[..., 0] % (top + 1)
    given = stored.astype(bool if bits == 1 else "uint8" if bits <= 8 else "uint16")
    signal = decode_image(tiff_bytes(given, photometric=photometric, bitspersample=bits), "x")
    full = 255 if bits <= 8 else 65535
    light = stored if photometric == "minisblack" else top - stored
    assert signal.meta.dtype == ("uint8" if bits <= 8 else "uint16")
    np.testing.assert_array_equal(signal.samples[..., 0], np.floor(light * (full / top) + 0.5))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax(compression: str) -> None:
    image = Image.fromarray(picture("uint8", 1)[..., 0]).convert("1")
    np.testing.assert_array_equal(
        read(saved(image, "TIFF", compression=compression))[..., 0], np.asarray(image.convert("L"))
    )


def test_palettes() -> None:
    indices = picture("uint8", 1)[..., 0]
    table = (np.random.default_rng(1).integers(0, 256, (3, 256)) * 257).astype(np.uint16)
    for data in (
        tiff_bytes(indices, photometric="palette", colormap=table),
        tiff_bytes(indices, photometric="palette", colormap=table, compression="jpeg2000", tile=(16, 16)),
        tiff_bytes(indices, photometric="palette", colormap=table // 257),  # 8-bit values, as some programs write them
    ):
        np.testing.assert_array_equal(read(data), (table // 257).T[indices])
    deep = np.arange(65536, dtype=np.uint16)
    data = tiff_bytes(deep.reshape(256, 256), photometric="palette", colormap=np.stack([deep, deep[::-1], deep]))
    expected = np.stack([deep, deep[::-1], deep], axis=-1) // 256
    np.testing.assert_array_equal(read(data), expected.reshape(256, 256, 3))


@pytest.mark.parametrize("compression", [None, "lzw", "zstd", "jpeg2000", "jpegxl"])
def test_inks(compression: str | None) -> None:
    inks = np.asarray(Image.fromarray(picture("uint8", 3)).convert("CMYK")).copy()
    inks[..., 3] = np.arange(inks.shape[1])
    expected = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))
    options = {"photometric": "separated", "compression": compression}
    np.testing.assert_array_equal(read(tiff_bytes(inks, **options)), expected)
    planes = tiff_bytes(np.moveaxis(inks, -1, 0).copy(), planarconfig="separate", **options)
    np.testing.assert_array_equal(read(planes), expected)
    deep = read(tiff_bytes(inks.astype(np.uint16) * 257, **options))
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 257, expected, atol=0.51)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_inks_with_alpha(dtype: str) -> None:
    unit = 1 if dtype == "uint8" else 257
    inks, alpha = picture("uint8", 4), picture("uint8", 1) // 2 + 100
    expected = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))
    whole = np.concatenate([inks, alpha], axis=-1).astype(dtype) * unit
    found = read(tiff_bytes(whole.astype(dtype), photometric="separated", extrasamples=["unassalpha"]))
    np.testing.assert_allclose(found[..., :3] / unit, expected, atol=0.51)
    np.testing.assert_array_equal(found[..., 3:] // unit, alpha)
    covered = np.rint(whole * (alpha / 255)).astype(dtype)
    covered[..., 4:] = whole[..., 4:]
    again = read(tiff_bytes(covered, photometric="separated", extrasamples=["assocalpha"]))
    np.testing.assert_allclose(again[..., :3] / unit, expected, atol=5)


def test_profiles_of_inks_and_of_cielab_are_dropped() -> None:
    for samples, photometric in ((picture("uint8", 4), "separated"), (picture("uint8", 3), "cielab")):
        data = tiff_bytes(samples, photometric=photometric, iccprofile=PROFILE)
        assert image_attributes(decode_image(data, "x").meta).icc_profile is None


def test_cielab_of_known_colours() -> None:
    """Corners of sRGB as CIELab with the white D50 (Lindbloom's calculator), and the gray of L = 50."""
    lab = np.array(
        [[100, 0, 0], [0, 0, 0], [54.29, 80.81, 69.89], [87.82, -79.27, 80.99], [29.57, 68.30, -112.03], [50, 0, 0]]
    )
    rgb = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [118.9, 118.9, 118.9]])
    for bits, top, unit in ((8, 255, 1), (16, 65535, 256)):
        stored = np.stack([lab[:, 0] * top / 100, lab[:, 1] * unit, lab[:, 2] * unit], axis=-1)
        numbers = np.rint(stored).astype(np.int64) % (top + 1)
        data = tiff_bytes(numbers.astype(f"uint{bits}")[np.newaxis], photometric="cielab")
        np.testing.assert_allclose(read(data)[0] * (255 / top), rgb, atol=10 if bits == 8 else 0.6)
    icc = np.rint(np.stack([lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], axis=-1))
    data = tiff_bytes(icc.astype(np.uint16)[np.newaxis], photometric="icclab")
    np.testing.assert_allclose(read(data)[0] / 257, rgb, atol=0.6)


def test_subsampled_chroma_without_jpeg() -> None:
    y, x = np.mgrid[:8, :16]
    rgb = np.stack([x * 12, y * 20, x + y], axis=-1).astype(np.uint8)
    parts = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(np.float64).reshape(4, 2, 8, 2, 3)
    luma = parts[..., 0].transpose(0, 2, 1, 3).reshape(4, 8, 4)
    packed = np.rint(np.concatenate([luma, parts.mean(axis=(1, 3))[..., 1:]], axis=-1)).astype(np.uint8).tobytes()
    data = directory(page([8, 8, 8], 1, 6, len(packed), t530=[2, 2]), packed)
    assert np.abs(read(data).astype(int) - rgb).max() <= 20  # the mean colour of four pixels
    with pytest.raises(SignalError, match="damaged"):
        decode_image(data[:-3], "x")


@pytest.mark.parametrize("strips", [True, False])
def test_old_style_jpeg(strips: bool) -> None:
    samples = picture("uint8", 3, (8, 16))
    inside = saved(Image.fromarray(samples), "JPEG", quality=95)
    tags = page([8, 8, 8], 6, 6, len(inside), t513=[0], t514=[len(inside)], t512=[1], t530=[2, 2])
    found = read(directory([tag for tag in tags if strips or tag[0] not in (273, 279)], inside))
    assert np.abs(found.astype(int) - samples).mean() < 4


RAW = {
    "DNG": directory(page([8, 8, 8], 1, 2, 384, t254=[1], t50706=[1, 4, 0, 0]), bytes(384)),
    "CR2": b"II*\0\x10\0\0\0CR\2\0\0\0\0\0" + directory(page([8], 1, 1, 128), bytes(128))[8:],
    "sensor": directory(page([16], 1, 32803, 256), bytes(256)),
    "linear": directory(page([16, 16, 16], 1, 34892, 768), bytes(768)),
}


@pytest.mark.parametrize("kind", RAW)
def test_camera_raw_files_are_not_taken_for_their_previews(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.raw"
    path.write_bytes(RAW[kind])
    for read_it in (load_image, load_parts):
        with pytest.raises(SignalError, match=rf"^{path} is a camera raw file.*, which is not supported: develop it"):
            read_it(path)


def test_a_sensor_below_a_preview_is_raw() -> None:
    """As in NEF and ARW files: the page is a small picture, its sub-directory holds what the sensor saw."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(picture("uint8", 3), photometric="rgb", subifds=1)
        writer.write(picture("uint16", 1)[..., 0], photometric=32803, subfiletype=0)
    with pytest.raises(SignalError, match="is a camera raw file"):
        decode_image(stream.getvalue(), "x")
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(picture("uint8", 3), photometric="rgb", subifds=1)
        writer.write(picture("uint8", 3)[::2, ::2], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read(stream.getvalue()), picture("uint8", 3))  # a smaller copy is no sensor


@pytest.mark.parametrize("places", [[0], [2**31], [8] * 100_000])
def test_sub_directories_that_lie_do_not_spoil_the_page(places: list[int]) -> None:
    body = bytes(range(128))
    found = read(directory(page([8], 1, 1, 128, t330=places), body))
    np.testing.assert_array_equal(found.ravel(), np.arange(128))


@pytest.mark.parametrize(
    ("bits", "compression", "photometric", "expected"),
    [
        ([8], 34661, 1, r"compression 34661 of TIFF \(JBIG\)"),
        ([8], 64999, 1, r"compression 64999 of TIFF \(unknown\)"),
        ([8], 65000, 1, r"compression 65000 of TIFF"),
        ([16, 16, 16], 34676, 32845, r"colour model 32845 of TIFF \(LogLuv\)"),
        ([1], 1, 4, r"colour model 4 of TIFF \(a mask\)"),
        ([16, 16, 16], 1, 6, "16-bit YCbCr"),
        ([8] * 4, 1, 5, "2 inks"),
    ],
)
def test_what_is_not_supported_is_named(bits: list[int], compression: int, photometric: int, expected: str) -> None:
    size = 16 * 8 * len(bits) * 2
    more = {"t334": [2]} if "inks" in expected else {}
    with pytest.raises(SignalError, match=f"^x is not supported: it has {expected}"):
        decode_image(directory(page(bits, compression, photometric, size, **more), bytes(size)), "x")


def test_thumbnails_alone_are_no_picture() -> None:
    data = directory(page([8], 1, 1, 128, t254=[1]), bytes(128))
    with pytest.raises(SignalError, match="not supported: all its pages are thumbnails or masks"):
        decode_image(data, "x")


def noisy() -> Array:
    return np.random.default_rng(2).integers(0, 256, (40, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize("compression", ["jpeg2000", "jpegxl", "png"])
def test_what_tifffile_decodes_and_is_cut_or_changed_is_damaged(
    compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tiff_bytes(noisy(), photometric="rgb", compression=compression, rowsperstrip=9)
    for end in range(8, len(data), len(data) // 23):
        with pytest.raises(SignalError, match="damaged"):
            decode_image(data[:end], "x")
    random = np.random.default_rng(5)
    for _ in range(40):
        changed = bytearray(data)
        changed[int(random.integers(len(data)))] = int(random.integers(256))
        try:
            read(bytes(changed))
        except SignalError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most changes are harmless
    assert capfd.readouterr() == ("", "")
