"""Reading WebP, BMP, GIF and AVIF, and what Pillow opened.

The plug-in classes of Pillow are used directly rather than `Image.open`, whose limit on the number of pixels
is a global setting below `inr.signals.limits.MAX_SAMPLES`.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from inr.signals.image.gif import gif_frames
from inr.signals.image.picture import NO_CODES, Codes, Picture, check_frames, check_size, full_range
from inr.signals.image.tiff_tags import exif_orientation
from inr.signals.refusal import Refusal, damaged
from inr.signals.signal import Array

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_AVIF_SEARCHED = 2**16
_MODES_RGB = frozenset({"P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"})
_MODES_ALPHA = frozenset({"RGBA", "RGBa", "PA"})


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings (about broken EXIF, say) and turn its limit on pixels into a `Refusal`."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Image.DecompressionBombError:
            raise Refusal(f"is too large: Pillow reads at most {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels") from None


def array_of(image: "Image") -> Array:
    """The samples of a loaded Pillow image as 8-bit gray, gray + alpha, RGB or RGBA."""
    mode = image.mode
    if mode in ("1", "L", "LA", "La"):
        target = "LA" if image.has_transparency_data else "L"
    elif mode in _MODES_RGB or mode in _MODES_ALPHA:
        target = "RGBA" if image.has_transparency_data else "RGB"
    else:
        raise Refusal(f"uses colour model {mode}; gray, RGB, palette, CMYK and YCbCr are read")
    return np.array(image if mode == target else image.convert(target))


def read_webp(data: bytes) -> Picture:
    """Read a WebP file of one frame."""
    from PIL.WebPImagePlugin import WebPImageFile

    with quiet():
        image = WebPImageFile(io.BytesIO(data))
    return picture_of_opened(image)


def read_bmp(data: bytes) -> Picture:
    """Read a BMP file."""
    from PIL.BmpImagePlugin import BmpImageFile

    # Pillow takes the end of a run-length coded file for blank pixels, so the stated length must be there.
    if len(data) < 34 or (data[30] in (1, 2) and int.from_bytes(data[2:6], "little") > len(data)):
        raise damaged("it ends before its last pixel")
    with quiet():
        image = BmpImageFile(io.BytesIO(data))
    return picture_of_opened(image)


def read_gif(data: bytes) -> Picture:
    """Read a GIF file of one frame."""
    from PIL.GifImagePlugin import GifImageFile

    # Without the trailer, an animation cut after its first frame would pass for a still picture.
    if not gif_frames(io.BytesIO(data))[1]:
        raise damaged("it ends before its trailer")
    with quiet():
        image = GifImageFile(io.BytesIO(data))
    return picture_of_opened(image)


def read_avif(data: bytes) -> Picture:
    """Read an AVIF file of one frame; 10 and 12-bit samples come as 16 bit, which Pillow would cut to 8."""
    import imagecodecs
    from PIL.AvifImagePlugin import AvifImageFile

    with quiet(), AvifImageFile(io.BytesIO(data)) as image:
        check_frames(image.n_frames)
        check_size(image.height, image.width)
        orientation, profile = exif_orientation(image.info.get("exif")), image.info.get("icc_profile")
    samples = imagecodecs.avif_decode(data)
    if samples.dtype == np.uint16:
        # Bit 5 of the third byte of the AV1 configuration tells 12-bit from 10-bit samples.
        twelve = data[data.index(b"av1C") + 6] & 0b00100000
        samples = full_range(samples, 4095 if twelve else 1023)
    return Picture(samples, "srgb", orientation, profile or None, codes=_codes_of_avif(data))


def _codes_of_avif(data: bytes) -> Codes:
    """The code points of an AVIF file where they say something that is not sRGB; its samples come as full-range RGB.

    The transfer of BT.709 counts as that of sRGB, as viewers have it.
    """
    start = data.find(b"colrnclx", 0, _AVIF_SEARCHED)
    if start < 0 or start + 15 > len(data):
        return NO_CODES
    primaries, transfer = struct.unpack_from(">HH", data, start + 8)
    usual = primaries in (0, 1, 2, 5, 6, 7) and transfer in (0, 1, 2, 6, 13, 14, 15)
    return NO_CODES if usual or max(primaries, transfer) > 255 else Codes((primaries, transfer, 0, 1))


def picture_of_opened(image: "ImageFile") -> Picture:
    """Check the header of an opened file, then decode it."""
    with quiet(), image:
        if image.format != "JPEG":
            check_frames(getattr(image, "n_frames", 1))
        check_size(image.height, image.width)
        image.load()
        # The profile of a CMYK file describes inks, not the RGB samples it is converted to.
        profile = None if image.mode == "CMYK" else image.info.get("icc_profile")
        return Picture(array_of(image), "srgb", exif_orientation(image.info.get("exif")), profile or None)
