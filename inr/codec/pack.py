"""Encoded signals to files and back."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from inr.codec.tiles import Tiling
from inr.coders.base import Encoded, coder_in, coder_of
from inr.container import ids
from inr.container.attributes import FileAttributes
from inr.container.file import DATA, InrFile, Section
from inr.container.header import CoderPart, Header
from inr.container.ids import id_of
from inr.domain import Alignment, Domain
from inr.errors import CorruptHeaderError, SpecError, UnsupportedFeatureError
from inr.meta import INTEGER_RANGE, LightCurve, PowerTransform, SampleType, SignalMeta
from inr.signals.info import SignalInfo
from inr.signals.kind import KINDS, Kind, kind_for


def pack(encoded: Encoded, psnr: tuple[float, ...] = ()) -> InrFile:
    """The file of a signal of which all layers are there.

    Args:
        encoded: what to store.
        psnr: PSNR in dB after each quality layer, 0 to 100, or nothing.
    """
    coder, tiling = coder_of(encoded), Tiling(encoded.domain, (1,) * encoded.domain.ndim)
    return assemble(encoded, coder.part(encoded), [coder.payloads(encoded)], tiling, psnr)


def assemble(
    signal: SignalInfo,
    part: CoderPart,
    payloads: Sequence[tuple[bytes, ...]],
    tiling: Tiling,
    psnr: tuple[float, ...] = (),
) -> InrFile:
    """The file of one or more tiles with the same settings.

    Args:
        signal: a tile; its channels and meta data are those of all.
        part: what the header says of the coder.
        payloads: for each tile in C order, its payloads coarse to fine, as many as there are quality layers.
        tiling: the tiles of the whole grid.
        psnr: PSNR in dB of the whole after each quality layer, 0 to 100, or nothing.
    """
    meta, domain = signal.meta, tiling.domain
    layers = len(payloads[0])
    sections = [Section(DATA, tile[layer]) for layer in range(layers) for tile in payloads]
    kind = kind_for(meta)
    own, early = kind.to_file(meta), kind.wire_id in ids.SIGNAL_KINDS
    sections += own.sections
    header = Header(
        shape=domain.shape,
        channels=signal.channels,
        dtype=id_of(ids.SAMPLE_TYPES, meta.dtype),
        value_range=wire_range(meta),
        layers=layers,
        tiles=tiling.counts if tiling.count > 1 else None,
        orientation=own.orientation,
        colour_space=own.colour_space,
        kind=kind.wire_id,
        alignment=id_of(ids.ALIGNMENTS, domain.alignment),
        power=None if meta.power is None else _wire_power(meta.power),
        light=None if meta.curve is None else (_whole(meta.curve.scale), meta.curve.colours),
        roles=own.channels,
        frame_rate=own.frame_rate,
        frame_times=own.frame_times,
        pixel_aspect=own.pixel_aspect,
        attributes=() if early else own.own,
        extras=own.own if early else (),
        box=None if domain.is_default() else tuple(x for interval in domain.box for x in interval),
        **vars(part),
    )
    return with_psnr(InrFile(header, tuple(sections)), psnr)


def with_psnr(file: InrFile, psnr: tuple[float, ...], seen: tuple[float, ...] = ()) -> InrFile:
    """The same file with the PSNR of its layers in the header, and of light of high dynamic range the PU21-PSNR."""
    header, light = file.header, file.header.light
    if light is not None:
        light = (*light[:2], *(round(100 * value) for value in seen))
    return replace(file, header=replace(header, psnr=tuple(round(100 * value) for value in psnr), light=light))


def unpack(file: InrFile, tile: int = 0) -> Encoded:
    """What one tile of a file holds, as far as its layers are there; raises a `FormatError`."""
    header = file.header
    coder = coder_in(header.coder_part)
    try:
        tiling, meta = tiling_of(header), meta_of(file)
        domain = tiling.domain if tiling.count == 1 else tiling.local(tile)
    except SpecError as error:
        raise CorruptHeaderError(f"header: {error}") from None
    signal = SignalInfo(channels=header.channels, domain=domain, meta=meta)
    encoded: Encoded = coder.parse(
        header, signal, file.payloads[tile : file.layers_present * tiling.count : tiling.count]
    )
    return encoded


def tiling_of(header: Header) -> Tiling:
    """The tiles of a file; raises `SpecError`."""
    domain = domain_of(header)
    tiling = Tiling(domain, header.tiles or (1,) * domain.ndim)
    if math.prod(tiling.counts[1:]) > 1:
        raise SpecError(f"tiles: this version reads tiles along the first axis only; got {tiling.counts}")
    return tiling


def domain_of(header: Header) -> Domain:
    """The grid of the original samples."""
    alignment = cast(Alignment, ids.ALIGNMENTS[header.alignment])
    axes = _kind(header).axes(len(header.shape))
    if header.box is None:
        return replace(Domain.of_shape(header.shape, axes), alignment=alignment)
    box = tuple(zip(header.box[::2], header.box[1::2], strict=True))
    domain = Domain(header.shape, box, alignment, axes)
    if domain.is_default():
        raise SpecError("box: the default must be left out")
    return domain


def meta_of(file: InrFile) -> SignalMeta:
    """The meaning of the original samples; raises `SpecError`, and `UnsupportedFeatureError` for an unknown kind."""
    header = file.header
    dtype = cast(SampleType, ids.SAMPLE_TYPES[header.dtype])
    low, high = header.value_range or INTEGER_RANGE[dtype]
    return SignalMeta(
        dtype=dtype,
        value_range=(float(low), float(high)),
        attributes=_kind(header).from_file(FileAttributes.of(file)),
        power=None if header.power is None else PowerTransform(*(float(x) for x in header.power)),
        light=None if header.light is None else LightCurve(float(header.light[0]), int(header.light[1])),
    )


def _kind(header: Header) -> Kind:
    cls = KINDS.by_wire_id(header.kind)
    if cls is None:
        raise UnsupportedFeatureError(f"kind of signal {header.kind} is not known to this version")
    return cls()


def wire_range(meta: SignalMeta) -> tuple[float, float] | None:
    """None for the full range of an integer type; whole numbers as integers, which take fewer bytes."""
    low, high = meta.value_range
    if meta.dtype not in INTEGER_RANGE:
        return low, high
    least, most = INTEGER_RANGE[meta.dtype]
    return None if low == least and high == most else (int(low), int(high))


def _wire_power(power: PowerTransform) -> tuple[float, float, float]:
    return _whole(power.low), _whole(power.high), _whole(power.gamma)


def _whole(value: float) -> float:
    """Whole numbers as integers, which take fewer bytes, if a header takes them."""
    return int(value) if value == int(value) and abs(value) < 2**63 else value
