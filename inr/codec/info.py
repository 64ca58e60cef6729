"""What a file says about itself, without decoding it and without loading numpy or torch."""

import math
from dataclasses import dataclass

from inr.container import ids
from inr.container.file import InrFile, section_sizes
from inr.container.header import WireValue


@dataclass(frozen=True)
class LayerInfo:
    """A prefix of the file: its size in bytes, and the PSNR in dB that it decodes to (None: not recorded)."""

    layer: int
    bytes: int
    psnr: float | None


@dataclass(frozen=True)
class FileInfo:
    """Description of a file.

    Attributes:
        version: major.minor of the format.
        kind: kind of signal.
        shape: samples on each axis (rows, columns for an image).
        channels: values a sample.
        dtype: sample type of the original.
        value_range: the sample values that the field's -1 and 1 stand for.
        colour_space: transfer of the colours.
        icc_profile: bytes of the stored colour profile, 0 for none.
        orientation: EXIF orientation of the original, already applied.
        model: kind of the model.
        settings: settings of the model that differ from its defaults.
        coding: how weights are stored.
        bytes: size of the file, or of the prefix that is there.
        bpp: bits per pixel.
        layers: the prefixes that decode.
        layers_total: layers of the whole file.
    """

    version: str
    kind: str
    shape: tuple[int, ...]
    channels: int
    dtype: str
    value_range: tuple[float, float]
    colour_space: str
    icc_profile: int
    orientation: int
    model: str
    settings: dict[str, WireValue]
    coding: str
    bytes: int
    bpp: float
    layers: tuple[LayerInfo, ...]
    layers_total: int


def describe(file: InrFile, size: int) -> FileInfo:
    """Describe a parsed file of `size` bytes."""
    header = file.header
    tiles = math.prod(header.tiles or (1,))
    sizes = section_sizes(file)
    layers = tuple(
        LayerInfo(i + 1, sizes[(i + 1) * tiles - 1], header.psnr[i] / 100 if header.psnr else None)
        for i in range(file.layers_present)
    )
    kind, names = _model(header.model)
    dtype = ids.SAMPLE_TYPES[header.dtype]
    profile = file.ancillary(b"iccp")
    return FileInfo(
        version=f"1.{file.minor}",
        kind=ids.SIGNAL_KINDS[header.kind],
        shape=header.shape,
        channels=header.channels,
        dtype=dtype,
        value_range=header.value_range or (0, 255 if dtype == "uint8" else 65535),
        colour_space=ids.COLOUR_SPACES[header.colour_space],
        icc_profile=len(profile or b""),
        orientation=header.orientation,
        model=kind,
        settings={names.get(number, f"#{number}"): value for number, value in header.model_fields},
        coding=ids.CODINGS[header.coding],
        bytes=size,
        bpp=8 * size / math.prod(header.shape),
        layers=layers,
        layers_total=header.layers,
    )


def _model(wire_id: int) -> tuple[str, dict[int, str]]:
    """Name and setting names of a model; one that is not in the table is looked up in the registry."""
    if wire_id in ids.MODELS:
        return ids.MODELS[wire_id]
    from inr.models.base import MODELS
    from inr.registry import kind_of
    from inr.spec import wire_fields

    cls = MODELS.by_wire_id(wire_id)
    return (f"#{wire_id}", {}) if cls is None else (kind_of(cls), wire_fields(cls))
