"""Reading TIFF and BigTIFF: which page is the picture, where its samples lie, what is not a picture at all."""

import mmap
import re
import struct
from contextlib import suppress

import numpy as np

from inr.signals.image import tiff_tags as tags
from inr.signals.image.from_array import colours_of
from inr.signals.image.picture import Picture, check_frames, check_size
from inr.signals.image.tiff_samples import BLACK_IS_ZERO, RGB, is_cmyk, is_converted, samples_of
from inr.signals.npy import Layout
from inr.signals.refusal import Refusal, damaged

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_RAW = (32803, 34892)  # photometric interpretations of sensor data
_MAX_SUB_DIRECTORIES = 16
_DTYPES = {
    (1, 8): "uint8",
    (1, 16): "uint16",
    (2, 8): "int8",
    (2, 16): "int16",
    (3, 16): "float16",
    (3, 32): "float32",
    (3, 64): "float64",
}


def read_tiff(data: bytes) -> Picture:
    """Read a TIFF or BigTIFF file of one page; thumbnails and masks beside the page are ignored."""
    index, page = _only_page(data)
    check_size(tags.number(page, tags.HEIGHT, 0), tags.number(page, tags.WIDTH, 0))
    _check_extents(page, len(data))

    channels, most = tags.number(page, tags.CHANNELS, 1), 5 if is_cmyk(page) else 4
    if not 1 <= channels <= most:
        raise Refusal(f"has {channels} channels; 1 to {most} are allowed")
    samples, orientation = samples_of(data, index, page, tags.orientation_of(page))
    kept = None if is_converted(page) else _profile_of(page)
    return Picture(samples, colours_of(samples.dtype), orientation, kept)


def tiff_layout(data: mmap.mmap) -> tuple[Layout, bytes | None] | None:
    """Where the samples of a TIFF file are, and its profile; None unless they lie there as they are to be read.

    That is: upright, uncompressed, sample after sample and row after row, so that some rows can be read alone.
    """
    _, page = _only_page(data)
    height, width, channels = (tags.number(page, tag, 0) for tag in (tags.HEIGHT, tags.WIDTH, tags.CHANNELS))
    bits, formats = set(page.get(tags.BITS, ())), set(page.get(tags.SAMPLE_FORMAT, (1,)))
    offsets, counts = page.get(tags.STRIP_OFFSETS, ()), page.get(tags.STRIP_COUNTS, ())
    dtype = _DTYPES.get((formats.pop(), bits.pop())) if len(bits) == len(formats) == 1 else None
    if (
        dtype is None
        or not 1 <= channels <= 4
        or tags.number(page, tags.COMPRESSION, 1) != 1
        or tags.number(page, tags.PHOTOMETRIC, 1) not in (BLACK_IS_ZERO, RGB)
        or (channels > 1 and tags.number(page, tags.PLANAR, 1) != 1)
        or tags.number(page, tags.FILL_ORDER, 1) != 1
        or tags.orientation_of(page) != 1
    ):
        return None
    ends = [offset + count for offset, count in zip(offsets, counts, strict=False)]
    native = np.dtype(dtype).newbyteorder("<" if data[:2] == b"II" else ">")
    size = height * width * channels * native.itemsize
    if not ends or list(offsets[1:]) != ends[:-1] or ends[-1] - offsets[0] != size:
        return None
    _check_extents(page, len(data))
    return Layout(int(offsets[0]), native, (height, width, channels)), _profile_of(page)


def _check_no_raw(data: bytes | mmap.mmap, directories: list[tags.Directory]) -> None:
    """Refuse the raw files of cameras, whose pages are small previews of what their sub-directories hold."""
    places = [place for directory in directories for place in directory.get(tags.SUB_DIRECTORIES, ())]
    below: list[tags.Directory] = []
    for place in places[:_MAX_SUB_DIRECTORIES]:
        with suppress(ValueError, struct.error):  # a broken one does not spoil the page
            below += tags.read_directories(data, first_only=True, start=place)
    dng = any(tags.DNG_VERSION in directory for directory in directories)
    cr2 = data[8:10] == b"CR"
    if dng or cr2 or any(tags.number(d, tags.PHOTOMETRIC, 1) in _RAW for d in (*directories, *below)):
        name = " (DNG)" if dng else " (CR2)" if cr2 else ""
        raise Refusal(f"is a camera raw file{name}, which is not supported: develop it to TIFF or PNG first")


def _profile_of(page: tags.Directory) -> bytes | None:
    """The colour profile of a page."""
    profile = page.get(tags.ICC_PROFILE)
    return bytes(profile) if profile else None


def _only_page(data: bytes | mmap.mmap) -> tuple[int, tags.Directory]:
    """Number and tags of the only page."""
    directories = tags.read_directories(data)
    _check_no_raw(data, directories)
    pages = [i for i, directory in enumerate(directories) if not tags.number(directory, tags.SUBFILE, 0) & 0b101]
    if not directories:
        raise damaged("it has no page")
    if not pages:
        raise Refusal("is not supported: all its pages are thumbnails or masks")
    page = directories[pages[0]]
    check_frames(max(len(pages), _stacked_images(page)))
    return pages[0], page


def _stacked_images(page: tags.Directory) -> int:
    """Number of images that ImageJ says it put behind a single directory."""
    description = page.get(tags.DESCRIPTION, b"")
    if not isinstance(description, bytes) or not description.startswith(b"ImageJ="):
        return 1
    found = re.search(rb"\bimages=(\d{1,9})\b", description)
    return int(found[1]) if found else 1


def _check_extents(page: tags.Directory, length: int) -> None:
    """Refuse a page with a strip or a tile outside the file: decoders may fill what is missing with zeros."""
    for offsets, counts in ((tags.STRIP_OFFSETS, tags.STRIP_COUNTS), (tags.TILE_OFFSETS, tags.TILE_COUNTS)):
        if offsets not in page or counts not in page:
            continue
        for offset, count in zip(page[offsets], page[counts], strict=False):
            if offset + count > length:
                raise damaged(f"pixels end at byte {offset + count}, the file at byte {length}")
