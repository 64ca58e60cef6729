"""Decoding: bytes to a field, a field to samples on any grid."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from inr.backends.base import DEFAULT_RESOURCES, Field, Resources
from inr.backends.render import render, render_blocks
from inr.codec.pack import tiling_of, unpack
from inr.codec.tiles import TiledField
from inr.coders.base import Encoded, coder_of
from inr.container.file import InrFile, parse, parse_partial
from inr.domain import Domain
from inr.errors import CorruptHeaderError, FormatError, SpecError
from inr.files import read_bytes
from inr.meta import SignalMeta
from inr.signals.kind import kind_for
from inr.signals.signal import Samples, Signal
from inr.signals.target import Sampling, Target, TargetOptions


@dataclass(frozen=True, eq=False)
class DecodedField:
    """A file as a continuous signal: it can be asked for any region at any size.

    Attributes:
        field: coordinates to values.
        domain: grid of the original.
        meta: meaning of the samples.
        channels: values a sample.
        limited: band-limited fields, coarse to fine, with their highest frequencies in cycles per unit; may be empty.
    """

    field: Field
    domain: Domain
    meta: SignalMeta
    channels: int
    limited: tuple[tuple[float, Field], ...] = ()

    def decode(self, **target: Unpack[TargetOptions]) -> Samples:
        """Samples of the signal, or of a region of it, at any size.

        What becomes smaller is box-filtered (or is a band-limited output, where the model has one); what becomes larger
        is evaluated between the original samples; neither shifts it. Frames of a video are never mixed: another frame
        rate gives other moments.

        Args:
            **target: scale, size, region, time, frame_rate: see `Target`.

        Returns:
            `(height, width, channels)`, `(frames, height, width, channels)` or `(*axes, channels)` of the original
            sample type.

        Raises:
            SpecError: scale and size both given, not positive, a region outside the signal, or an option that does
                not go with this kind of signal.
            LimitExceededError: more than `MAX_OUTPUT_SAMPLES` samples.
        """
        sampling = self.sampling(Target(**target))
        samples = self._rendered(sampling)
        return samples.reshape(*kind_for(self.meta).outward(sampling.grid.shape, sampling.meta), self.channels)

    def _rendered(self, sampling: Sampling) -> Samples:
        return render(*self._work(sampling))

    def blocks(self, target: Target) -> Iterator[Samples]:
        """As `decode`, in consecutive blocks of rows or frames."""
        return self.sampled(self.sampling(target))

    def sampling(self, target: Target) -> Sampling:
        """What a target comes to; raises `SpecError` or `LimitExceededError` before any work is done."""
        return kind_for(self.meta).sampling(target, self.domain, self.meta, self.channels)

    def sampled(self, sampling: Sampling) -> Iterator[Samples]:
        """The samples that `sampling` gave, in consecutive blocks of rows or frames."""
        return render_blocks(*self._work(sampling))

    def _work(self, sampling: Sampling) -> tuple[Field, Domain, SignalMeta, int, tuple[int, ...]]:
        grid, fineness = sampling.grid, sampling.means
        nyquist = min(n / (2 * (high - low)) for n, (low, high) in zip(grid.shape, grid.box, strict=True))
        resolved = [function for band, function in self.limited if band <= nyquist]
        if resolved and max(fineness) > 1:  # the finest output that the grid holds needs no filter
            return resolved[-1], grid, self.meta, self.channels, (1,) * grid.ndim
        return self.field, grid, self.meta, self.channels, fineness

    def signal(self) -> Signal:
        """The signal at its original size."""
        return Signal(self._rendered(self.sampling(Target())), self.domain, self.meta)


def open_field(
    source: str | Path | bytes | InrFile,
    layers: int | None = None,
    backend: str = "auto",
    device: str = "auto",
    resources: Resources = DEFAULT_RESOURCES,
) -> DecodedField:
    """Open a ``.inr`` file for decoding.

    Args:
        source: path, bytes, or a parsed file.
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
        source = parse(source if isinstance(source, bytes) else read_bytes(source))
    file = source.truncated(source.layers_present if layers is None else layers)
    first = unpack(file)
    try:
        tiling = tiling_of(file.header)
    except SpecError as error:
        raise CorruptHeaderError(f"header: {error}") from None
    if tiling.count == 1:
        return open_encoded(first, backend, device, resources)

    def open_tile(tile: int) -> Field:
        return open_encoded(unpack(file, tile), backend, device, resources).field

    return DecodedField(TiledField(tiling, open_tile, first.channels), tiling.domain, first.meta, first.channels)


def open(source: str | Path | bytes, layers: int | None = None) -> DecodedField:
    """Open a ``.inr`` file (path or bytes) for decoding at any size; see `open_field`."""
    return open_field(source, layers)


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
    file, damage = parse_partial(data[:max_bytes])
    whole = math.prod(file.header.tiles or (1,)) * file.layers_present
    if len(file.payloads) > whole:
        file = file.truncated(file.layers_present)
    return file, None if cut else damage


def open_encoded(
    encoded: Encoded, backend: str = "auto", device: str = "auto", resources: Resources = DEFAULT_RESOURCES
) -> DecodedField:
    """An encoded signal, ready to be decoded; raises `BackendUnavailableError`."""
    opened = coder_of(encoded).open(encoded, backend, device, resources)
    return DecodedField(opened.field, encoded.domain, encoded.meta, encoded.channels, opened.limited)
