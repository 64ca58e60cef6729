"""The samples of one page of a TIFF file, in whatever way they are stored, as gray or RGB.

Gray and RGB of 8 and 16 bits and floats keep their numbers; fewer bits than 8, or than 16, are stretched to those;
integers of more than 16 bits become 32-bit floats, which round them to 24 bits. Palettes become 8-bit RGB, CMYK and
CIELab RGB of their own depth, YCbCr 8-bit RGB. libtiff decodes what it can, tifffile the compressions that libtiff
does not know.
"""

import io
import logging

import numpy as np

from inr.signals.image import tiff_tags as tags
from inr.signals.image.lab import cielab_to_srgb
from inr.signals.image.picture import full_range
from inr.signals.image.pillow import array_of, quiet
from inr.signals.refusal import Refusal, damaged
from inr.signals.signal import Array

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
_PALETTE, _CMYK, _YCBCR, _CIELAB, _ICCLAB = 3, 5, 6, 8, 9
_MODELS = {4: "a mask", 10: "ITU CIELab", 32803: "a colour filter array", 32844: "LogL", 32845: "LogLuv", 34892: "raw"}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_NUMBERS = {
    _UNSIGNED: "unsigned integers",
    _SIGNED: "signed integers",
    _FLOAT: "floats",
    5: "complex integers",
    6: "complex numbers",
}
_FLOATS = (16, 24, 32, 64)
_LIBTIFF = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34887, 34925, 50000, 50001})
_JPEG = frozenset({6, 7})
_ELECTRONS = frozenset({65000, 65001, 65002})  # counts of a detector, which are no picture until they are summed


def samples_of(data: bytes, index: int, page: tags.Directory, orientation: int) -> tuple[Array, int]:
    """The samples of a page.

    Args:
        data: the whole file.
        index: number of the page.
        page: its tags.
        orientation: what the tags say.

    Returns:
        Samples `(height, width, channels)`, and the orientation that they still need.
    """
    _check_stored(page)
    photometric = tags.number(page, tags.PHOTOMETRIC, BLACK_IS_ZERO)
    if photometric == _YCBCR:
        return _from_ycbcr(data, index, page, orientation)
    stored = _numbers(data, index, page)
    match photometric:
        case 0 | 1 | 2:
            return _plain(stored, page, photometric == WHITE_IS_ZERO), orientation
        case 3:
            return _from_palette(stored, page), orientation
        case 5:
            return _from_cmyk(stored, page), orientation
        case _:
            return cielab_to_srgb(stored, offset=photometric == _ICCLAB), orientation


def is_cmyk(page: tags.Directory) -> bool:
    """True for a page of inks."""
    return tags.number(page, tags.PHOTOMETRIC, BLACK_IS_ZERO) == _CMYK


def is_converted(page: tags.Directory) -> bool:
    """True if the profile of a page describes other numbers than its samples become: inks, or CIELab."""
    return tags.number(page, tags.PHOTOMETRIC, BLACK_IS_ZERO) in (_CMYK, _CIELAB, _ICCLAB)


def _check_stored(page: tags.Directory) -> None:
    """Refuse what is stored in a way that nothing here decodes."""
    photometric = tags.number(page, tags.PHOTOMETRIC, BLACK_IS_ZERO)
    if photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, _PALETTE, _CMYK, _YCBCR, _CIELAB, _ICCLAB):
        name = _MODELS.get(photometric, "unknown")
        read = "gray, RGB, palette, CMYK, YCbCr and CIELab are read"
        raise _unsupported(f"colour model {photometric} of TIFF ({name}); {read}")
    compression = tags.number(page, tags.COMPRESSION, 1)
    if compression not in _LIBTIFF and not _tifffile_decodes(compression):
        raise _unsupported(f"compression {compression} of TIFF ({_name_of(compression)})")
    bits, formats = set(page.get(tags.BITS, (1,))), set(page.get(tags.SAMPLE_FORMAT, (_UNSIGNED,)))
    if len(bits) > 1 or len(formats) > 1:
        raise Refusal("has channels of several types; all must have the same")
    depth, kind = bits.pop(), formats.pop()
    if kind == 4:  # "undefined": what programs write who know of no other than integers
        kind = _UNSIGNED
    direct = photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB)
    if kind not in (_UNSIGNED, _SIGNED, _FLOAT) or (not direct and photometric != _CIELAB and kind != _UNSIGNED):
        raise _unsupported(f"{depth}-bit {_NUMBERS.get(kind, f'samples of format {kind}')} in such a picture")
    if (kind == _FLOAT and depth not in _FLOATS) or not 1 <= depth <= 64 or (kind == _SIGNED and depth % 8):
        raise _unsupported(f"{depth}-bit {_NUMBERS[kind]}")


def _unsupported(what: str) -> Refusal:
    return Refusal(f"is not supported: it has {what}")


def _tifffile_decodes(compression: int) -> bool:
    import tifffile

    try:
        return compression not in _ELECTRONS and callable(tifffile.TIFF.DECOMPRESSORS[compression])
    except KeyError:
        return False


def _name_of(compression: int) -> str:
    import tifffile

    try:
        return tifffile.COMPRESSION(compression).name
    except ValueError:
        return "unknown"


