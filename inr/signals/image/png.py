"""Reading and writing PNG of 8 and 16 bits with its profile and orientation.

Pillow reads 16-bit RGB as 8 bit, and the codec used here keeps no metadata, so the chunks are walked here.
"""

import struct
import zlib

import numpy as np

from inr.signals.image.codes import is_srgb, make_a_space, plain_chromaticities, plain_gamma
from inr.signals.image.picture import NO_CODES, Codes, Picture, check_frames, check_size
from inr.signals.image.tiff_tags import exif_orientation
from inr.signals.refusal import Refusal, damaged
from inr.signals.signal import Array

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 1_000_000  # limit built into libpng
_MAX_PROFILE = 2**24
_CHANNELS = {2: 3, 4: 2, 6: 4}  # of the colour types that have more than one
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_COLOUR_CHUNKS = frozenset({b"cICP", b"sRGB", b"gAMA", b"cHRM"})
_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def read_png(data: bytes) -> Picture:
    """Read a PNG file of one frame; palettes and 1, 2 and 4-bit gray come as 8 bit."""
    if data[12:16] == b"CgBI":
        raise Refusal("is not supported: it is PNG as Apple's tools change it for its devices (CgBI)")
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise damaged("it ends before its header" if len(data) < 33 else "it does not begin with a header")
    width, height = struct.unpack_from(">II", data, 16)
    check_size(height, width)
    if max(height, width) > MAX_SIDE:
        raise Refusal(f"is too large: {width} × {height} pixels; a side of a PNG file may have {MAX_SIDE}")
    profile, orientation = None, 1
    pixels: list[tuple[bytes, bytes]] = []
    colours: dict[bytes, bytes] = {}
    for kind, start, end in chunks(data):
        body = data[start:end] if kind in (b"acTL", b"iCCP", b"eXIf") else b""
        if kind in _COLOUR_CHUNKS:
            colours[kind] = data[start:end]
        if kind == b"acTL" and len(body) >= 4:
            check_frames(int.from_bytes(body[:4], "big"))
        elif kind == b"iCCP":
            profile = _unpack_profile(body)
        elif kind == b"eXIf":
            orientation = exif_orientation(body)
        elif kind in _PIXEL_CHUNKS:
            pixels.append((kind, data[start:end]))
    samples = _interlaced(pixels, width, height) if data[28] == 1 else _decoded(pixels)
    return Picture(samples, "srgb", orientation, profile, codes=_codes(colours, profile is not None, samples.ndim == 2))


def _decoded(parts: list[tuple[bytes, bytes]]) -> Array:
    """The samples of a file of these chunks; without others, libpng has nothing to print warnings about."""
    import imagecodecs

    samples: Array = imagecodecs.png_decode(SIGNATURE + b"".join(chunk(kind, body) for kind, body in parts))
    return samples


def _interlaced(parts: list[tuple[bytes, bytes]], width: int, height: int) -> Array:
    """The samples of an interlaced file, each pass of which is a file of its own: libpng would print a warning.

    Source: PNG 3, section 8.2 (Adam7).
    """
    header = parts[0][1]
    bits = header[8] * _CHANNELS.get(header[9], 1)
    passes = [
        (y, x, dy, dx, -(-(height - y) // dy), -(-(width - x) // dx))
        for y, x, dy, dx in _PASSES
        if x < width and y < height
    ]
    lengths = [rows * (1 + -(-columns * bits // 8)) for *_, rows, columns in passes]
    unpacker = zlib.decompressobj()
    raw = unpacker.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"), sum(lengths))
    if len(raw) < sum(lengths):
        raise damaged("its samples are not all there")
    tables = [part for part in parts if part[0] in (b"PLTE", b"tRNS")]
    whole: Array | None = None
    for (y, x, dy, dx, rows, columns), length in zip(passes, lengths, strict=True):
        own = struct.pack(">II", columns, rows) + header[8:12] + b"\0"
        part = _decoded([(b"IHDR", own), *tables, (b"IDAT", zlib.compress(raw[:length], 1)), (b"IEND", b"")])
        raw = raw[length:]
        if whole is None:
            whole = np.empty((height, width, *part.shape[2:]), part.dtype)
        whole[y::dy, x::dx] = part
    if whole is None:
        raise damaged("it has no samples")
    return whole


def encode_png(samples: Array, icc_profile: bytes | None, codes: Codes = NO_CODES) -> bytes:
    """Encode `(height, width, channels)` samples of type uint8 or uint16, with 1 to 4 channels."""
    import imagecodecs

    data = bytes(imagecodecs.png_encode(samples[:, :, 0] if samples.shape[2] == 1 else samples, level=6))
    added = b""
    if codes.cicp:
        added += chunk(b"cICP", bytes(codes.cicp))
    if icc_profile is not None:
        added += chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile, 9))
    if codes.gamma:
        added += chunk(b"gAMA", struct.pack(">I", codes.gamma))
    if codes.chromaticities:
        added += chunk(b"cHRM", struct.pack(">8I", *codes.chromaticities))
    end_of_header = len(SIGNATURE) + 25
    return data[:end_of_header] + added + data[end_of_header:]


def _codes(found: dict[bytes, bytes], profiled: bool, gray: bool) -> Codes:
    """What chunks say of the colours that sRGB and the profile do not, in the order of precedence of PNG 3.

    A chunk that is broken is no damage to the picture.
    """
    cicp = found.get(b"cICP", b"")
    if len(cicp) == 4 and cicp[2] == 0:
        return NO_CODES if is_srgb(tuple(cicp)) else Codes(tuple(cicp))
    if profiled or b"sRGB" in found:
        return NO_CODES
    body, corners = found.get(b"gAMA", b""), found.get(b"cHRM", b"")
    gamma = int.from_bytes(body, "big") if len(body) == 4 else 0
    chromaticities: tuple[int, ...] = struct.unpack(">8I", corners) if len(corners) == 32 and not gray else ()
    chromaticities = chromaticities if make_a_space(chromaticities) else ()
    if gamma >= 2**31 or (plain_gamma(gamma) and plain_chromaticities(chromaticities)):
        return NO_CODES
    return Codes((), gamma, () if plain_chromaticities(chromaticities) else chromaticities)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Kind, start and end of the body of every chunk; refuses a file that is cut or fails a checksum."""
    chunks, position, kind = [], len(SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise damaged("it ends before its last chunk")
        length, kind = struct.unpack_from(">I4s", data, position)
        start, end = position + 8, position + 8 + length
        if end + 4 > len(data):
            raise damaged("it ends in the middle of a chunk")
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise damaged(f"chunk {kind.decode('latin-1')!r} fails its checksum")
        chunks.append((kind, start, end))
        position = end + 4
    return chunks


def _unpack_profile(body: bytes) -> bytes | None:
    """The profile of an iCCP chunk, or None for a broken or absurdly large one, which is no damage to the picture."""
    _, _, packed = body.partition(b"\0")
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(packed[1:], _MAX_PROFILE)
    except zlib.error:
        return None
    return profile if profile and unpacker.eof else None
