"""Small real files, and what a test does to them."""

import struct
import zlib
from dataclasses import replace

from inr.backends.render import axis_coordinates
from inr.codec.decode import open_field, open_prefix
from inr.codec.field import DecodedField
from inr.codec.pack import pack, unpack
from inr.coders.weights.quantize import QuantSpec, quantize
from inr.container.file import SIGNATURE, InrFile, parse, to_bytes
from inr.errors import FormatError
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.signals.image.attributes import ImageAttributes
from tests.support.random_fields import RGB8, random_field

SHAPE = (6, 8)
LAYERS = 3
PROFILE = b"not a real profile, but the container does not look into it"

MODELS = {
    "siren": Siren(width=3, depth=1),
    "hashgrid": HashGridMlp(
        log2_hashmap_size=4, finest_resolution=9, n_levels=2, n_features=1, base_resolution=3, width=3, depth=1
    ),
}

_LARGEST_DECODED = 10_000
_LONGEST_MESSAGE = 400
_START = len(SIGNATURE) + 2


def small_file(model: str) -> bytes:
    """A file of an 8x6 picture in three layers, with a colour profile."""
    field = random_field(
        MODELS[model], shape=SHAPE, meta=replace(RGB8, attributes=ImageAttributes(icc_profile=PROFILE)), seed=1
    )
    return to_bytes(pack(quantize(field, QuantSpec(bits=6, layers=LAYERS)), psnr=(10.0, 20.0, 30.0)))


def section(kind: bytes, payload: bytes) -> bytes:
    """A framed section with its checksum."""
    return struct.pack("<I", len(payload)) + kind + payload + struct.pack("<I", zlib.crc32(kind + payload))


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """Types and payloads of the sections of a sound file, by a reader of its own."""
    found, position = [], _START
    while position < len(data):
        (length,) = struct.unpack_from("<I", data, position)
        found.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += length + 12
    return found


def join(sections: list[tuple[bytes, bytes]], version: bytes = b"\x01\x00") -> bytes:
    """The inverse of `split`."""
    return SIGNATURE + version + b"".join(section(kind, payload) for kind, payload in sections)


def outcome(data: bytes) -> DecodedField | FormatError:
    """What a reader makes of some bytes: a field or a `FormatError`; every other exception goes through."""
    try:
        unpack(parse(data))
        return open_field(data)
    except FormatError as error:
        refused = error
    assert 10 < len(str(refused)) < _LONGEST_MESSAGE
    assert "\n" not in str(refused)
    return refused


def partial_outcome(data: bytes) -> InrFile | FormatError:
    """What a tolerant reader makes of some bytes."""
    try:
        file, _ = open_prefix(data)
    except FormatError as error:
        return error
    return file


def check_decodes(field: DecodedField) -> None:
    """What opened can be decoded, to the shape and type that it states."""
    if field.domain.size * field.channels > _LARGEST_DECODED:
        values = field.function.grid(axis_coordinates(field.domain.resized((2, 2))))
        assert values.shape == (4, field.channels)
        return
    samples = field.decode()
    assert samples.shape == (*field.domain.shape, field.channels)
    assert samples.dtype == field.meta.dtype
