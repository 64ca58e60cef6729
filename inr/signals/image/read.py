"""Image files to signals.

Reading goes by content, never by the name of the file; writing goes by the suffix. Samples keep their type
(8 and 16-bit integers, 16 and 32-bit floats) and come upright: an EXIF orientation is applied to them and is
not written again.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inr.domain import Domain
from inr.errors import SignalError
from inr.files import read_bytes
from inr.meta import SampleType, SignalMeta
from inr.signals.foreign import not_read, plural
from inr.signals.image.attributes import ImageAttributes
from inr.signals.image.channels import channels_of, light_survey
from inr.signals.image.exr import read_exr
from inr.signals.image.from_array import check_array, picture_of, read_npy
from inr.signals.image.hdr import read_hdr
from inr.signals.image.jpeg import read_jpeg
from inr.signals.image.picture import Picture, oriented
from inr.signals.image.pillow import read_avif, read_bmp, read_gif, read_webp
from inr.signals.image.png import SIGNATURE, read_png
from inr.signals.image.pnm import is_pnm, read_pnm
from inr.signals.image.tiff import TIFF_SIGNATURES, read_tiff
from inr.signals.image.write import check_format, encode_image, format_of
from inr.signals.ranges import check_finite, check_missing, value_range
from inr.signals.refusal import Refusal, damage_reported
from inr.signals.signal import Samples, Signal
from inr.signals.source import HEAD_BYTES

__all__ = [
    "check_format",
    "decode_image",
    "encode_image",
    "format_of",
    "image_from_array",
    "is_image",
    "load_image",
]

FORMATS = "PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF, PBM, PGM, PPM, PAM, PFM, OpenEXR, Radiance HDR and .npy"
"""Names of what is read, for messages."""
_READERS: tuple[tuple[bytes, Callable[[bytes], Picture]], ...] = (
    (SIGNATURE, read_png),
    (b"\xff\xd8\xff", read_jpeg),
    *((magic, read_tiff) for magic in TIFF_SIGNATURES),
    (b"BM", read_bmp),
    (b"GIF8", read_gif),
    (b"\x76\x2f\x31\x01", read_exr),
    (b"#?RADIANCE", read_hdr),
    (b"#?RGBE", read_hdr),
    (b"\x93NUMPY", read_npy),
)


def load_image(path: str | Path) -> Signal:
    """Read an image file, or standard input for ``-``.

    Raises:
        FileAccessError: the file cannot be read.
        SignalError: as `decode_image`.
    """
    return decode_image(read_bytes(path), str(path))


def decode_image(data: bytes, name: str) -> Signal:
    """Decode the bytes of an image file, whose format is told by its content.

    16-bit integers stay 16 bit; 10 and 12-bit ones are stretched to 16. Palette, 1-bit, CMYK and YCbCr
    pictures become 8-bit gray or RGB, with alpha where there is transparency. Alpha that was multiplied into the
    colours is taken out of them, see `inr.signals.image.channels`.

    Args:
        data: the whole file.
        name: what messages call it.

    Returns:
        A signal of shape `(height, width, channels)`, of type uint8, uint16, float16 or float32, with 1 channel
        (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA), unless its attributes say what they are.

    Raises:
        SignalError: empty, of an unknown format, damaged, cut, of more than one frame or more than
            `inr.signals.limits.MAX_SAMPLES` pixels, or with a sample that is NaN, infinite or missing.
    """
    try:
        reader = _reader_of(data)
        if reader is None:
            raise not_read(data[:HEAD_BYTES], plural("a picture", FORMATS))
        with damage_reported():
            picture = reader(data)
        return signal_of_picture(picture)
    except Refusal as refusal:
        raise SignalError(f"{name} {refusal}") from refusal.__cause__


def image_from_array(array: npt.ArrayLike, name: str = "array") -> Signal:
    """Make an image of an array; it may share memory with the array.

    Args:
        array: `(height, width)` or `(height, width, channels)` with 1 to 4 channels, of type uint8, uint16,
            float16, float32 or float64 (kept as float32). Integers count as sRGB, of floats no colour space is
            assumed.
        name: what messages call it.

    Raises:
        SignalError: another shape or type, no samples, too many, or one that is NaN or infinite.
    """
    samples = np.asarray(array)
    try:
        check_array(samples.shape, samples.dtype)
        return signal_of_picture(picture_of(samples))
    except Refusal as refusal:
        raise SignalError(f"{name} {refusal}") from None


def is_image(head: bytes) -> bool:
    """True for the first bytes of a file that is read here."""
    return _reader_of(head) is not None


def _reader_of(data: bytes) -> Callable[[bytes], Picture] | None:
    """The reader for the first bytes of a file, or None."""
    for magic, reader in _READERS:
        if data.startswith(magic):
            return reader
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return read_webp
    if data[4:8] == b"ftyp" and {b"avif", b"avis"} & {data[i : i + 4] for i in range(8, min(len(data), 128), 4)}:
        return read_avif
    return read_pnm if is_pnm(data) else None


def signal_of_picture(picture: Picture) -> Signal:
    """Bring the samples of a picture into the form of a signal and find out their range."""
    samples = picture.samples if picture.samples.ndim == 3 else picture.samples[:, :, np.newaxis]
    check_finite(samples)
    check_missing(samples, picture.missing)
    dtype = np.dtype("float32" if samples.dtype.name == "float64" else samples.dtype.name)
    with np.errstate(over="ignore"):
        # Writeable, since PyTorch warns about arrays that are not.
        stored: Samples = np.require(oriented(samples, picture.orientation), dtype, ["C", "W"])
    if samples.dtype.name == "float64" and not np.isfinite(stored).all():
        raise Refusal(f"has samples up to {np.abs(samples).max():.4g}, beyond the range of float32")
    channels = picture.channels or channels_of(None, stored.shape[2])
    own = ImageAttributes(
        picture.colour_space,
        picture.icc_profile,
        picture.orientation,
        channels.stored,
        channel_axis=picture.channel_axis,
        **picture.codes._asdict(),
    )
    sample_type: SampleType = dtype.name  # type: ignore[assignment]
    meta = SignalMeta(sample_type, value_range(stored), own)
    if dtype.kind == "f" and not picture.measured:
        survey = light_survey(channels, picture.colour_space)
        survey.add(stored.reshape(-1), 0)
        meta = survey.judged(meta)
    return Signal(stored, Domain.of_shape(stored.shape[:2]), meta)
