"""Reading formats that are a short header and numbers: PPM and PGM, Radiance HDR, ``.npy``."""

import re
from typing import Any

import numpy as np

from inr.signals.image.attributes import ColourSpace
from inr.signals.image.picture import Picture, check_frames, check_size, full_range
from inr.signals.npy import npy_array
from inr.signals.refusal import Refusal, damaged, shown
from inr.signals.signal import Array

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
    return picture_of(npy_array(data, check_array))


def check_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array that is not a picture, or too large for one."""
    check_picture(shape, dtype)
    check_size(shape[0], shape[1])


def is_picture(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """True for what counts as a picture unless told otherwise: `(h, w)` and `(h, w, 1..4)` of a type pictures have."""
    return (len(shape) == 2 or (len(shape) == 3 and 1 <= shape[2] <= 4)) and dtype.name not in ("int8", "int16")


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
