"""Reading formats that are a short header and numbers: PPM and PGM, Radiance HDR, ``.npy``."""

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from inr.meta import ColourSpace
from inr.signals.image.picture import Array, Picture, Refusal, check_frames, check_size, damaged, full_range, shown

NPY_HEADER = 2**14
"""Bytes that the header of a ``.npy`` file fits into; NumPy refuses longer ones."""
NPY_TYPES = ("uint8", "uint16", "float16", "float32", "float64")

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM_HEADER = re.compile(rb"P([2356])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")
_HDR_SIZE = re.compile(rb"\n\n([-+])([XY]) +(\d{1,9}) +([-+])([XY]) +(\d{1,9})\n")
_HDR_SEARCHED = 2**16


def read_pnm(data: bytes) -> Picture:
    """Read PGM or PPM, binary or text, of any maximum up to 65535."""
    header = _PNM_HEADER.match(data)
    if header is None:
        raise damaged("its header needs a width, a height and a maximum")
    kind, width, height, maximum = (int(field) for field in header.groups())
    check_size(height, width)
    if not 1 <= maximum <= 65535:
        raise damaged(f"its maximum is {maximum}; 1 to 65535 is allowed")
    channels = 3 if kind in (3, 6) else 1
    count = height * width * channels
    if kind in (2, 3):
        samples = _text_numbers(data[header.end() :], count)
    else:
        dtype = np.dtype(np.uint8 if maximum < 256 else ">u2")
        end = header.end() + count * dtype.itemsize
        if end > len(data):
            raise damaged(f"pixels end at byte {end}, the file at byte {len(data)}")
        check_frames(1 + _count_pnm(data, end))
        samples = np.frombuffer(data, dtype, count, header.end())
    if samples.max() > maximum:
        raise damaged(f"a sample is {samples.max()}, above the stated maximum of {maximum}")
    native = samples.astype(np.uint8 if maximum < 256 else np.uint16)
    return Picture(full_range(native.reshape(height, width, channels), maximum), "srgb")


def _text_numbers(text: bytes, count: int) -> Array:
    """The samples of a text file. White space must follow the last one, or a cut number would go unnoticed."""
    text = re.sub(rb"#[^\r\n]*", b"", text)
    tokens = text.split()
    if len(tokens) != count or not text[-1:].isspace():
        raise damaged(f"it has {len(tokens)} whole or cut numbers; its header needs {count}, each before a white space")
    if not all(token.isdigit() and len(token) < 10 for token in tokens):
        raise damaged("a sample is not a decimal number")
    return np.array(tokens).astype(np.int64)


def _count_pnm(data: bytes, position: int) -> int:
    """Number of further binary pictures from `position` on."""
    count = 0
    while header := _PNM_HEADER.match(data, position):
        kind, width, height, maximum = (int(field) for field in header.groups())
        position = header.end() + width * height * (3 if kind == 6 else 1) * (1 if maximum < 256 else 2)
        count += 1
    if data[position:].strip():
        raise damaged(f"{len(data) - position} bytes follow its last pixel")
    return count


def read_hdr(data: bytes) -> Picture:
    """Read Radiance HDR with scanlines in any of the eight orders."""
    size = _HDR_SIZE.search(data, 0, _HDR_SEARCHED)
    if size is None or size[2] == size[5]:
        raise damaged("its header lacks the size of the picture")
    if b"32-bit_rle_xyze" in data[: size.start()]:
        raise Refusal("stores XYZ colours; RGB is read")
    sign1, axis1, length1, sign2, _, length2 = size.groups()
    lines, length = int(length1), int(length2)
    check_size(lines, length)
    import imagecodecs

    # The codec knows the usual order alone, so it gets a header in that order.
    header = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (lines, length)
    samples: Array = imagecodecs.rgbe_decode(header + data[size.end() :])
    usual1, usual2 = (b"-", b"+") if axis1 == b"Y" else (b"+", b"-")
    samples = samples[::-1] if sign1 != usual1 else samples
    samples = samples[:, ::-1] if sign2 != usual2 else samples
    return Picture(samples if axis1 == b"Y" else samples.swapaxes(0, 1), "linear")


def read_npy(data: bytes) -> Picture:
    """Read a ``.npy`` file that holds a picture."""
    return picture_of(npy_array(data, pictures=True))


def npy_array(data: bytes, pictures: bool = False) -> Array:
    """The array of a ``.npy`` file, without ever unpickling.

    Args:
        data: the whole file.
        pictures: refuse what is not a picture, before its samples are looked at.
    """
    layout = npy_layout(data, len(data), pictures)
    samples: Array = np.frombuffer(data, layout.dtype, offset=layout.offset)
    return samples.reshape(layout.shape, order="F" if layout.fortran else "C")


@dataclass(frozen=True)
class Layout:
    """Where the samples of an uncompressed file are.

    Attributes:
        offset: of the first one in bytes.
        dtype: type of each, in the byte order of the file.
        shape: of the array.
        fortran: that the first index changes fastest.
    """

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool = False


def npy_layout(data: bytes, length: int, pictures: bool = False) -> Layout:
    """Where the samples of a ``.npy`` file are; refuses it if they are not all there.

    Args:
        data: the file, or its first `NPY_HEADER` bytes.
        length: of the file.
        pictures: refuse what is not a picture.
    """
    readers = {b"\1\0": np.lib.format.read_array_header_1_0, b"\2\0": np.lib.format.read_array_header_2_0}
    version, stream = data[6:8], io.BytesIO(data)
    if len(version) == 2 and version not in readers:
        raise Refusal(f"is of .npy version {version[0]}.{version[1]}; 1.0 and 2.0 are read")
    stream.seek(8)
    try:
        shape, fortran, dtype = readers[version](stream)
    except Exception:  # damaged text makes NumPy's parser of Python literals fail in any way
        raise damaged("its header cannot be read") from None
    if pictures:
        check_array(shape, dtype)
    if dtype.hasobject:
        raise Refusal("holds Python objects; numbers are read")
    if dtype.kind not in "biufc" or dtype.itemsize == 0 or len(shape) > 32 or any(n < 0 for n in shape):
        raise damaged(f"it has shape {shown(str(shape))} and type {shown(str(dtype))}")
    start = stream.tell()
    expected = start + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if expected != length:
        raise damaged(f"its array ends at byte {expected}, the file at byte {length}")
    if expected == start:
        raise Refusal("holds no samples")
    return Layout(start, dtype, shape, fortran)


def check_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array that is not a picture, or too large for one."""
    check_picture(shape, dtype)
    check_size(shape[0], shape[1])


def check_picture(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array that is not a picture, of whatever size."""
    if dtype.name not in NPY_TYPES:
        raise Refusal(f"has samples of type {shown(str(dtype))}; allowed are {', '.join(NPY_TYPES)}")
    if len(shape) not in (2, 3) or (len(shape) == 3 and not 1 <= shape[2] <= 4):
        raise Refusal(
            f"has shape {shown(str(shape))}; allowed are (height, width) and (height, width, channels), 1 to 4 channels"
        )


def picture_of(samples: Array) -> Picture:
    """An array as a picture."""
    return Picture(samples, colours_of(samples.dtype))


def colours_of(dtype: np.dtype[Any]) -> ColourSpace:
    """Integers count as sRGB, nothing is known about floats."""
    return "srgb" if dtype.kind == "u" else "unknown"
