"""Reading TIFF and BigTIFF: which page is the picture, where its samples lie, what is not a picture at all."""

import mmap
import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from inr.container.limits import MAX_CHANNELS
from inr.signals.image import tiff_tags as tags
from inr.signals.image.attributes import ColourSpace
from inr.signals.image.channels import Channels, straight
from inr.signals.image.picture import Picture, check_frames, check_size
from inr.signals.image.tiff_samples import BLACK_IS_ZERO, RGB, WHITE_IS_ZERO, is_cmyk, is_converted, samples_of
from inr.signals.npy import Layout
from inr.signals.refusal import Refusal, damaged

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_ASSOCIATED = 1
_ALPHA = frozenset({_ASSOCIATED, 2})
_DIRECT = frozenset({WHITE_IS_ZERO, BLACK_IS_ZERO, RGB})  # gray and RGB, whose stored numbers are the samples
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

    photometric, count = tags.number(page, tags.PHOTOMETRIC, BLACK_IS_ZERO), tags.number(page, tags.CHANNELS, 1)
    channels, associated = _channels(page) if photometric in _DIRECT else (None, False)
    most = 5 if is_cmyk(page) else 4
    if channels is None and not 1 <= count <= most:
        raise Refusal(f"has {count} channels; 1 to {most} are allowed")
    samples, orientation = samples_of(data, index, page, tags.orientation_of(page))
    if channels is not None and associated:
        samples = straight(samples, channels.colours)
    kept = None if is_converted(page) else _profile_of(page)
    return Picture(samples, _colours_of(samples.dtype, channels, kept), orientation, kept, channels, *_data_of(page))


@dataclass(frozen=True)
class TiffLayout:
    """An uncompressed TIFF file.

    Attributes:
        layout: where its samples are, `(height, width, channels)`.
        icc_profile: as for `Picture`, and likewise the others.
        channels: of the samples.
        colour_space: of their colours.
        measured: that they are no light.
        missing: value of samples that are none.
    """

    layout: Layout
    icc_profile: bytes | None
    channels: Channels
    colour_space: ColourSpace
    measured: bool
    missing: float | None


def tiff_layout(data: mmap.mmap) -> TiffLayout | None:
    """Where the samples of a TIFF file are, and what they mean; None unless they lie there as they are to be read.

    That is: upright, uncompressed, sample after sample and row after row, so that some rows can be read alone, and not
    multiplied by alpha.
    """
    _, page = _only_page(data)
    height, width, channels = (tags.number(page, tag, 0) for tag in (tags.HEIGHT, tags.WIDTH, tags.CHANNELS))
    bits, formats = set(page.get(tags.BITS, ())), set(page.get(tags.SAMPLE_FORMAT, (1,)))
    offsets, counts = page.get(tags.STRIP_OFFSETS, ()), page.get(tags.STRIP_COUNTS, ())
    dtype = _DTYPES.get((formats.pop(), bits.pop())) if len(bits) == len(formats) == 1 else None
    if (
        dtype is None
        or not 1 <= channels <= MAX_CHANNELS
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
    meaning, associated = _channels(page)
    if associated:
        return None
    layout, profile = Layout(int(offsets[0]), native, (height, width, channels)), _profile_of(page)
    return TiffLayout(layout, profile, meaning, _colours_of(native, meaning, profile), *_data_of(page))


def _channels(page: tags.Directory) -> tuple[Channels, bool]:
    """What the channels of a gray or RGB page are, and whether the colours are multiplied by alpha.

    An extra channel is alpha only if the file says so. Three channels of which two mean nothing are RGB.
    """
    count, photometric = tags.number(page, tags.CHANNELS, 1), tags.number(page, tags.PHOTOMETRIC, 1)
    if not 1 <= count <= MAX_CHANNELS:
        raise Refusal(f"has {count} channels; 1 to {MAX_CHANNELS} are allowed")
    extra = tuple(int(kind) for kind in page.get(tags.EXTRA_SAMPLES, ()))
    colours = 3 if count >= 3 and (photometric == RGB or (count == 3 and not any(extra))) else 1
    extra = (*extra, *[0] * count)[: count - colours]
    if any(kind in _ALPHA for kind in extra[:-1]):
        raise Refusal(f"has alpha before other channels (extra samples {', '.join(map(str, extra))}); it is read last")
    alpha = bool(extra) and extra[-1] in _ALPHA
    return Channels(colours, len(extra) - alpha, alpha), alpha and extra[-1] == _ASSOCIATED


def _colours_of(dtype: np.dtype[Any], channels: Channels | None, profile: bytes | None) -> ColourSpace:
    """Unsigned integers are sRGB; floats are linear light if they are RGB and no profile says what they are."""
    if dtype.kind == "u":
        return "srgb"
    if dtype.kind == "i":
        return "unknown"
    return "linear" if channels is not None and channels.colours == 3 and profile is None else "unknown"


def _data_of(page: tags.Directory) -> tuple[bool, float | None]:
    """Whether the samples of a page are measurements on a map, and the value of those that are none."""
    text = page.get(tags.GDAL_NODATA)
    missing: float | None = None
    if isinstance(text, bytes):
        with suppress(ValueError):  # no number: broken meta data do not spoil a picture
            missing = float(text.rstrip(b"\0 "))
    return tags.GEO_KEYS in page or text is not None, missing


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
