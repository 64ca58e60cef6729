"""Reading and writing OpenEXR.

The library fills in missing pixels or prints to the terminal when a file is damaged, so the header and the
table of chunks are checked here before it sees the file.
"""

import struct
from typing import Any

import numpy as np

from inr.files import read_bytes, temporary_folder, write_bytes
from inr.signals.image.picture import Picture, check_frames, check_size
from inr.signals.refusal import Refusal, damaged, shown
from inr.signals.signal import Array

_TILED, _DEEP, _MULTIPART = 0x200, 0x800, 0x1000
_TYPES = ("uint", "half", "float")
_CHANNEL_SETS = ("Y", "RGB", "RGBA")
_ALLOWED = "float channels Y, R G B or R G B A of full resolution are read"

Attributes = dict[str, bytes]


def read_exr(data: bytes) -> Picture:
    """Read an OpenEXR file of one part; the pixels are those of its data window."""
    try:
        flags, parts, position = _headers(data)
    except (struct.error, ValueError):
        raise damaged("it ends in the middle of its header") from None
    check_frames(len(parts))
    if not parts:
        raise damaged("it has no header")
    if flags & _DEEP:
        raise Refusal("has deep pixels; flat images are read")
    names, (left, top, right, bottom) = _layout(parts[0])
    check_size(bottom - top + 1, right - left + 1)
    tiled = flags & _TILED or b"tiled" in parts[0].get("type", b"")
    _check_chunks(data, position, (4 if flags & _MULTIPART else 0) + (20 if tiled else 8))
    return Picture(_decode(data, names), "linear")


def encode_exr(samples: Array) -> bytes:
    """Encode `(height, width, channels)` samples of type float16 or float32, with 1, 3 or 4 channels."""
    import OpenEXR

    # The library reads memory in C order whatever the strides say.
    pixels = np.ascontiguousarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    name = {1: "Y", 3: "RGB", 4: "RGBA"}[samples.shape[2]]
    header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with temporary_folder() as folder:
        path = folder / "image.exr"
        with OpenEXR.File(header, {name: pixels}) as file:
            file.write(str(path))
        return read_bytes(path)


def _decode(data: bytes, names: str) -> Array:
    """The samples of the named channels, through a temporary file, as older versions of the library need one."""
    import OpenEXR

    with temporary_folder() as folder:
        path = folder / "image.exr"
        write_bytes(path, data)
        try:
            with OpenEXR.File(str(path), separate_channels=True) as file:
                channels = file.parts[0].channels
                return np.stack([channels[name].pixels for name in names], axis=-1)
        except Exception:  # a chunk it cannot decode, or an attribute; its words would name the temporary file
            raise damaged("OpenEXR cannot decode it") from None


def _headers(data: bytes) -> tuple[int, list[Attributes], int]:
    """Version flags, the attributes of every part, and where the table of chunks begins."""
    flags = struct.unpack_from("<I", data, 4)[0]
    parts: list[Attributes] = []
    position = 8
    while not parts or flags & _MULTIPART:
        attributes: Attributes = {}
        while data[position : position + 1] != b"\0":
            name, position = _text(data, position)
            _, position = _text(data, position)
            size = struct.unpack_from("<I", data, position)[0]
            if position + 4 + size > len(data):
                raise ValueError("an attribute lies beyond the end")
            attributes[name] = data[position + 4 : position + 4 + size]
            position += 4 + size
        position += 1
        if not attributes:  # the empty header that ends those of a file with several parts
            break
        parts.append(attributes)
    return flags, parts, position


def _text(data: bytes, position: int) -> tuple[str, int]:
    """A zero-terminated text, and the position behind it; `ValueError` if nothing terminates it."""
    end = data.index(b"\0", position)
    return data[position:end].decode("latin-1"), end + 1


def _layout(attributes: Attributes) -> tuple[str, tuple[int, ...]]:
    """The channels in the order of the samples ("Y", "RGB" or "RGBA"; others are refused), and the data window."""
    found: dict[str, str] = {}
    position = 0
    try:
        channels, window = attributes["channels"], struct.unpack("<4i", attributes["dataWindow"])
        while channels[position] != 0:
            name, position = _text(channels, position)
            kind, _, step_x, step_y = struct.unpack_from("<iIii", channels, position)
            position += 16
            kind_name = _TYPES[kind] if 0 <= kind < len(_TYPES) else "unknown"
            found[name] = kind_name if step_x == step_y == 1 else f"{kind_name} of {step_x} × {step_y} pixels"
    except (KeyError, IndexError, ValueError, struct.error):
        raise damaged("its channels or its data window cannot be read") from None
    for names in _CHANNEL_SETS:
        if set(found) == set(names) and set(found.values()) <= {"half", "float"}:
            return names, window
    listed = ", ".join(f"{name} ({kind})" for name, kind in found.items())
    raise Refusal(f"has channels {shown(listed, 120) or 'none'}; {_ALLOWED}")


def _check_chunks(data: bytes, table: int, leader: int) -> None:
    """Refuse a file with a chunk outside it or never written. The table ends where the first chunk begins."""
    position, end_of_table = table, table + 1
    while position < end_of_table:
        offset = struct.unpack_from("<Q", data, position)[0] if position + 8 <= len(data) else 0
        if offset < position + 8:
            raise damaged("its table of chunks is incomplete")
        if offset + leader > len(data):
            raise damaged(f"a chunk begins at byte {offset}, the file ends at byte {len(data)}")
        end = offset + leader + struct.unpack_from("<I", data, offset + leader - 4)[0]
        if end > len(data):
            raise damaged(f"a chunk ends at byte {end}, the file at byte {len(data)}")
        end_of_table = offset if position == table else min(end_of_table, offset)
        position += 8
