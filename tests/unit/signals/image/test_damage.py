"""Image files that are refused: damaged, cut, too large, of several frames, or not pictures at all."""

import io
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image

from inr.errors import FileAccessError, SignalError
from inr.signals.image.read import decode_image, encode_image, image_from_array, load_image
from inr.signals.limits import MAX_SAMPLES
from tests.support.image_files import (
    chunk,
    exr_bytes,
    meta_of,
    picture,
    png_bytes,
    read,
    saved,
    tiff_bytes,
)


def refusal(data: bytes) -> str:
    """The message for bad bytes, always one short line that begins with the name."""
    with pytest.raises(SignalError) as caught:
        decode_image(data, "dir/picture.png")
    message = str(caught.value)
    assert message.startswith("dir/picture.png ")
    assert "\n" not in message
    assert len(message) < 300
    return message


def noise(dtype: str, channels: int) -> np.ndarray[Any, Any]:
    """Samples that do not compress, so that every byte of a file matters."""
    samples = np.random.default_rng(7).integers(0, 256, (40, 30, channels))
    return (samples / 256 if dtype.startswith("float") else samples * (257 if dtype == "uint16" else 1)).astype(dtype)


TILED = {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}


def sources() -> dict[str, bytes]:
    """One file of every kind that is read, large enough for several strips or chunks."""
    rgb, deep, real = noise("uint8", 3), noise("uint16", 3), noise("float32", 3)
    image = Image.fromarray(rgb)
    files = {f: encode_image(rgb, meta_of(rgb), f) for f in ("png", "webp", "bmp", "avif", "ppm", "hdr")}
    return files | {
        "png 16": png_bytes(deep),
        "png palette": saved(image.quantize(64), "PNG"),
        "jpeg": saved(image, "JPEG", quality=95),
        "jpeg progressive": saved(image, "JPEG", progressive=True),
        "jpeg restarts": saved(image, "JPEG", restart_marker_rows=1),
        "webp lossy": saved(image, "WEBP", quality=50),
        "gif": saved(image.quantize(64), "GIF"),
        "pgm text": b"P2\n5 4\n300\n" + b" ".join(b"%d" % (15 * i) for i in range(20)) + b"\n",
        "ppm 16": encode_image(deep, meta_of(deep), "ppm"),
        "tiff": tiff_bytes(deep, photometric="rgb", rowsperstrip=4),
        "tiff deflate": tiff_bytes(deep, photometric="rgb", compression="zlib", tile=(16, 16)),
        "tiff lzw": tiff_bytes(rgb, photometric="rgb", compression="lzw", rowsperstrip=9),
        "tiff big": tiff_bytes(real, photometric="rgb", bigtiff=True),
        "tiff cmyk": saved(image.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "tiff jpeg": saved(image, "TIFF", compression="jpeg"),
        "exr": exr_bytes({"RGB": real}),
        "exr raw": exr_bytes({"RGB": real}, {"compression": OpenEXR.NO_COMPRESSION}),
        "exr tiled": exr_bytes(
            {"Y": real[..., 0].copy()}, {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
        ),
        "npy": encode_image(real, meta_of(real), "npy"),
        "pbm": encode_image(rgb[..., :1], meta_of(rgb), "pbm"),
        "pbm text": b"P1\n6 5\n" + b"101100" * 5 + b"\n",
        "pam": encode_image(noise("uint16", 4), meta_of(deep), "pam"),
        "pfm": encode_image(real, meta_of(real), "pfm"),
        "jpeg 12": bytes(imagecodecs.jpeg8_encode(deep >> 4, bitspersample=12, level=95)),
        "jpeg lossless": bytes(imagecodecs.jpeg8_encode(rgb, lossless=True)),
        "jpeg ls": bytes(imagecodecs.jpegls_encode(rgb)),
        "tiff jpeg2000": tiff_bytes(rgb, photometric="rgb", compression="jpeg2000"),
        "tiff lab": tiff_bytes(rgb, photometric="cielab", compression="lzw"),
        "tiff int16": tiff_bytes(deep.astype(np.int16), photometric="rgb"),
    }


def message_or_samples(data: bytes) -> str | np.ndarray[Any, Any]:
    """What comes of possibly bad bytes; any other exception fails the test."""
    try:
        return read(data)
    except SignalError as error:
        return str(error)


SOURCES = sources()


@pytest.mark.parametrize("kind", SOURCES)
def test_a_cut_file_is_refused_or_whole(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = SOURCES[kind]
    whole = read(data)
    ends = {*range(1, len(data), max(1, len(data) // 100)), *range(max(1, len(data) - 24), len(data))}
    results = [message_or_samples(data[:end]) for end in sorted(ends)]
    messages = [result for result in results if isinstance(result, str)]
    assert all("x is damaged: " in m or "not supported; inr reads" in m for m in messages)
    assert all(np.array_equal(result, whole) for result in results if not isinstance(result, str))
    assert len(messages) >= len(ends) - 4  # only padding and trailers may be missed
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [k for k in SOURCES if not k.startswith("exr")])
def test_flipped_bytes_raise_nothing_but_signal_errors(kind: str) -> None:
    random = np.random.default_rng(3)
    for _ in range(60):
        data = bytearray(SOURCES[kind])
        for position in random.integers(0, min(len(data), 500), 2):
            data[position] = random.integers(256)
        result = message_or_samples(bytes(data))
        assert len(result) < 300 and "\n" not in result if isinstance(result, str) else result.ndim == 3


def test_empty_and_foreign_files(tmp_path: Path) -> None:
    assert refusal(b"") == "dir/picture.png is empty (0 bytes)"
    foreign = (
        b"Hello, world.\n",
        b"P",
        b"<svg></svg>",
        b"RIFF\0\0\0\0WAVE",
        b"\0\0\0\x18ftypheic" + bytes(16),
    )
    for data in foreign:
        assert "not supported; inr reads pictures (PNG, JPEG, WebP" in refusal(data)
    path = tmp_path / "text.png"
    path.write_text("not a picture")
    with pytest.raises(SignalError, match=f"^{path} is text, which is not supported"):
        load_image(path)
    with pytest.raises(FileAccessError, match="no such file"):
        load_image(tmp_path / "missing.png")


def test_bytes_behind_the_end_are_no_damage() -> None:
    image = Image.fromarray(picture("uint8", 1)[..., 0])
    lossless = bytes(imagecodecs.jpeg8_encode(picture("uint16", 1)[..., 0], bitspersample=16, lossless=True))
    for data in (saved(image, "GIF"), saved(image, "JPEG"), saved(image, "PNG"), lossless):
        np.testing.assert_array_equal(read(data + b"\n\0 more"), read(data))


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    samples = picture("uint16", 3)
    path = tmp_path / "picture.jpg"
    path.write_bytes(png_bytes(samples))
    np.testing.assert_array_equal(load_image(path).samples, samples)


def test_several_frames() -> None:
    frames = [Image.fromarray(picture("uint8", 3) // k) for k in (1, 2, 3)]
    for format_ in ("GIF", "WEBP", "PNG", "AVIF", "TIFF"):
        data = saved(frames[0], format_, save_all=True, append_images=frames[1:])
        assert "holds 3 frames; an image has exactly 1" in refusal(data)
    assert "holds 4 frames" in refusal(
        tiff_bytes(np.stack([picture("uint16", 1)[..., 0]] * 4), photometric="minisblack")
    )
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((5, 8, 9), np.uint16), imagej=True)
    assert "holds 5 frames" in refusal(stream.getvalue())
    assert "holds 2 frames" in refusal(b"P5 2 1 255\n\x01\x02P5 1 1 255\n\x03")
    parts = [OpenEXR.Part({"type": OpenEXR.scanlineimage, "name": n}, {"RGB": picture("float32", 3)}) for n in "ab"]
    stream = io.BytesIO()
    with OpenEXR.File(parts) as file:
        file.write(stream)
    assert "holds 2 frames" in refusal(stream.getvalue())


def test_jpeg_with_previews_is_its_first_picture() -> None:
    image = Image.fromarray(picture("uint8", 3))
    data = saved(image, "MPO", save_all=True, append_images=[image.resize((5, 4))])
    assert read(data).shape == (13, 21, 3)


def patched(data: bytes, position: int, code: str, *values: int) -> bytes:
    """The data with numbers written over them."""
    return data[:position] + struct.pack(code, *values) + data[position + struct.calcsize(code) :]


def with_size(kind: str, width: int, height: int) -> bytes:
    """A file whose header claims a size; no pixels to match."""
    rgb = picture("uint8", 3)
    if kind == "png":
        return png_bytes(rgb, header=struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    if kind == "jpeg":
        data = saved(Image.fromarray(rgb), "JPEG")
        return patched(data, data.index(b"\xff\xc0") + 5, ">HH", height, width)
    if kind == "bmp":
        return patched(saved(Image.fromarray(rgb), "BMP"), 18, "<ii", width, height)
    if kind == "tiff":
        data = tiff_bytes(rgb, photometric="rgb")
        data = patched(data, data.index(struct.pack("<HHI", 256, 4, 1)) + 8, "<I", width)
        return patched(data, data.index(struct.pack("<HHI", 257, 4, 1)) + 8, "<I", height)
    if kind == "exr":
        data = exr_bytes({"RGB": picture("float32", 3)})
        return patched(data, data.index(b"dataWindow\0box2i\0") + 21, "<4i", 0, 0, width - 1, height - 1)
    if kind == "npy":
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (height, width)})
        return stream.getvalue()
    header = {
        "ppm": f"P6 {width} {height} 255\n",
        "pgm text": f"P2 {width} {height} 255\n",
        "hdr": f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n",
    }
    return header[kind].encode()


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "tiff", "exr", "npy", "ppm", "pgm text", "hdr"])
def test_sizes_in_headers(kind: str) -> None:
    assert "is too large: 65000 × 60000 pixels; at most 268435456 pixels" in refusal(with_size(kind, 65000, 60000))
    message = refusal(with_size(kind, 0, 5))
    assert "has no pixels: 0 × 5" in message or kind in ("jpeg", "bmp")


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "exr", "npy", "ppm"])
def test_sizes_between_the_limit_of_pillow_and_ours(kind: str) -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert 2 * Image.MAX_IMAGE_PIXELS < 15000 * 15000 < MAX_SAMPLES
    assert "is damaged" in refusal(with_size(kind, 15000, 15000))


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["int16", "bool", "complex64", "int64", "uint32", "U4", "O", "f4,f4", "M8[s]"])
def test_other_npy_types(dtype: str) -> None:
    message = refusal(npy(np.zeros((3, 4), dtype), allow_pickle=True))
    assert "allowed are uint8, uint16, float16, float32, float64" in message
    with pytest.raises(SignalError, match=r"^array has samples of type"):
        image_from_array(np.zeros((3, 4), dtype))


