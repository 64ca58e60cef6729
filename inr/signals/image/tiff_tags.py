"""The tag directories of TIFF, which EXIF uses too: only the tags that say how to read the picture."""

import mmap
import struct

Directory = dict[int, tuple[int, ...] | bytes]

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
DESCRIPTION, STRIP_OFFSETS, ORIENTATION, CHANNELS, STRIP_COUNTS, PLANAR = 270, 273, 274, 277, 279, 284
TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT, ICC_PROFILE, FILL_ORDER = 324, 325, 339, 34675, 266
COLOUR_MAP, SUB_DIRECTORIES, INK_SET, INKS, EXTRA_SAMPLES, SUBSAMPLING = 320, 330, 332, 334, 338, 530
DNG_VERSION, GEO_KEYS, GDAL_NODATA = 50706, 34735, 42113

_WANTED = frozenset(
    {SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION, STRIP_OFFSETS, ORIENTATION, CHANNELS}
    | {STRIP_COUNTS, PLANAR, TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT, ICC_PROFILE, FILL_ORDER}
    | {COLOUR_MAP, SUB_DIRECTORIES, INK_SET, INKS, EXTRA_SAMPLES, SUBSAMPLING, DNG_VERSION, GEO_KEYS, GDAL_NODATA}
)
_BYTE_TYPES = frozenset({1, 2, 7})  # BYTE, ASCII, UNDEFINED
_INTEGER_TYPES = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # SHORT, LONG, IFD, LONG8, IFD8


def read_directories(data: bytes | mmap.mmap, first_only: bool = False, start: int | None = None) -> list[Directory]:
    """The directories of a TIFF or BigTIFF file, or of an EXIF block, in the order of their chain.

    Args:
        data: the whole file.
        first_only: leave out those behind the first.
        start: where the first one of a chain lies; None for that of the pages.

    Raises:
        ValueError: a directory or a value lies outside `data`, or the chain is a loop.
        struct.error: the data end in the middle of a directory.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise ValueError("the byte order mark is neither II nor MM")
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    word, word_size, count_format, count_size = ("Q", 8, "Q", 8) if big else ("I", 4, "H", 2)
    offset = struct.unpack_from(order + word, data, 8 if big else 4)[0] if start is None else start
    directories: list[Directory] = []
    seen: set[int] = set()
    while offset and not (first_only and directories):
        if offset in seen:
            raise ValueError("its directories form a loop")
        seen.add(offset)
        count = struct.unpack_from(order + count_format, data, offset)[0]
        first, entry_size = offset + count_size, 4 + 2 * word_size
        offset = struct.unpack_from(order + word, data, first + count * entry_size)[0]
        directory: Directory = {}
        for position in range(first, first + count * entry_size, entry_size):
            tag, value = _read_entry(data, position, order, word)
            if value:
                directory[tag] = value
        directories.append(directory)
    return directories


def _read_entry(data: bytes | mmap.mmap, position: int, order: str, word: str) -> tuple[int, tuple[int, ...] | bytes]:
    """Tag and value of one entry; an empty value for a tag or a type of no interest here."""
    tag, kind, count = struct.unpack_from(f"{order}HH{word}", data, position)
    letter = "s" if kind in _BYTE_TYPES else _INTEGER_TYPES.get(kind)
    if letter is None or tag not in _WANTED:
        return tag, b""
    size, field = count * struct.calcsize("=" + letter), 8 if word == "Q" else 4
    start = position + 4 + field
    if size > field:
        start = struct.unpack_from(order + word, data, start)[0]
    if start + size > len(data):
        raise ValueError(f"the value of tag {tag} lies beyond the end")
    values = struct.unpack_from(f"{order}{count}{letter}", data, start)
    return tag, values[0] if letter == "s" else values


def number(directory: Directory, tag: int, default: int) -> int:
    """The first value of a tag, or a default where the directory lacks it."""
    return int(directory[tag][0]) if tag in directory else default


def orientation_of(directory: Directory) -> int:
    """EXIF orientation 1..8; 1 where it is missing or out of range, as viewers do."""
    value = number(directory, ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def exif_orientation(exif: bytes | None) -> int:
    """EXIF orientation 1..8 of an EXIF block; 1 for none or a broken one, which is no damage to the picture."""
    if not exif:
        return 1
    try:
        directories = read_directories(exif.removeprefix(b"Exif\0\0"), first_only=True)
    except (ValueError, struct.error):
        return 1
    return orientation_of(directories[0]) if directories else 1
