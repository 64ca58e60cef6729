"""Sections and the whole file. See FORMAT.md."""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from inr.container import limits
from inr.container.header import Header, from_cbor, to_cbor
from inr.errors import (
    BadMagicError,
    ChecksumError,
    CorruptHeaderError,
    FormatError,
    LimitExceededError,
    TruncatedError,
    UnsupportedFeatureError,
    UnsupportedVersionError,
)

SIGNATURE = b"\x89INR\r\n\x1a\n"
MAJOR, MINOR = 1, 0

HEAD = b"HEAD"
DATA = b"DATA"
ICC_PROFILE = b"iccp"

_FRAME = struct.Struct("<I4s")
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Section:
    """A typed run of bytes. An upper-case first letter marks a section that a reader must understand."""

    type: bytes
    payload: bytes

    @property
    def critical(self) -> bool:
        """True if a reader that does not know the type must refuse the file."""
        return self.type[:1].isupper()


@dataclass(frozen=True)
class InrFile:
    """A parsed file.

    Attributes:
        header: what the file says about itself.
        sections: all sections after the header, in file order.
        minor: minor version of the writer.
    """

    header: Header
    sections: tuple[Section, ...]
    minor: int = MINOR

    @property
    def payloads(self) -> tuple[bytes, ...]:
        """Payloads of the DATA sections: layer by layer, and within a layer tile by tile."""
        return tuple(s.payload for s in self.sections if s.type == DATA)

    @property
    def layers_present(self) -> int:
        """Quality layers of which all tiles are there."""
        return len(self.payloads) // math.prod(self.header.tiles or (1,))

    def ancillary(self, kind: bytes) -> bytes | None:
        """Payload of the first section of a type, or None."""
        return next((s.payload for s in self.sections if s.type == kind), None)

    def truncated(self, layers: int) -> "InrFile":
        """The prefix with this many quality layers; raises `LimitExceededError` for more than there are."""
        if not 1 <= layers <= self.layers_present:
            raise LimitExceededError(f"layers must be within 1..{self.layers_present}; got {layers}")
        keep = layers * math.prod(self.header.tiles or (1,))
        kept: list[Section] = []
        for section in self.sections:
            keep -= section.type == DATA
            if section.type != DATA or keep >= 0:
                kept.append(section)
        return replace(self, sections=tuple(kept))


def to_bytes(file: InrFile) -> bytes:
    """The bytes of a file."""
    head = Section(HEAD, to_cbor(file.header))
    return b"".join([SIGNATURE, bytes([MAJOR, file.minor]), *map(_frame, (head, *file.sections))])


def section_sizes(file: InrFile) -> list[int]:
    """Size on disk up to and including each DATA section: the byte counts at which a prefix decodes."""
    sizes = []
    total = len(SIGNATURE) + 2 + len(_frame(Section(HEAD, to_cbor(file.header))))
    for section in file.sections:
        total += len(_frame(section))
        if section.type == DATA:
            sizes.append(total)
    return sizes


def parse(data: bytes) -> InrFile:
    """Parse a whole file, or a prefix that ends at a section border; raises a `FormatError` for anything else."""
    file, damage = _parse(data)
    if damage is not None:
        raise damage
    return file


def parse_partial(data: bytes) -> tuple[InrFile, FormatError | None]:
    """Parse as many whole sections as there are, at least header and base layer.

    Returns:
        The file up to the first damaged section, and what was wrong with that section (None: nothing).

    Raises:
        FormatError: not even the base layer is intact.
    """
    return _parse(data)


def _frame(section: Section) -> bytes:
    checked = section.type + section.payload
    return struct.pack("<I", len(section.payload)) + checked + _CRC.pack(zlib.crc32(checked))


def _parse(data: bytes) -> tuple[InrFile, FormatError | None]:
    minor = _check_signature(data)
    sections: list[Section] = []
    damage: FormatError | None = None
    try:
        for section in _sections(data, len(SIGNATURE) + 2):
            if len(sections) >= limits.MAX_SECTIONS:
                raise LimitExceededError(f"more than {limits.MAX_SECTIONS} sections")
            sections.append(section)
    except (TruncatedError, ChecksumError) as error:
        damage = error
    if not sections:
        raise damage or TruncatedError(f"the file ends after {len(data)} bytes, before its header")
    if sections[0].type != HEAD:
        raise CorruptHeaderError("the first section is not the header")
    header = from_cbor(sections[0].payload)
    file = InrFile(header, tuple(sections[1:]), minor)
    for section in file.sections:
        if section.critical and section.type != DATA:
            raise UnsupportedFeatureError(f"section {section.type.decode('ascii')} is not known to this version")
    if len(file.payloads) > header.data_sections:
        raise CorruptHeaderError(f"{len(file.payloads)} data sections; the header says {header.data_sections}")
    if file.layers_present == 0:
        raise damage or TruncatedError("the file ends before its first quality layer is complete")
    return file, damage


def _check_signature(data: bytes) -> int:
    if not data.startswith(SIGNATURE):
        if data and SIGNATURE.startswith(data):
            raise TruncatedError(f"the file ends after {len(data)} bytes, within its signature")
        raise BadMagicError("not a .inr file: it does not begin with the signature 89 49 4E 52 0D 0A 1A 0A")
    if len(data) < len(SIGNATURE) + 2:
        raise TruncatedError(f"the file ends after {len(data)} bytes, before its version")
    major, minor = data[8], data[9]
    if major != MAJOR:
        raise UnsupportedVersionError(f"format version {major}.{minor}; this version reads {MAJOR}.x")
    return minor


def _sections(data: bytes, position: int) -> Iterator[Section]:
    while position < len(data):
        if position + _FRAME.size > len(data):
            raise TruncatedError(f"the file ends within the frame of the section at byte {position}")
        length, kind = _FRAME.unpack_from(data, position)
        start = position + _FRAME.size
        end = start + length
        if end + _CRC.size > len(data):
            missing = end + _CRC.size - len(data)
            raise TruncatedError(f"the section at byte {position} is cut: {missing} of {length + 12} bytes are missing")
        if zlib.crc32(data[position + 4 : end]) != _CRC.unpack_from(data, end)[0]:
            raise ChecksumError(f"the section at byte {position} is damaged: its CRC-32 does not match")
        if not kind.isalpha() or not kind.isascii():
            raise CorruptHeaderError(f"the section at byte {position} has the type {kind!r}; four letters are needed")
        yield Section(kind, data[start:end])
        position = end + _CRC.size
