"""Pictures and hand-made files for the tests of image files."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import OpenEXR
import tifffile
from PIL import Image

from inr.meta import SignalMeta
from inr.signals.image.attributes import ImageAttributes
from inr.signals.image.read import decode_image

Array = npt.NDArray[Any]

SHAPE = (13, 21)
DTYPES = ("uint8", "uint16", "float16", "float32")
PROFILE = b"\0\0\0\x90lcms\x04\x30\0\0mntrRGB XYZ " + bytes(range(120))


def picture(dtype: str, channels: int, shape: tuple[int, int] = SHAPE) -> Array:
    """A smooth, asymmetric picture; floats lie in 0..2 and are exact in half precision."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    base = np.stack([8 * x + 6 * y + 3 * c + (x > 12) * 10 for c in range(channels)], axis=-1)
    if dtype == "uint16":
        base = base * 201 + 7 * x[..., None]
    return (base / 128 if dtype.startswith("float") else base).astype(dtype)


def meta_of(samples: Array, profile: bytes | None = None) -> SignalMeta:
    """Meta data as reading a file of these samples gives them."""
    high = 255.0 if samples.dtype == np.uint8 else float(samples.max())
    space: Any = "srgb" if samples.dtype.kind == "u" else "linear"
    return SignalMeta(samples.dtype.name, (0.0, high), ImageAttributes(colour_space=space, icc_profile=profile))  # type: ignore[arg-type]


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bytes(samples: Array, extra: bytes = b"", header: bytes | None = None) -> bytes:
    """An uncompressed PNG made by hand, 8 or 16 bit."""
    height, width, channels = samples.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(samples.dtype.newbyteorder(">")).tobytes() for row in samples)
    header = header or struct.pack(">IIBBBBB", width, height, samples.dtype.itemsize * 8, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff_bytes(samples: Array, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, **{"metadata": None, **options})
    return stream.getvalue()


def exr_bytes(channels: dict[str, Array], header: dict[str, Any] | None = None) -> bytes:
    stream = io.BytesIO()
    full = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **(header or {})}
    with OpenEXR.File(full, channels) as file:
        file.write(stream)
    return stream.getvalue()


def exif_bytes(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return exif.tobytes()


def read(data: bytes) -> Array:
    return decode_image(data, "x").samples
