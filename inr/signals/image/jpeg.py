"""Reading JPEG: of 8 bits a sample with Pillow, of more, lossless, and JPEG-LS, with the codecs that know them."""

import io
import struct
from dataclasses import dataclass

import numpy as np

from inr.signals.image.picture import Picture, check_size, full_range
from inr.signals.image.pillow import picture_of_opened, quiet
from inr.signals.image.tiff_tags import exif_orientation
from inr.signals.refusal import Refusal, damaged
from inr.signals.signal import Array

_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_JPEG_LS, _SCAN, _APP1, _APP2 = 0xF7, 0xDA, 0xE1, 0xE2
_USUAL = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})  # sequential and progressive, with Huffman or arithmetic codes
_NAMES = {0xCB: "lossless with arithmetic codes", **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical")}


@dataclass(frozen=True)
class _Frame:
    """What the markers before the first scan say.

    Attributes:
        marker: second byte of the frame's marker, which tells how it is coded.
        bits: of a sample.
        height: rows; 0 if they are told behind the scan.
        width: samples of a row.
        channels: components.
        exif: an EXIF block, or None.
        profile: the colour profile, or None.
        end: where what describes it ends.
    """

    marker: int
    bits: int
    height: int
    width: int
    channels: int
    exif: bytes | None
    profile: bytes | None
    end: int


def read_jpeg(data: bytes) -> Picture:
    """Read the first picture of a JPEG file; those behind it (MPO) are previews and depth or gain maps."""
    frame = _frame(data)
    if frame is not None and frame.marker in _NAMES:
        raise Refusal(f"is not supported: it is JPEG, {_NAMES[frame.marker]}")
    if frame is not None and (frame.bits != 8 or frame.marker not in _USUAL):
        return _read_other(data, frame)
    from PIL.JpegImagePlugin import JpegImageFile

    with quiet():
        image = JpegImageFile(io.BytesIO(data))
    return picture_of_opened(image)


def _read_other(data: bytes, frame: _Frame) -> Picture:
    """Read what Pillow does not; samples of 9 bits and more are stretched to 16."""
    check_size(frame.height, frame.width)
    if frame.channels not in (1, 3) or not 2 <= frame.bits <= 16:
        what = f"{frame.channels} channels of {frame.bits} bits"
        raise Refusal(f"is not supported: it is a JPEG file of {what}; 1 and 3 channels of up to 16 bits are read")
    if data.rfind(b"\xff\xd9") < frame.end:
        raise damaged("it ends before its end mark")
    import imagecodecs

    decode = imagecodecs.jpegls_decode if frame.marker == _JPEG_LS else imagecodecs.jpeg8_decode
    samples: Array = decode(data)
    stretched = full_range(np.minimum(samples, 2**frame.bits - 1), 2**frame.bits - 1)
    return Picture(stretched, "srgb", exif_orientation(frame.exif), frame.profile)


def _frame(data: bytes) -> _Frame | None:
    """The frame and what describes it; None where the markers cannot be followed, which a decoder may still do."""
    position, exif, parts = 2, None, dict[int, bytes]()
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        body = data[position + 4 : position + 2 + length]
        if marker in _FRAMES and len(body) >= 6:
            bits, height, width, channels = struct.unpack_from(">BHHB", body)
            profile = b"".join(parts[number] for number in sorted(parts)) or None
            return _Frame(marker, bits, height, width, channels, exif, profile, position + 2 + length)
        if marker == _SCAN or length < 2:
            return None
        if marker == _APP1 and body.startswith(b"Exif\0\0"):
            exif = body
        elif marker == _APP2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            parts[body[12]] = body[14:]
        position += 2 + length
    return None
