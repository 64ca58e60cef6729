"""Which files are videos: told by their content, never by their name, and without FFmpeg.

FFmpeg is given the demuxer that this module names and never chooses one by itself: some of its demuxers (playlists,
lists of files, session descriptions) open further files, and none of those is here.
"""

import io
from collections.abc import Iterable
from typing import BinaryIO

from inr.signals.image.frames import is_animated

FORMATS = (
    "MP4, MOV, 3GP, MKV, WebM, AVI, Ogg, MPEG, TS, M2TS, WMV, FLV, MXF, DV, IVF, NUT, RealMedia, Y4M, "
    "raw H.264, HEVC, AV1 and MJPEG, animated GIF, PNG, WebP and AVIF, and folders of at least 2 pictures"
)
"""Names of what is read, for messages."""

HEAD_BYTES = 2048
ANIMATED_PICTURES = ("apng", "webp", "avif")
"""Read without FFmpeg, and named like demuxers all the same."""
UNTIMED = frozenset({"h264", "hevc", "vvc", "m4v", "mpegvideo", "vc1", "mjpeg", "obu", "dirac"})
"""Streams without a container: they state a rate at best, and FFmpeg makes up the times of frames."""

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"OggS", "ogg"),
    (0, b"YUV4MPEG2 ", "yuv4mpegpipe"),
    (0, b"FLV\x01", "flv"),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "asf"),
    (0, bytes.fromhex("060e2b34020501010d0102010102"), "mxf"),
    (0, bytes.fromhex("b7d800203749da11a64e0007e95ead8d"), "wtv"),
    (0, b"\0\0\0\0\x01\xbc", "gxf"),
    (0, b"DKIF\0\0", "ivf"),
    (0, b"nut/multimedia container\0", "nut"),
    (0, b".RMF\0\0", "rm"),
    (0, b"NSVf", "nsv"),
    (0, b"\x1f\x07\0", "dv"),
    (0, b"BBCD", "dirac"),
    (0, b"\x12\0\x0a", "obu"),
    (0, b"FWS", "swf"),
    (0, b"CWS", "swf"),
)
# Boxes that may be the first of an MP4 or QuickTime file.
_BOXES = {
    *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"styp", b"sidx", b"moof", b"pdin"),
    *(b"junk", b"PICT", b"udta", b"meta", b"prfl", b"emsg", b"ssix", b"prft", b"jP  "),
}
_MOVIE = {b"moov", b"moof"}
_STILL_BRANDS = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"jp2 ", b"jpx ", b"jpm ", b"crx "),
}
_MAX_BOXES = 64
_START_CODE = b"\0\0\x01"
_MAX_ZEROS = 64
_TS_PACKETS = 5


def demuxer_of(file: BinaryIO) -> str | None:
    """FFmpeg's name for the container of a file, one of `ANIMATED_PICTURES`, or None for what is no video.

    An animated picture has more than one frame; a still one is no video.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return "avi"
    for name, begins in (
        ("gif", head.startswith(b"GIF8")),
        ("apng", head.startswith(b"\x89PNG\r\n\x1a\n")),
        ("webp", head[:4] == b"RIFF" and head[8:12] == b"WEBP"),
        ("mjpeg", head.startswith(b"\xff\xd8\xff")),
    ):
        if begins:
            return name if is_animated(file) else None
    if head[4:8] in _BOXES:
        return _of_boxes(file)
    return _elementary(head) or ("mpegts" if packets_of(head) else None)


def _of_boxes(file: BinaryIO) -> str | None:
    """What files of boxes are: "mov" with a movie, "avif" for an animated AVIF picture."""
    found, brands = list[bytes](), set[bytes]()
    for kind, start, end in boxes(file, _MAX_BOXES):
        if not found and kind not in _BOXES:
            return None
        found.append(kind)
        if kind == b"ftyp" and not brands:
            file.seek(start)
            words = file.read(min(end - start, HEAD_BYTES))
            brands = {words[i : i + 4] for i in range(0, len(words), 4) if i != 4}
            if brands & {b"avif", b"avis"}:
                return "avif" if is_animated(file) else None
            if words[:4] in _STILL_BRANDS:
                return None
        if kind in _MOVIE or (kind == b"mdat" and brands):
            return "mov"
    # A file that ends before its movie is a damaged video; a mere box or two may be anything.
    return "mov" if brands or b"mdat" in found else None


def boxes(file: BinaryIO, most: int, start: int = 0, end: int | None = None) -> Iterable[tuple[bytes, int, int]]:
    """Type, first byte of the content, and end of the boxes of an ISO media file, as far as they are sound.

    Args:
        file: the file.
        most: how many, at most.
        start: where the first one begins.
        end: of the last one; None for that of the file.
    """
    end = file.seek(0, io.SEEK_END) if end is None else end
    for _ in range(most):
        file.seek(start)
        head = file.read(16)
        length, kind, content = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if length == 1:
            length, content = int.from_bytes(head[8:16], "big"), start + 16
        stop = end if length == 0 else start + length
        if len(head) < 8 or stop < content:
            return
        yield kind, content, stop
        start = stop
        if start + 8 > end:
            return


def _elementary(head: bytes) -> str | None:
    """MPEG program streams, and video streams without a container: they begin with a start code."""
    place = head.find(_START_CODE)
    if not 0 <= place <= _MAX_ZEROS or head[:place].strip(b"\0"):
        return None
    code, after = head[place + 3 : place + 4], head[place + 4 : place + 6]
    first, second = int.from_bytes(code, "big"), int.from_bytes(after[:1], "big")
    if len(after) < 2:
        return None
    if first in (0xBA, 0xBB) or 0xE0 <= first <= 0xEF:
        return "mpeg"
    if first == 0xB3:
        return "mpegvideo"
    if first in (0xB0, 0xB5) or (first < 0x20 and head[place + 4 : place + 7] == _START_CODE):
        return "m4v"
    if first == 0x0F:
        return "vc1"
    if first == 0 and second in (0x61, 0x69, 0x71, 0x79, 0xA1, 0xB9):  # OPI, DCI, VPS, SPS, AUD, SEI
        return "vvc"
    if first in (0x40, 0x42, 0x46, 0x4E) and second == 1:  # VPS, SPS, AUD, SEI
        return "hevc"
    if first in (0x27, 0x47, 0x67, 0x09, 0x06):  # SPS, AUD, SEI
        return "h264"
    return None


def packets_of(head: bytes) -> tuple[int, int] | None:
    """Where the first packet of an MPEG transport stream begins, and bytes of a packet; None for anything else.

    Each packet begins with a mark, and may have 4 bytes before it or 16 behind it.
    """
    for size in (188, 192, 204):
        for first in range(size):
            places = range(first, len(head) - 3, size)[:_TS_PACKETS]
            # Two bits of the fourth byte say what the packet holds, and are never both 0.
            if len(places) >= 2 and all(head[i] == 0x47 and head[i + 3] & 0x30 for i in places):
                return first % size - (4 if size == 192 else 0), size
    return None
