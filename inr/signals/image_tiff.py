"""Reading TIFF: 8 and 16-bit integers and floats through libtiff, the rest (palette, CMYK, 1 bit) as 8 bit."""

import io
import re

import numpy as np

from inr.meta import ColourSpace
from inr.signals import image_tags as tags
from inr.signals.image_common import Array, Picture, Refusal, check_frames, check_size, damaged
from inr.signals.image_pillow import array_of, quiet

_WHITE_IS_ZERO, _CMYK, _YCBCR = 0, 5, 6
_DIRECT = frozenset({_WHITE_IS_ZERO, 1, 2})  # gray and RGB, whose stored numbers are the samples
_CONVERTED = frozenset({_WHITE_IS_ZERO, 1, 3, _CMYK, _YCBCR})  # 3: palette
_DTYPES = {(1, 8): "uint8", (1, 16): "uint16", (3, 16): "float16", (3, 32): "float32", (3, 64): "float64"}
_ALLOWED = "8 and 16-bit unsigned integers and 16, 32 and 64-bit floats are read"


def read_tiff(data: bytes) -> Picture:
    """Read a TIFF or BigTIFF file of one page; thumbnails and masks beside the page are ignored."""
    directories = tags.read_directories(data)
    pages = [i for i, directory in enumerate(directories) if not tags.number(directory, tags.SUBFILE, 0) & 0b101]
    if not pages:
        raise damaged("it has no page")
    page = directories[pages[0]]
    check_frames(max(len(pages), _stacked_images(page)))
    check_size(tags.number(page, tags.HEIGHT, 0), tags.number(page, tags.WIDTH, 0))
    _check_extents(page, len(data))

    orientation, profile = tags.orientation_of(page), page.get(tags.ICC_PROFILE)
    photometric = tags.number(page, tags.PHOTOMETRIC, 1)
    if photometric in _DIRECT and tags.number(page, tags.BITS, 1) >= 8:
        samples = _read_direct(data, pages[0], page)
        if photometric == _WHITE_IS_ZERO and samples.dtype.kind == "u":
            samples = np.iinfo(samples.dtype).max - samples
    elif photometric in _CONVERTED:
        samples, orientation = _read_converted(data, pages[0], orientation)
    else:
        raise Refusal(f"uses colour model {photometric} of TIFF; gray, RGB, palette, CMYK and YCbCr are read")
    space: ColourSpace = "unknown" if samples.dtype.kind == "f" else "srgb"
    # The profile of a CMYK file describes inks, not the RGB samples it was converted to.
    kept = bytes(profile) if profile and photometric != _CMYK else None
    return Picture(samples, space, orientation, kept)


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


def _read_direct(data: bytes, index: int, page: tags.Directory) -> Array:
    """Samples in the type the file has them."""
    bits, formats = set(page.get(tags.BITS, (1,))), set(page.get(tags.SAMPLE_FORMAT, (1,)))
    channels = tags.number(page, tags.CHANNELS, 1)
    if len(bits) > 1 or len(formats) > 1:
        raise Refusal("has channels of several types; all must have the same")
    kind, depth = formats.pop(), bits.pop()
    dtype = _DTYPES.get((kind, depth))
    if dtype is None:
        name = {1: "unsigned integers", 2: "signed integers", 3: "floats"}.get(kind, "samples of an unknown type")
        raise Refusal(f"stores {depth}-bit {name}; {_ALLOWED}")
    if not 1 <= channels <= 4:
        raise Refusal(f"has {channels} channels; 1 to 4 are allowed")
    import imagecodecs

    samples = imagecodecs.tiff_decode(data, index=index)
    if channels > 1 and tags.number(page, tags.PLANAR, 1) == 2:
        samples = np.moveaxis(samples, 0, -1)
    shape = (tags.number(page, tags.HEIGHT, 0), tags.number(page, tags.WIDTH, 0), channels)
    return samples.astype(dtype, copy=False).reshape(shape)


def _read_converted(data: bytes, index: int, orientation: int) -> tuple[Array, int]:
    """8-bit samples of another colour model, and the orientation they still need."""
    from PIL.TiffImagePlugin import TiffImageFile

    with quiet(), TiffImageFile(io.BytesIO(data)) as image:
        if index:
            image.seek(index)
        image.load()
        samples = array_of(image)
        # Pillow turns TIFF while loading, then forgets the tag; versions that do not, keep it.
        return samples, orientation if tags.ORIENTATION in image.tag_v2 else 1
