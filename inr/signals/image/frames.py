"""Which files of pictures have more than one: they are videos. Told by their structure, without decoding anything."""

import re
from collections.abc import Callable
from typing import BinaryIO

from inr.signals.image.gif import gif_frames

_JPEG_BYTES = 2**26
# A mark of JPEG that is none within coded pixels.
_JPEG_MARK = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SIZES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_MOVIE_PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def is_animated(file: BinaryIO) -> bool:
    """True for a GIF, PNG, WebP, AVIF or JPEG file of more than one picture; of any other file, False.

    What follows the picture of a JPEG file counts only if it looks like the next frame of a film: previews, and maps
    of depth or light, have other sizes or are named in an index.
    """
    file.seek(0)
    head = file.read(12)
    found: Callable[[BinaryIO], bool] | None = None
    if head.startswith(b"GIF8"):
        found = _gif
    elif head.startswith(b"\x89PNG\r\n\x1a\n"):
        found = _png
    elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        found = _webp
    elif head[4:8] == b"ftyp":
        found = _avif
    elif head.startswith(b"\xff\xd8\xff"):
        found = _jpeg
    return found is not None and found(file)


def _gif(file: BinaryIO) -> bool:
    return gif_frames(file, 2)[0] > 1


def _png(file: BinaryIO) -> bool:
    """The number of frames stands in a chunk before the pixels."""
    position = 8
    while True:
        file.seek(position)
        head = file.read(12)
        kind = head[4:8]
        if len(head) < 12 or kind in (b"IDAT", b"IEND"):
            return False
        if kind == b"acTL":
            return int.from_bytes(head[8:12], "big") > 1
        position += 12 + int.from_bytes(head[:4], "big")


def _webp(file: BinaryIO) -> bool:
    """Frames are chunks of their own."""
    file.seek(12)
    frames = 0
    while frames < 2:
        head = file.read(8)
        if len(head) < 8:
            return False
        frames += head[:4] == b"ANMF"
        length = int.from_bytes(head[4:8], "little")
        file.seek(length + length % 2, 1)
    return True


def _avif(file: BinaryIO) -> bool:
    """The first track says how many samples it has."""
    start, end = 0, file.seek(0, 2)
    for kind in _MOVIE_PATH:
        found = _box(file, kind, start, end)
        if found is None:
            return False
        start, end = found
    sizes = _box(file, b"stsz", start, end)
    if sizes is None:
        return False
    file.seek(sizes[0])
    return int.from_bytes(file.read(12)[8:12], "big") > 1


def _box(file: BinaryIO, kind: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Where the content of the first box of a kind begins and ends."""
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        length, content = int.from_bytes(head[:4], "big"), start + 8
        if length == 1:
            length, content = int.from_bytes(head[8:16], "big"), start + 16
        stop = end if length == 0 else start + length
        if not content <= stop <= end:
            return None
        if head[4:8] == kind:
            return content, stop
        start = stop
    return None


def _jpeg(file: BinaryIO) -> bool:
    file.seek(0)
    data = file.read(_JPEG_BYTES)
    size, end = _jpeg_picture(data, 0)
    if size is None or end is None:
        return False
    while data[end : end + 1] in (b"\0", b"\xff") and data[end : end + 2] != b"\xff\xd8":
        end += 1
    return data[end : end + 3] == b"\xff\xd8\xff" and _jpeg_picture(data, end, just_size=True)[0] == size


def _jpeg_picture(data: bytes, start: int, just_size: bool = False) -> tuple[bytes | None, int | None]:
    """The precision and sides of a picture as coded, and where it ends; None for what is not there."""
    size: bytes | None = None
    position = start + 2
    while mark := _JPEG_MARK.search(data, position):
        kind, position = data[mark.start() + 1], mark.end()
        if kind == 0xD9:
            return size, position
        if kind in (0x01, 0xD8):
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if kind == 0xE2 and data[position + 2 : position + 6] == b"MPF\0":  # an index of stills
            return None, None
        if kind in _SIZES:
            size = data[position + 2 : position + 7]
            if just_size:
                return size, None
        position += length
    return size, None
