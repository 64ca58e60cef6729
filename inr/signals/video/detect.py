"""Which files are videos, and whether they are whole: told by their bytes, without decoding anything."""

import io
from pathlib import Path
from typing import BinaryIO

from inr.errors import FileAccessError
from inr.files import reason
from inr.signals.image.gif import gif_frames
from inr.signals.refusal import Refusal

HEAD_BYTES = 128
_Y4M_FRAME, _Y4M_LINE = b"FRAME\n", 80
_STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def opened(source: Path | bytes) -> BinaryIO:
    """A stream over a file or over bytes; raises `FileAccessError`."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise FileAccessError(f"cannot read {source}: {reason(error)}") from None


def demuxer_of(head: bytes) -> str | None:
    """FFmpeg's name for the container that begins with `head`, or None if it is none that is read.

    GIF is among them, whether it has one frame or many.
    """
    if head[4:8] == b"ftyp":
        end = min(len(head), int.from_bytes(head[:4], "big"))
        brands = {head[i : i + 4] for i in range(8, end, 4)}
        still = head[8:12] in _STILL_BRANDS or brands & {b"avif", b"avis"}
        return None if still else "mov"
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    starts = {b"\x1aE\xdf\xa3": "matroska", b"OggS": "ogg", b"GIF8": "gif", b"YUV4MPEG2 ": "yuv4mpegpipe"}
    return next((name for magic, name in starts.items() if head.startswith(magic)), None)


def is_video_file(source: Path | bytes) -> bool:
    """True for a container that is read, and for a GIF of more than one frame; raises `FileAccessError`."""
    with opened(source) as file:
        demuxer = demuxer_of(file.read(HEAD_BYTES))
        return demuxer is not None and (demuxer != "gif" or gif_frames(file, 2)[0] > 1)


def check_whole(file: BinaryIO, demuxer: str) -> None:
    """Refuse a file that is shorter than its container says.

    A decoder would take the rest for the whole: the frames that are left look sound.
    """
    size = file.seek(0, io.SEEK_END)
    if demuxer == "gif":
        if not gif_frames(file)[1]:
            raise Refusal(f"is cut: it has no end mark within its {size} bytes")
        return
    ends = {"mov": _mov_end, "matroska": _matroska_end, "avi": _avi_end, "ogg": _ogg_end}
    needed = ends[demuxer](file, size) if demuxer in ends else 0
    if needed > size:
        raise Refusal(f"is cut: it has {size} bytes of at least {needed}")


def _mov_end(file: BinaryIO, size: int) -> int:
    """The end that the boxes of an MP4 or QuickTime file need."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0 is a box up to the end of the file, the rest is not a box
            return size
        position += length
        if position > size and kind.isalnum():  # else it is rubbish after the last box
            return position
    return size


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