@pytest.mark.parametrize("shape", [(), (5,), (4, 5, 0), (4, 5, 5), (2, 3, 4, 3), (0, 4), (4, 0, 3)])
def test_other_npy_shapes(shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.uint8)
    with pytest.raises(SignalError, match=r"^array has (shape|no pixels)"):
        image_from_array(array)
    assert re.search("has (shape|no pixels)", refusal(npy(array)))


def test_npy_length_and_version() -> None:
    data = npy(np.zeros((3, 4), np.uint8))
    assert "is damaged" in refusal(data + b"\0")
    assert "version 9.0" in refusal(patched(data, 6, "BB", 9, 0))


def test_values_that_are_not_finite() -> None:
    samples = picture("float32", 3)
    samples[2, 5, 1] = np.nan
    samples[4, 0, 0], samples[4, 1, 2] = np.inf, -np.inf
    expected = "has 1 samples that are NaN and 2 that are infinite; the first has index (2, 5, 1)"
    arrays = (npy(samples), npy(samples.astype(np.float64)))
    for data in (*arrays, exr_bytes({"RGB": samples}), tiff_bytes(samples, photometric="rgb")):
        assert expected in refusal(data)
    assert "beyond the range of float32" in refusal(npy(np.array([[1e300, 0.0]])))
    with pytest.raises(SignalError, match=r"^mine has 1 samples that are NaN"):
        image_from_array(np.array([[np.nan]], np.float16), "mine")


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ({"Z": np.float32}, "has channels Z (float); float channels Y, Y A, R G B or R G B A"),
        ({"R": np.float32, "G": np.float32}, "has channels G (float), R (float)"),
        ({"Y": np.uint32}, "has channels Y (uint)"),
        ({"R": np.float32, "G": np.float32, "B": np.float32, "Z": np.float32}, "Z (float)"),
        ({"view.R": np.float32, "view.G": np.float32, "view.B": np.float32}, "view.R (float)"),
    ],
)
def test_exr_channels_that_are_not_read(channels: dict[str, Any], expected: str) -> None:
    plane = picture("float32", 1)[..., 0]
    assert expected in refusal(exr_bytes({name: plane.astype(t) for name, t in channels.items()}))


