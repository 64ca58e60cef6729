"""Whether video files are whole, told by the lengths that their containers state, without decoding anything."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from inr.errors import FileAccessError
from inr.files import reason
from inr.signals.image.gif import gif_frames
from inr.signals.refusal import Refusal
from inr.signals.video.containers import boxes, packets_of

_Y4M_FRAME, _Y4M_LINE = b"FRAME\n", 80
_MANY = 2**30
# The header of ASF, its data, and two kinds of index.
_ASF_OBJECTS = {
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c"),
    bytes.fromhex("90080033b1e5cf1189f400a0c90349cb"),
    bytes.fromhex("d329e2d6da35d111903400a0c90349be"),
}


def opened(source: Path | bytes) -> BinaryIO:
    """A stream over a file or over bytes; raises `FileAccessError`."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise FileAccessError(f"cannot read {source}: {reason(error)}") from None


def check_whole(file: BinaryIO, demuxer: str) -> None:
    """Refuse a file that is shorter than its container says.

    A decoder would take the rest for the whole: the frames that are left look sound.
    """
    size = file.seek(0, io.SEEK_END)
    if demuxer == "gif":
        if not gif_frames(file)[1]:
            raise Refusal(f"is cut: it has no end mark within its {size} bytes")
        return
    needed = _ENDS[demuxer](file, size) if demuxer in _ENDS else 0
    if needed > size:
        raise Refusal(f"is cut: it has {size} bytes of at least {needed}")
    if demuxer == "mov" and all(kind != b"moov" for kind, _, _ in boxes(file, _MANY)):
        raise Refusal("has no movie header: it was never finished, or it is a segment of a stream")


def _mov_end(file: BinaryIO, size: int) -> int:
    """The end that the boxes of an MP4 or QuickTime file need; what is none is rubbish after the last box."""
    return max((end for kind, _, end in boxes(file, _MANY) if kind.isalnum()), default=size)


def _matroska_end(file: BinaryIO, size: int) -> int:
    """The end of the segment of a Matroska file; the length of a live recording is unknown."""
    file.seek(4)
    header = _vint(file)
    file.seek(header or 0, io.SEEK_CUR)
    if header is None or file.read(4) != b"\x18\x53\x80\x67":
        return size
    length = _vint(file)
    return size if length is None else file.tell() + length


def _vint(file: BinaryIO) -> int | None:
    """A number of Matroska's variable length; None for the one that means "unknown", or without bytes."""
    first = file.read(1)
    if not first or first == b"\0":
        return None
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(extra), "big") & ((1 << 7 * (extra + 1)) - 1)
    return None if value == (1 << 7 * (extra + 1)) - 1 else value


def check_last_frame(file: BinaryIO, position: int, length: int) -> None:
    """Refuse a YUV4MPEG2 file that goes on after its last whole frame.

    Args:
        file: the file.
        position: where the line before that frame begins.
        length: bytes of the frame.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(position)
    end = position + len(file.readline(_Y4M_LINE)) + length
    if end < size:
        raise Refusal(f"is cut: its last frame has {size - end} bytes of {length + len(_Y4M_FRAME)}")


def _avi_end(file: BinaryIO, size: int) -> int:
    """The end that the RIFF chunks of an AVI file need; the length of an unfinished recording is 0."""
    position = end = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(8)
        if head[:4] != b"RIFF":
            break
        end = position + 8 + int.from_bytes(head[4:8], "little")
        position = end + end % 2
    return end


def _ogg_end(file: BinaryIO, size: int) -> int:
    """The end that the pages of an Ogg file need."""
    position = 0
    while position < size:
        file.seek(position)
        head = file.read(27)
        if not b"OggS".startswith(head[:4]):
            return size
        table = file.read(head[26]) if len(head) == 27 else b""
        if len(head) < 27 or len(table) < head[26]:
            return size + 1
        position += 27 + len(table) + sum(table)
    return position


def _riff_end(file: BinaryIO, size: int) -> int:
    """The end that the RIFF chunk of a WebP file needs."""
    file.seek(4)
    length = int.from_bytes(file.read(4), "little")
    return 8 + length + length % 2


def _png_end(file: BinaryIO, size: int) -> int:
    """The end that the chunks of a PNG file need, the last of which has a name of its own."""
    position, kind = 8, b""
    while kind != b"IEND":
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return position + 12
        position, kind = position + 12 + int.from_bytes(head[:4], "big"), head[4:]
    return position


def _ts_end(file: BinaryIO, size: int) -> int:
    """The end of the last packet of a transport stream."""
    file.seek(0)
    first, packet = packets_of(file.read(2048)) or (0, 1)
    return size + (first - size) % packet


def _flv_end(file: BinaryIO, size: int) -> int:
    """The end that the tags of an FLV file need; each is followed by its length."""
    file.seek(5)
    position = int.from_bytes(file.read(4), "big") + 4
    while position < size:
        file.seek(position)
        head = file.read(11)
        if head[:1] not in (b"\x08", b"\x09", b"\x12"):
            return size
        if len(head) < 11:
            return position + 15
        position += 11 + int.from_bytes(head[1:4], "big") + 4
    return position


def _asf_end(file: BinaryIO, size: int) -> int:
    """The end that the objects of an ASF file need; the length of a broadcast's data is 0."""
    position = 0
    while position + 24 <= size:
        file.seek(position)
        head = file.read(24)
        length = int.from_bytes(head[16:], "little")
        if head[:16] not in _ASF_OBJECTS or length < 24:
            return size
        position += length
    return position


def _mxf_end(file: BinaryIO, size: int) -> int:
    """The end that the keys and lengths of an MXF file need."""
    position = 0
    while position < size:
        file.seek(position)
        head = file.read(25)
        if not head.startswith(b"\x06\x0e\x2b\x34") or len(head) < 17:
            return size
        digits = head[16] & 0x7F if head[16] & 0x80 else 0
        length = int.from_bytes(head[17 : 17 + digits], "big") if digits else head[16]
        position += 17 + digits + length
    return position


def _ivf_end(file: BinaryIO, size: int) -> int:
    """The end that the frames of an IVF file need."""
    file.seek(6)
    position = int.from_bytes(file.read(2), "little")
    while 0 < position < size:
        file.seek(position)
        position += 12 + int.from_bytes(file.read(4), "little")
    return position


_ENDS: dict[str, Callable[[BinaryIO, int], int]] = {
    "mov": _mov_end,
    "avif": _mov_end,
    "matroska": _matroska_end,
    "avi": _avi_end,
    "ogg": _ogg_end,
    "webp": _riff_end,
    "apng": _png_end,
    "mpegts": _ts_end,
    "flv": _flv_end,
    "asf": _asf_end,
    "mxf": _mxf_end,
    "ivf": _ivf_end,
}
