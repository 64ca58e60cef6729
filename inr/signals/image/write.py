"""Samples to the bytes of an image file.

16-bit samples stay 16 bit in PNG, TIFF, PPM, PAM and .npy; JPEG, WebP, BMP and AVIF get them scaled to 8 bits. Floats
stay floats in TIFF, OpenEXR, Radiance HDR, PFM and .npy; PNG, PPM and PAM get them with 16 bits, the rest with 8. PNG,
WebP, TIFF, BMP, PPM, PAM, PFM, OpenEXR and .npy are lossless; JPEG is written with quality 95 and full colour
resolution (4:4:4), AVIF with quality 90 and 4:4:4, Radiance HDR has 8 bits of precision and no negative values, and PBM
knows black and white, cut at half. Signed integers stay what they are in TIFF and .npy. The ICC profile goes into PNG,
JPEG, WebP, TIFF and AVIF, unless colours were linear floats and became sRGB.

Samples have straight alpha. OpenEXR is written with alpha multiplied into the colours, as it is defined; TIFF says that
it is not, and PNG, WebP and AVIF always have it so. Channels that are neither colours nor alpha are kept by TIFF and
.npy alone.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inr.errors import InrError, SpecError
from inr.files import names_no_format, write_bytes
from inr.meta import INTEGER_MAX, SignalMeta
from inr.signals.image.attributes import image_attributes
from inr.signals.image.channels import Channels, channels_of
from inr.signals.image.codes import decoded_colours
from inr.signals.image.exr import encode_exr
from inr.signals.image.picture import Codes
from inr.signals.image.png import MAX_SIDE, encode_png
from inr.signals.image.pnm import encode_pam, encode_pbm, encode_pfm, encode_pnm
from inr.signals.npy import npy_bytes
from inr.signals.refusal import first_line
from inr.signals.signal import Array, Samples, normalise

_TYPES = ("uint8", "uint16", "int8", "int16", "float16", "float32")
_JPEG_QUALITY = 95
_AVIF_QUALITY = 90
_HDR_MAX = 255 / 256 * 2.0**127  # largest value of a shared 8-bit exponent

_KEEP_CODES = frozenset({"png", "npy"})
_HOLD_PROFILES = frozenset({"jpeg", "webp", "tiff", "avif"})
_LINEAR = frozenset({"exr", "hdr", "pfm"})


@dataclass(frozen=True)
class _Format:
    """A format to write.

    Attributes:
        suffixes: of its files.
        channels: numbers of channels it can hold, if all are colours and alpha.
        encode: makes the file of `(height, width, channels)` samples.
        max_side: largest height or width, or None.
        others: that it holds channels of any other meaning too.
    """

    suffixes: tuple[str, ...]
    channels: tuple[int, ...]
    encode: Callable[[Array, SignalMeta], bytes]
    max_side: int | None = None
    others: bool = False

    def holds(self, channels: Channels) -> bool:
        """True if it can hold such channels."""
        return self.others if channels.stored is not None else channels.count in self.channels


def format_of(path: str | Path) -> str:
    """Name of the format for the suffix of a path, "png" for a stream; raises `SpecError` for another suffix."""
    suffix = Path(path).suffix.lower()
    if names_no_format(path):
        return "png"
    for name, format_ in _FORMATS.items():
        if suffix in format_.suffixes:
            return name
    allowed = ", ".join(s for format_ in _FORMATS.values() for s in format_.suffixes)
    raise SpecError(f"output {path}: unknown image suffix {suffix!r}; allowed are {allowed}")


def check_format(
    format: str,
    channels: int,
    dtype: str,
    shape: tuple[int, int] | None = None,
    stored: tuple[int, int] | None = None,
) -> None:
    """Check that a format can hold an image, without encoding it.

    Args:
        format: name as `format_of` gives it.
        channels: 1 (gray), 2 (gray with alpha), 3 (RGB) or 4 (RGB with alpha).
        dtype: "uint8", "uint16", "int8", "int16", "float16" or "float32".
        shape: (height, width), if known.
        stored: as `ImageAttributes.channels`.

    Raises:
        SpecError: it cannot; the message names the formats that can.
    """
    if format not in _FORMATS:
        raise SpecError(f"image format: unknown name {format!r}; allowed are {', '.join(_FORMATS)}")
    if dtype not in _TYPES:
        raise SpecError(f"image samples: unknown type {dtype!r}; allowed are {', '.join(_TYPES)}")
    if stored is None and not 1 <= channels <= 4:
        raise SpecError(f"image channels: 1 to 4 are allowed; got {channels}")
    meaning = channels_of(stored, channels)
    if not _FORMATS[format].holds(meaning):
        able = ", ".join(name for name, other in _FORMATS.items() if other.holds(meaning))
        raise SpecError(f"image format {format} cannot hold {meaning}; formats that can are {able}")
    limit = _FORMATS[format].max_side
    if shape is not None and limit is not None and max(shape) > limit:
        able = ", ".join(name for name, other in _FORMATS.items() if (other.max_side or max(shape)) >= max(shape))
        raise SpecError(
            f"image format {format}: a side has at most {limit} pixels; got {shape}; formats that can are {able}"
        )


def encode_image(samples: Samples, meta: SignalMeta, format: str) -> bytes:
    """Encode samples as an image file.

    Floats become integers by the sRGB transfer curve after clamping to [0, 1] where `meta` says they are linear. Others
    are clamped to [0, 1] if a colour profile says what they are; else their value range, on the light curve if they
    have one, becomes the whole range of the integers, as that of signed integers does. Unsigned ones become floats by
    dividing by their largest value, and by the inverse of the curve where they are sRGB; signed ones are measurements,
    and floats of the same value. Alpha is only clamped to [0, 1]. Colours by cICP, gAMA or cHRM stay so in PNG and
    .npy, those by cICP in AVIF; for all else they become sRGB, or linear light.

    Args:
        samples: `(height, width, channels)` of type uint8, uint16, int8, int16, float16 or float32; finite.
        meta: colour space, value range and profile; the orientation is not written, as it is applied already.
        format: name as `format_of` gives it.

    Returns:
        The whole file.

    Raises:
        SpecError: the format is unknown or cannot hold these samples.
    """
    if samples.ndim != 3 or samples.size == 0:
        raise SpecError(f"image samples: needs shape (height, width, channels) and no empty axis; got {samples.shape}")
    height, width, channels = samples.shape
    own = image_attributes(meta)
    check_format(format, channels, samples.dtype.name, (height, width), own.channels)
    if own.is_coded and format not in _KEEP_CODES and not (format == "avif" and own.cicp):
        if own.icc_profile is not None and format in _HOLD_PROFILES:  # which says as much
            meta = replace(meta, attributes=replace(own, cicp=(), gamma=0, chromaticities=()))
        else:
            samples, meta = decoded_colours(samples, meta, _colours(samples, meta), linear=format in _LINEAR)
    try:
        return _FORMATS[format].encode(np.ascontiguousarray(samples), meta)
    except InrError:
        raise
    except (ValueError, OSError, RuntimeError) as error:
        raise SpecError(f"image format {format} cannot hold these samples: {first_line(error)}") from error


def save_image(path: str | Path, samples: Samples, meta: SignalMeta) -> None:
    """Write an image file in the format of its suffix, or PNG to standard output for ``-``.

    Args:
        path: where to; the file is written whole or not at all.
        samples: `(height, width, channels)` as `encode_image` takes them.
        meta: what the samples mean.

    Raises:
        SpecError: the suffix is unknown, or the format cannot hold these samples.
        FileAccessError: the file cannot be written.
    """
    write_bytes(path, encode_image(samples, meta, format_of(path)))


def to_integers(samples: Array, meta: SignalMeta, dtype: npt.DTypeLike) -> Array:
    """Samples as uint8 or uint16, as `encode_image` describes; integers of that type unchanged.

    Args:
        samples: `(height, width, channels)`.
        meta: colour space and value range.
        dtype: uint8 or uint16.
    """
    dtype = np.dtype(dtype)
    top = INTEGER_MAX[dtype.name]
    if samples.dtype.kind == "u":
        source = INTEGER_MAX[samples.dtype.name]
        return samples if source == top else ((samples.astype(np.uint32) * top + source // 2) // source).astype(dtype)
    own, unit = image_attributes(meta), samples.astype(np.float64)
    colours = unit[:, :, : _colours(samples, meta)]
    if own.colour_space == "linear":
        np.clip(colours, 0, 1, out=colours)
        colours[:] = np.where(colours <= 0.0031308, 12.92 * colours, 1.055 * colours ** (1 / 2.4) - 0.055)
    elif own.icc_profile is None or samples.dtype.kind == "i":
        light = None if meta.light is None else replace(meta.light, fitted=True)
        colours[:] = (normalise(colours.astype(np.float32), replace(meta, power=None, light=light)) + 1) / 2
    return np.rint(np.clip(unit, 0, 1) * top).astype(dtype)


def to_floats(samples: Array, meta: SignalMeta) -> Array:
    """Samples as float16 or float32, as `encode_image` describes; floats unchanged."""
    if samples.dtype.kind == "f":
        return samples
    if samples.dtype.kind == "i":
        return samples.astype(np.float32)
    unit = samples.astype(np.float64) / INTEGER_MAX[samples.dtype.name]
    if image_attributes(meta).colour_space == "srgb":
        colours = unit[:, :, : _colours(samples, meta)]
        colours[:] = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return unit.astype(np.float32)


def _colours(samples: Array, meta: SignalMeta) -> int:
    """Number of channels that are not alpha."""
    channels = channels_of(image_attributes(meta).channels, samples.shape[2])
    return channels.count - channels.alpha


def _profile(samples: Array, meta: SignalMeta) -> bytes | None:
    """The colour profile, if it is one of the integers that are written: of linear floats it is not."""
    own = image_attributes(meta)
    return None if samples.dtype.kind == "f" and own.colour_space == "linear" else own.icc_profile


def _deep(samples: Array, meta: SignalMeta) -> Array:
    """Samples for a format of 8 and 16-bit unsigned integers."""
    return to_integers(samples, meta, np.uint8 if samples.dtype.itemsize == 1 else np.uint16)


def _png(samples: Array, meta: SignalMeta) -> bytes:
    own = image_attributes(meta)
    codes = Codes(own.cicp, own.gamma, own.chromaticities)
    return encode_png(_deep(samples, meta), _profile(samples, meta), codes)


def _ppm(samples: Array, meta: SignalMeta) -> bytes:
    return encode_pnm(_deep(samples, meta))


def _pam(samples: Array, meta: SignalMeta) -> bytes:
    return encode_pam(_deep(samples, meta))


def _pbm(samples: Array, meta: SignalMeta) -> bytes:
    return encode_pbm(to_integers(samples, meta, np.uint8))


def _pfm(samples: Array, meta: SignalMeta) -> bytes:
    return encode_pfm(to_floats(samples, meta))


def _jpeg(samples: Array, meta: SignalMeta) -> bytes:
    return _pillow(samples, meta, "JPEG", quality=_JPEG_QUALITY, subsampling=0)


def _webp(samples: Array, meta: SignalMeta) -> bytes:
    if samples.shape[2] > 1:
        return _pillow(samples, meta, "WEBP", lossless=True, exact=True)
    # WebP has no gray, and a profile of a gray device does not describe RGB.
    profile = _profile(samples, meta)
    gray_profile = profile is not None and profile[16:20] == b"GRAY"
    rgb = np.repeat(to_integers(samples, meta, np.uint8), 3, axis=2)
    return _pillow(rgb, meta, "WEBP", profile=not gray_profile, lossless=True)


def _avif(samples: Array, meta: SignalMeta) -> bytes:
    if image_attributes(meta).cicp:
        return _avif_by_codes(_deep(samples, meta), image_attributes(meta).cicp)
    sampling = "4:0:0" if samples.shape[2] == 1 else "4:4:4"
    return _pillow(samples, meta, "AVIF", quality=_AVIF_QUALITY, subsampling=sampling)


def _avif_by_codes(samples: Array, cicp: tuple[int, ...]) -> bytes:
    """AVIF with code points of colours, which Pillow does not write; 16 bits become 10."""
    import imagecodecs

    primaries, transfer = cicp[:2]
    bits = 8 if samples.dtype == np.uint8 else 10
    stored = samples if bits == 8 else ((samples.astype(np.uint32) * 1023 + 32767) // 65535).astype(np.uint16)
    return bytes(
        imagecodecs.avif_encode(
            stored[:, :, 0] if stored.shape[2] == 1 else stored,
            level=_AVIF_QUALITY,
            bitspersample=bits,
            pixelformat="400" if stored.shape[2] == 1 else "444",
            primaries=primaries,
            transfer=transfer,
            matrix=9 if primaries == 9 else 6,
        )
    )


def _bmp(samples: Array, meta: SignalMeta) -> bytes:
    return _pillow(samples, meta, "BMP", profile=False)


def _pillow(samples: Array, meta: SignalMeta, name: str, profile: bool = True, **options: object) -> bytes:
    """Encode as 8 bit with Pillow."""
    from PIL import Image

    stored = to_integers(samples, meta, np.uint8)
    image = Image.fromarray(stored[:, :, 0] if stored.shape[2] == 1 else stored)
    icc_profile = _profile(samples, meta)
    if profile and icc_profile is not None:
        options["icc_profile"] = icc_profile
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def _tiff(samples: Array, meta: SignalMeta) -> bytes:
    import tifffile

    channels, stream = channels_of(image_attributes(meta).channels, samples.shape[2]), io.BytesIO()
    extra = ["unspecified"] * channels.others + ["unassalpha"] * channels.alpha
    tifffile.imwrite(
        stream,
        samples[:, :, 0] if channels.count == 1 else samples,
        photometric="minisblack" if channels.colours == 1 else "rgb",
        planarconfig=None if channels.count == 1 else "contig",
        extrasamples=extra or None,
        compression="zlib",
        iccprofile=image_attributes(meta).icc_profile,
        metadata=None,
        software=False,
    )
    return stream.getvalue()


def _exr(samples: Array, meta: SignalMeta) -> bytes:
    return encode_exr(to_floats(samples, meta))


def _hdr(samples: Array, meta: SignalMeta) -> bytes:
    import imagecodecs

    values = np.clip(to_floats(samples, meta).astype(np.float32), 0, _HDR_MAX)
    rgb = np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values
    return bytes(imagecodecs.rgbe_encode(rgb, header=True))


def _npy(samples: Array, meta: SignalMeta) -> bytes:
    return npy_bytes(samples, image_attributes(meta).channel_axis == 1)


_FORMATS: dict[str, _Format] = {
    "png": _Format((".png",), (1, 2, 3, 4), _png, MAX_SIDE),
    "jpeg": _Format((".jpg", ".jpeg"), (1, 3), _jpeg, 65500),
    "webp": _Format((".webp",), (1, 3, 4), _webp, 16383),
    "tiff": _Format((".tif", ".tiff"), (1, 2, 3, 4), _tiff, others=True),
    "bmp": _Format((".bmp",), (1, 3), _bmp),
    "avif": _Format((".avif",), (1, 3, 4), _avif, 32768),
    "ppm": _Format((".ppm", ".pgm", ".pnm"), (1, 3), _ppm),
    "pam": _Format((".pam",), (1, 2, 3, 4), _pam),
    "pbm": _Format((".pbm",), (1,), _pbm),
    "pfm": _Format((".pfm",), (1, 3), _pfm),
    "exr": _Format((".exr",), (1, 2, 3, 4), _exr),
    "hdr": _Format((".hdr",), (1, 3), _hdr),
    "npy": _Format((".npy",), (1, 2, 3, 4), _npy, others=True),
}
