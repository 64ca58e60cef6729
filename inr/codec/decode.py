"""Decoding: bytes to a field, a field to samples on any grid."""

import math
from dataclasses import dataclass, replace
from typing import final

from inr.backends.base import DEFAULT_RESOURCES, Field, Resources
from inr.codec.field import DecodedField, Origin, Running
from inr.codec.info import describe
from inr.codec.pack import tiling_of, unpack
from inr.codec.tiles import TiledField
from inr.coders.base import Encoded, coder_of
from inr.container.file import InrFile, parse, parse_partial, section_sizes
from inr.errors import CorruptHeaderError, FormatError, SpecError, TruncatedError
from inr.files import read_bytes
from inr.signals.given import File, content_of


def open_field(
    source: File | InrFile,
    layers: int | None = None,
    backend: str = "auto",
    device: str = "auto",
    resources: Resources = DEFAULT_RESOURCES,
) -> DecodedField:
    """Open a ``.inr`` file for decoding.

    Args:
        source: path, bytes, a file opened as binary, or a parsed file.
        layers: use only the first quality layers; default all that are there.
        backend: "auto" or the name of a backend.
        device: "auto", "cpu" or "cuda".
        resources: threads and precision.

    Raises:
        FileAccessError: the path cannot be read.
        FormatError: the bytes are not a sound file, or prefix of one.
        BackendUnavailableError: the backend cannot run here.
    """
    if not isinstance(source, InrFile):
        source = parse(bytes_of(source))
    file = source.truncated(source.layers_present if layers is None else layers)
    return FileOrigin(file, running=Running(backend, device, resources)).open()


def open(source: File | InrFile, layers: int | None = None) -> DecodedField:
    """Open a ``.inr`` file as a function of coordinates, to be decoded at any size.

    >>> import inr, numpy
    >>> data = inr.compress(numpy.eye(8, dtype=numpy.uint8) * 255, model="siren", steps=2).data
    >>> field = inr.open(data)
    >>> field.decode(scale=2).shape, field([0.0, 0.0]).shape, field.gradient([[0.0, 0.1]] * 5).shape
    ((16, 16, 1), (1,), (5, 1, 2))

    Args:
        source: path, bytes, a file opened as binary, or a parsed file.
        layers: use only the first quality layers; default all that are there.

    Raises:
        InrError: as `open_field`.
    """
    return open_field(source, layers)


def bytes_of(source: File) -> bytes:
    """The bytes of a file; raises `FileAccessError`, and `SpecError` for what is none."""
    content = content_of(source)
    if content is None:
        raise SpecError(f"source: give a path, bytes or an open file; got {type(source).__name__}")
    return content if isinstance(content, bytes) else read_bytes(content)


def open_prefix(data: bytes, max_bytes: int | None = None) -> tuple[InrFile, FormatError | None]:
    """The part of a file that is intact, within its first bytes.

    Args:
        data: bytes of a file, perhaps damaged or cut.
        max_bytes: look at this many bytes only.

    Returns:
        The file up to the last complete section, and what stopped the reader (None: nothing did). That a file
        was cut by `max_bytes` is no damage.

    Raises:
        FormatError: not even header and base layer are intact.
    """
    if max_bytes is not None and max_bytes < 1:
        raise SpecError(f"max-bytes: must be at least 1; got {max_bytes}")
    cut = max_bytes is not None and max_bytes < len(data)
    try:
        file, damage = parse_partial(data[:max_bytes])
    except TruncatedError:
        if not cut:
            raise
        raise _too_short(data, len(data[:max_bytes])) from None
    whole = math.prod(file.header.tiles or (1,)) * file.layers_present
    if len(file.payloads) > whole:
        file = file.truncated(file.layers_present)
    return file, None if cut else damage


def _too_short(data: bytes, max_bytes: int) -> FormatError:
    """Why so few bytes of a file decode to nothing, and what to do; raises a `FormatError` for a damaged file."""
    file = parse(data)
    tiles = math.prod(file.header.tiles or (1,))
    least, layers = section_sizes(file)[tiles - 1], file.header.layers
    text = f"max-bytes: the first quality layer ends after {least} of {len(data)} bytes: give so many; got {max_bytes}"
    if layers == 1:
        text += "; it is the only one, and a file made with --layers 3 has smaller ones before it"
    return TruncatedError(text)


def open_encoded(
    encoded: Encoded, backend: str = "auto", device: str = "auto", resources: Resources = DEFAULT_RESOURCES
) -> DecodedField:
    """An encoded signal, ready to be decoded; raises `BackendUnavailableError`."""
    return EncodedOrigin(encoded, running=Running(backend, device, resources)).open()


@final
@dataclass(frozen=True, eq=False)
class EncodedOrigin(Origin):
    """Integers."""

    encoded: Encoded

    def open(self) -> DecodedField:
        """See `Origin`."""
        encoded, running = self.encoded, self.running
        opened = coder_of(encoded).open(encoded, running.backend, running.device, running.resources)
        return DecodedField(opened.field, encoded.domain, encoded.meta, encoded.channels, opened.limited, self)

    def facts(self) -> dict[str, str]:
        """See `Origin`."""
        facts = coder_of(self.encoded).facts(self.encoded)
        return {"model": facts.model, "parameters": f"{facts.parameters:,}"}


@final
@dataclass(frozen=True, eq=False)
class FileOrigin(Origin):
    """A file, of which the layers that are used are there."""

    file: InrFile

    def open(self) -> DecodedField:
        """See `Origin`; raises a `FormatError`."""
        first = unpack(self.file)
        try:
            tiling = tiling_of(self.file.header)
        except SpecError as error:
            raise CorruptHeaderError(f"header: {error}") from None
        function = TiledField(tiling, self._tile, first.channels)
        if tiling.count > 1:
            return DecodedField(function, tiling.domain, first.meta, first.channels, origin=self)
        return replace(EncodedOrigin(first, running=self.running).open(), origin=self)

    def _tile(self, tile: int) -> Field:
        return EncodedOrigin(unpack(self.file, tile), running=self.running).open().function

    def facts(self) -> dict[str, str]:
        """See `Origin`."""
        size = section_sizes(self.file)[-1]
        info = describe(self.file, size)
        quality = info.layers[-1].psnr
        told = {"model": info.model or info.coder or "", "size": f"{size:,} bytes, {info.bpp:.3g} bits a sample"}
        return told if quality is None else {**told, "PSNR": f"{quality:.2f} dB"}