@pytest.mark.parametrize(
    ("samples", "options", "expected"),
    [
        (np.zeros((4, 5), np.complex64), {}, "is not supported: it has 64-bit complex numbers"),
        (np.zeros((4, 5, 3), np.uint8), {"photometric": "itulab"}, "it has colour model 10 of TIFF (ITU CIELab)"),
        (
            np.zeros((4, 6, 65), np.uint8),
            {"photometric": "rgb", "planarconfig": "contig"},
            "has 65 channels; 1 to 64 are allowed",
        ),
    ],
)
def test_tiff_kinds_that_are_not_read(samples: Any, options: dict[str, Any], expected: str) -> None:
    assert expected in refusal(tiff_bytes(samples, **options))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P5 2 2 70000\n" + bytes(8), "its maximum is 70000"),
        (b"P5 2 2 0\n" + bytes(4), "its maximum is 0"),
        (b"P5 2 2\n", "its header needs"),
        (b"P5 2 1 9\n\x05\x0a", "a sample is 10, above the stated maximum of 9"),
        (b"P2 2 1 9\n5 x\n", "not a decimal number"),
        (b"P2 2 1 9\n5 6", "before a white space"),
        (b"P2 2 1 9\n5 6 7\n", "has 3 whole or cut numbers; its header needs 2"),
        (b"P5 2 1 9\n\x01\x02junk", "4 bytes follow its last pixel"),
        (b"#?RADIANCE\n\n-Y 2 +Y 2\n" + bytes(16), "lacks the size"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 1 +X 1\n\0\0\0\0", "stores XYZ colours"),
    ],
)
def test_plain_formats_that_are_not_read(data: bytes, expected: str) -> None:
    assert expected in refusal(data)


