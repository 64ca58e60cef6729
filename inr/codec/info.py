"""What a file says about itself, without decoding it and without loading numpy or torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inr.container import ids
from inr.container.file import InrFile, section_sizes
from inr.container.header import ModelFields
from inr.container.times import times_of
from inr.meta import INTEGER_RANGE, Stored, with_ones

if TYPE_CHECKING:  # a file of the models in the table is described without them
    from inr.spec import Spec


@dataclass(frozen=True)
class LayerInfo:
    """A prefix of the file: its size in bytes, and the PSNR in dB that it decodes to (None: not recorded).

    Of a picture of high dynamic range there is also the PSNR that a viewer sees, PU21-PSNR.
    """

    layer: int
    bytes: int
    psnr: float | None
    pu21_psnr: float | None = None


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
        frames_per_second: of a video, or None; the average where its frames are not shown equally long.
        frame_seconds: for how many seconds frames of a video are shown, and how many in a row are, where that varies;
            or None.
        pixel_aspect: width of a pixel of a video by its height, or None.
        attributes: what the kind of signal has of its own, by name; by ``#number`` if the kind is not known here.
        power: low, high and gamma of the power transform of the targets, or None.
        model: kind of the model; None where the coder has none.
        settings: settings of the model, or fields of a coder without one, that differ from its defaults.
        coding: how weights are stored; None where the coder has none.
        bytes: size of the file, or of the prefix that is there.
        bpp: bits per pixel.
        layers: the prefixes that decode.
        layers_total: layers of the whole file.
        coder: kind of the coder; None for `weights`, which has a model.
        light: scale of the curve that colours of high dynamic range were fitted on, or None.
        roles: of the channels, where their number does not tell: how many are colours, and 1 if the last one is alpha.
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
    frames_per_second: float | None
    frame_seconds: tuple[tuple[float, int], ...] | None
    pixel_aspect: tuple[int, int] | None
    attributes: dict[str, Any]
    power: tuple[float, ...] | None
    model: str | None
    settings: dict[str, Any]
    coding: str | None
    bytes: int
    bpp: float
    layers: tuple[LayerInfo, ...]
    layers_total: int
    coder: str | None = None
    light: float | None = None
    roles: tuple[int, int] | None = None


def describe(file: InrFile, size: int) -> FileInfo:
    """Describe a parsed file of `size` bytes."""
    header = file.header
    tiles = math.prod(header.tiles or (1,))
    sizes = section_sizes(file)
    seen = () if header.light is None else header.light[2:]
    layers = tuple(
        LayerInfo(
            i + 1,
            sizes[(i + 1) * tiles - 1],
            header.psnr[i] / 100 if header.psnr else None,
            seen[i] / 100 if seen else None,
        )
        for i in range(file.layers_present)
    )
    if header.model is not None:
        named, settings = _settings(header.model, header.model_fields, _model_tables)
    else:
        named, settings = _settings(header.coder, header.coder_fields, _coder_tables)
    model = None if header.model is None else named
    kind, own = _own(header.kind, header.attributes or header.extras)
    shape = with_ones(header.shape, _ones(own))
    dtype = ids.SAMPLE_TYPES[header.dtype]
    profile = file.ancillary(b"iccp")
    return FileInfo(
        version=f"1.{file.minor}",
        kind=kind,
        shape=shape,
        channels=header.channels,
        dtype=dtype,
        value_range=header.value_range or INTEGER_RANGE[dtype],
        colour_space=ids.COLOUR_SPACES[header.colour_space] if header.kind in ids.SIGNAL_KINDS else "unknown",
        icc_profile=len(profile or b""),
        orientation=header.orientation,
        frames_per_second=None if header.frame_rate is None else header.frame_rate[0] / header.frame_rate[1],
        frame_seconds=None if header.frame_times is None else _frame_seconds(header.frame_times),
        pixel_aspect=None if header.frame_rate is None else header.pixel_aspect,
        attributes=own,
        power=header.power,
        model=model,
        settings=settings,
        coding=None if model is None else ids.CODINGS[header.coding],
        bytes=size,
        bpp=8 * size / math.prod(header.shape),
        layers=layers,
        layers_total=header.layers,
        coder=named if model is None else None,
        light=None if header.light is None else header.light[0],
        roles=header.roles,
    )


def _frame_seconds(stored: tuple[int, ...]) -> tuple[tuple[float, int], ...]:
    """Seconds that frames are shown, and how many in a row; as many pairs as the header is long at most."""
    (parts, whole), runs = times_of(stored)
    return tuple((ticks * parts / whole, frames) for ticks, frames in runs)


def _own(wire_id: int, stored: Stored) -> tuple[str, dict[str, Any]]:
    """Name of a kind of signal and its attributes; one that is not in the table is looked up in the registry."""
    if wire_id in ids.SIGNAL_KINDS:
        names = ids.EXTRAS.get(wire_id, {})
        return ids.SIGNAL_KINDS[wire_id], {names.get(number, f"#{number}"): value for number, value in stored}
    from inr.registry import kind_of
    from inr.signals.kind import KINDS

    cls = KINDS.by_wire_id(wire_id)
    names = {} if cls is None else cls.attributes.names()
    kind = f"#{wire_id}" if cls is None else kind_of(cls)
    return kind, {names.get(number, f"#{number}"): value for number, value in stored}


def _ones(own: dict[str, Any]) -> tuple[int, ...]:
    """Takes the places of axes of one sample out of the attributes; not what makes no sense, which a file may hold."""
    places = own.get("ones")
    if not isinstance(places, tuple) or not all(isinstance(place, int) for place in places):
        return ()
    return tuple(own.pop("ones"))


Tables = tuple[str, dict[int, str], dict[int, tuple[str, ...]]]
"""Kind of a component, the names of its settings, and the words that some of them hold, both by number."""


def _settings(wire_id: int, fields: ModelFields, tables: Callable[[int], Tables]) -> tuple[str, dict[str, Any]]:
    """Name of a component and its stored settings; those inside it are models."""
    kind, names, words = tables(wire_id)
    settings: dict[str, Any] = {}
    for number, value in fields:
        shown = value
        if isinstance(value, tuple):
            part_id, stored = value
            part, inner = _settings(part_id, stored, _model_tables)
            shown = {"kind": part, **inner}
        elif number in words and isinstance(value, int) and value in range(len(words[number])):
            shown = words[number][value]
        settings[names.get(number, f"#{number}")] = shown
    return kind, settings


def _model_tables(wire_id: int) -> Tables:
    """One that is not in the table of ids is looked up in the registry."""
    if wire_id in ids.MODELS:
        return *ids.MODELS[wire_id], ids.WORDS.get(wire_id, {})
    from inr.models.base import MODELS

    return _registered(MODELS.by_wire_id(wire_id), wire_id)


def _coder_tables(wire_id: int) -> Tables:
    """As for models."""
    from inr.coders.base import CODERS

    return _registered(CODERS.by_wire_id(wire_id), wire_id)


def _registered(cls: "type[Spec] | None", wire_id: int) -> Tables:
    if cls is None:
        return f"#{wire_id}", {}, {}
    from inr.registry import kind_of
    from inr.spec import wire_marks

    marks = wire_marks(cls)
    words = {number: mark.names for number, (_, mark) in marks.items() if mark.names}
    return kind_of(cls), {number: name for number, (name, _) in marks.items()}, words