def _numbers(data: bytes, index: int, page: tags.Directory) -> Array:
    """The numbers of a page as they are stored, `(height, width, channels)`."""
    channels = tags.number(page, tags.CHANNELS, 1)
    whole = tags.number(page, tags.BITS, 1) != 24
    if tags.number(page, tags.COMPRESSION, 1) in _LIBTIFF and tags.number(page, tags.PHOTOMETRIC, 1) != _CMYK and whole:
        import imagecodecs

        stored: Array = imagecodecs.tiff_decode(data, index=index)
    else:
        stored = _by_tifffile(data, index)
    if channels > 1 and tags.number(page, tags.PLANAR, 1) == 2:
        stored = np.moveaxis(stored, 0, -1)
    return stored.reshape(tags.number(page, tags.HEIGHT, 0), tags.number(page, tags.WIDTH, 0), channels)


def _by_tifffile(data: bytes, index: int) -> Array:
    """What tifffile decodes, without its remarks on the terminal about files that are not quite right."""
    import tifffile

    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[index]
            if not isinstance(page, tifffile.TiffPage):
                raise damaged(f"it has no page {index}")
            return np.asarray(page.asarray(maxworkers=1))
    finally:
        log.disabled = before


def _plain(stored: Array, page: tags.Directory, white_is_zero: bool) -> Array:
    """Gray and RGB in a type that signals have."""
    if stored.dtype == np.bool_:
        stored = stored.astype(np.uint8)
    if stored.dtype.kind == "u":
        bits = tags.number(page, tags.BITS, 1)
        if white_is_zero:
            stored = np.concatenate([2**bits - 1 - stored[..., :1], stored[..., 1:]], axis=-1)
        if bits <= 16:
            return full_range(stored, 2**bits - 1)
    return stored.astype(np.float32) if stored.dtype.itemsize > 2 and stored.dtype.kind in "iu" else stored


def _from_palette(stored: Array, page: tags.Directory) -> Array:
    """8-bit RGB of the indices into a colour map."""
    entries = 2 ** tags.number(page, tags.BITS, 1)
    colours = np.array(page.get(tags.COLOUR_MAP, ()))
    if colours.size != 3 * entries or stored.shape[-1] != 1:
        raise damaged(f"its colour map has {colours.size} values; {3 * entries} are needed, and one channel")
    # Some programs write 8-bit values where 16-bit ones belong.
    table = (colours // 256 if colours.max() > 255 else colours).astype(np.uint8).reshape(3, entries).T
    picture: Array = table[stored[..., 0].astype(np.intp)]
    return picture


def _from_cmyk(stored: Array, page: tags.Directory) -> Array:
    """RGB, with alpha where there is some, of four inks, each of which takes away its part of the light."""
    inks, set_ = tags.number(page, tags.INKS, 4), tags.number(page, tags.INK_SET, 1)
    if set_ != 1 or inks != 4 or stored.shape[-1] < 4 or stored.dtype.itemsize > 2:
        raise _unsupported(f"{inks} inks of {stored.dtype}; CMYK of 8 and 16 bits is read")
    top = int(np.iinfo(stored.dtype).max)
    covered, rest = stored[..., :4].astype(np.int64), stored[..., 4:]
    extra = tags.number(page, tags.EXTRA_SAMPLES, 0)
    if rest.size and extra not in (_ASSOCIATED, _UNASSOCIATED):
        raise _unsupported("CMYK and a channel that is not alpha")
    if rest.size and extra == _ASSOCIATED:
        alpha = np.maximum(rest.astype(np.int64), 1)
        covered = np.minimum((covered * 2 * top + alpha) // (2 * alpha), top)
    light = top - covered
    rgb = (light[..., :3] * light[..., 3:] * 2 + top) // (2 * top)
    return np.concatenate([rgb.astype(stored.dtype), rest], axis=-1)


def _from_ycbcr(data: bytes, index: int, page: tags.Directory, orientation: int) -> tuple[Array, int]:
    """8-bit RGB, and the orientation that it still needs."""
    if tags.number(page, tags.BITS, 1) != 8:
        raise _unsupported(f"{tags.number(page, tags.BITS, 1)}-bit YCbCr; 8 bits are read")
    compression = tags.number(page, tags.COMPRESSION, 1)
    if compression not in _LIBTIFF:
        raise _unsupported(f"YCbCr with compression {compression} of TIFF ({_name_of(compression)})")
    subsampled = page.get(tags.SUBSAMPLING, (2, 2)) != (1, 1)
    if subsampled and compression not in _JPEG:
        import imagecodecs

        rgb: Array = imagecodecs.tiff_decode(data, index=index, asrgb=True)[..., :3]
        return rgb, orientation
    from PIL.TiffImagePlugin import TiffImageFile

    with quiet(), TiffImageFile(io.BytesIO(data)) as image:
        if index:
            image.seek(index)
        image.load()
        samples = array_of(image)
        # Pillow turns TIFF while loading, then forgets the tag; versions that do not, keep it.
        return samples, orientation if tags.ORIENTATION in image.tag_v2 else 1
