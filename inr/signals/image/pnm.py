"""Reading PPM and PGM."""

import re

import numpy as np

from inr.signals.image.picture import Picture, check_frames, check_size, full_range
from inr.signals.refusal import damaged
from inr.signals.signal import Array

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM_HEADER = re.compile(rb"P([2356])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")


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
