"""The shape of pixels in Matroska and WebM files, which PyAV has no way to tell FFmpeg's muxer."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from inr.errors import SpecError

PLACEHOLDER = "inr: aspect"
"""Title of the track to be given to the muxer; what says the shape of pixels takes its place, byte for byte."""

_HEAD_BYTES = 2**20
_SEGMENT, _TRACKS, _TRACK = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"
_NAME, _VIDEO, _CRC = b"\x53\x6e", b"\xe0", b"\xbf"
_RATIO = 3
_MAX_TERM = 65535


def set_aspect(path: Path, shown: Fraction) -> None:
    """Say how wide the picture of a file is to be shown by its height.

    Args:
        path: of a file whose track has the title `PLACEHOLDER`.
        shown: width by height.

    Raises:
        SpecError: the file is none that FFmpeg made so.
    """
    wide, high = (shown if shown < 1 else 1 / shown).limit_denominator(_MAX_TERM).as_integer_ratio()
    wide, high = (wide, high) if shown < 1 else (high, wide)
    display = struct.pack(">2sBH2sBH2sBB", b"\x54\xb0", 0x82, wide, b"\x54\xba", 0x82, high, b"\x54\xb2", 0x81, _RATIO)
    with path.open("r+b") as file:
        data = file.read(_HEAD_BYTES)
        segment = _first(data, _SEGMENT, 0, len(data))
        tracks = _first(data, _TRACKS, segment.content, len(data))
        track = _first(data, _TRACK, tracks.content, tracks.end)
        children = list(_elements(data, track.content, track.end))
        changed = b"".join(_changed(data, child, display) for child in children)
        if len(changed) != track.end - track.content:
            raise SpecError("the shape of pixels does not fit into its place")
        inside = data[tracks.content : track.content] + changed + data[track.end : tracks.end]
        if inside.startswith(_CRC):  # 1 byte for its name, 1 for its length, 4 for the sum of all that follows
            inside = inside[:2] + struct.pack("<I", zlib.crc32(inside[6:])) + inside[6:]
        file.seek(tracks.content)
        file.write(inside)


@dataclass(frozen=True)
class _Element:
    """An element: its name, and where it, its length and its content begin, and where it ends."""

    name: bytes
    start: int
    length: int
    content: int
    end: int


def _elements(data: bytes, start: int, end: int) -> Iterator[_Element]:
    """The elements from one place to another."""
    while start + 2 <= end:
        length = start + _width(data[start])
        content = length + _width(data[length])
        value = int.from_bytes(data[length:content], "big") & ((1 << 7 * (content - length)) - 1)
        stop = min(content + value, end)
        yield _Element(data[start:length], start, length, content, stop)
        start = stop


def _width(first: int) -> int:
    """Bytes of a number of variable length that begins with this byte."""
    return 9 - first.bit_length()


def _first(data: bytes, name: bytes, start: int, end: int) -> _Element:
    found = next((element for element in _elements(data, start, end) if element.name == name), None)
    if found is None:
        raise SpecError("the shape of pixels has no place in this file")
    return found


def _changed(data: bytes, element: _Element, display: bytes) -> bytes:
    """An element of a track: its title is left out, its picture gets `display`."""
    if element.name == _NAME:
        return b""
    if element.name != _VIDEO:
        return data[element.start : element.end]
    width = element.content - element.length
    size = element.end - element.content + len(display)
    head = (size | 1 << 7 * width).to_bytes(width, "big")
    return element.name + head + data[element.content : element.end] + display