def test_png_chunks() -> None:
    samples = picture("uint16", 3)
    data = png_bytes(samples)
    broken = bytearray(data)
    broken[-30] ^= 1
    assert "is damaged: chunk 'IDAT' fails its checksum" in refusal(bytes(broken))
    assert "it does not begin with a header" in refusal(data[:8] + chunk(b"IEND", b"") + data[8:])
    short = data[:33] + chunk(b"IDAT", b"x\x9c") + chunk(b"IEND", b"")
    assert "is damaged: " in refusal(short)
    assert "a side of a PNG file may have 1000000" in refusal(with_size("png", 2_000_000, 1))


def test_run_length_coded_bmp_is_not_padded() -> None:
    rows = b"".join(bytes([4, value, 0, 0]) for value in (1, 2, 3))
    palette = bytes(range(256)) * 4
    header = struct.pack("<2sIHHI", b"BM", 54 + 1024 + len(rows) + 2, 0, 0, 54 + 1024)
    info = struct.pack("<IiiHHIIiiII", 40, 4, 3, 1, 8, 1, len(rows) + 2, 0, 0, 256, 0)
    data = header + info + palette + rows + b"\0\1"
    assert read(data).shape == (3, 4, 3)
    for cut in range(1, 12):
        assert "it ends before its last pixel" in refusal(data[:-cut])


def test_importing_is_light() -> None:
    heavy = "{'PIL', 'imagecodecs', 'imageio', 'OpenEXR', 'tifffile', 'torch'}"
    code = f"import sys, inr.signals.image.read; print(*{heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
