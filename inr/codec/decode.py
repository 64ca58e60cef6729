"""Decoding: bytes to a field, a field to samples on any grid."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from inr.backends.base import Field
from inr.backends.render import render
from inr.backends.select import select
from inr.codec.pack import unpack
from inr.container.file import InrFile, parse, parse_partial
from inr.domain import Domain
from inr.errors import FormatError, LimitExceededError, SpecError
from inr.files import read_bytes
from inr.fitted import FloatTensor
from inr.meta import SignalMeta
from inr.models.base import ModelSpec
from inr.quantize.uniform import QuantizedField, dequantize
from inr.signals.signal import Samples, Signal

MAX_OUTPUT_SAMPLES = 2**30
"""Channels times pixels of one decoded picture."""

Region = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class DecodedField:
    """A file as a continuous picture: it can be asked for any region at any size.

    Attributes:
        field: coordinates to values.
        domain: grid of the original.
        meta: meaning of the samples.
        channels: values a sample.
    """

    field: Field
    domain: Domain
    meta: SignalMeta
    channels: int

    def decode(
        self,
        scale: float | None = None,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
    ) -> Samples:
        """Samples of the picture, or of a region of it, at any size.

        A picture that becomes smaller is box-filtered, one that becomes larger is evaluated between the
        original samples; neither shifts it.

        Args:
            scale: factor of both sides, more than 0. Default 1.
            size: (width, height) in samples, instead of a scale.
            region: (x, y, width, height) in samples of the original; default all of it.

        Returns:
            `(height, width, channels)` of the original sample type.

        Raises:
            SpecError: scale and size both given, not positive, or a region outside the picture.
            LimitExceededError: more than `MAX_OUTPUT_SAMPLES` samples.
        """
        grid = self.target_grid(scale, size, region)
        source = self._cropped(region)
        ratio = max(old / new for old, new in zip(source.shape, grid.shape, strict=True))
        return render(self.field, grid, self.meta, self.channels, supersample=max(1, math.ceil(ratio - 1e-9)))

    def target_grid(
        self, scale: float | None = None, size: tuple[int, int] | None = None, region: Region | None = None
    ) -> Domain:
        """The grid that `decode` evaluates; checks the arguments and computes nothing."""
        source = self._cropped(region)
        if scale is not None and size is not None:
            raise SpecError("give a scale or a size, not both")
        if size is not None:
            if min(size) < 1:
                raise SpecError(f"size: width and height must be at least 1; got {size[0]}x{size[1]}")
            shape = (size[1], size[0])
        else:
            factor = 1.0 if scale is None else scale
            if not (math.isfinite(factor) and factor > 0):
                raise SpecError(f"scale: must be more than 0; got {factor}")
            sides = [n * factor for n in source.shape]
            if max(sides) > MAX_OUTPUT_SAMPLES:
                raise LimitExceededError(
                    f"scale {factor:g} gives a side of {max(sides):.3g} samples; that is too large"
                )
            shape = (max(1, round(sides[0])), max(1, round(sides[1])))
        if math.prod(shape) * self.channels > MAX_OUTPUT_SAMPLES:
            raise LimitExceededError(
                f"a picture of {shape[1]}x{shape[0]}x{self.channels} samples is too large; "
                f"at most {MAX_OUTPUT_SAMPLES} are decoded at once: choose a smaller scale, size or region"
            )
        return source.resized(shape)

    def signal(self) -> Signal:
        """The picture at its original size."""
        return Signal(self.decode(), self.domain, self.meta)

    def _cropped(self, region: Region | None) -> Domain:
        if region is None:
            return self.domain
        x, y, width, height = region
        return self.domain.cropped((y, x), (height, width))


def open_field(
    source: str | Path | bytes | InrFile, layers: int | None = None, backend: str = "auto", device: str = "auto"
) -> DecodedField:
    """Open a ``.inr`` file for decoding.

    Args:
        source: path, bytes, or a parsed file.
        layers: use only the first quality layers; default all that are there.
        backend: "auto" or the name of a backend.
        device: "auto", "cpu" or "cuda".

    Raises:
        FileAccessError: the path cannot be read.
        FormatError: the bytes are not a sound file, or prefix of one.
        BackendUnavailableError: the backend cannot run here.
    """
    if not isinstance(source, InrFile):
        source = parse(source if isinstance(source, bytes) else read_bytes(source))
    return open_quantized(
        unpack(source.truncated(source.layers_present if layers is None else layers)), backend, device
    )


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


def open_quantized(field: QuantizedField, backend: str = "auto", device: str = "auto") -> DecodedField:
    """A quantised field, ready to be decoded; raises `BackendUnavailableError`."""
    function = open_tensors(field.model, dequantize(field), field.domain.ndim, field.channels, backend, device)
    return DecodedField(function, field.domain, field.meta, field.channels)


def open_tensors(
    model: ModelSpec,
    tensors: dict[str, FloatTensor],
    d_in: int,
    channels: int,
    backend: str = "auto",
    device: str = "auto",
) -> Field:
    """The function that a model is with these parameters; raises `BackendUnavailableError`."""
    network = model.build(d_in, channels)
    with torch.no_grad():
        for name, tensor in network.tensors().items():
            tensor.copy_(torch.from_numpy(tensors[name]))
    return select(backend, network, device).field(network, device)
