"""Encoding: from a signal to the bytes of a ``.inr`` file, with everything about it measured."""

import math
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np

from inr.codec.candidates import Candidates
from inr.codec.decode import open_field
from inr.codec.field import DecodedField, SignalField
from inr.codec.measures import decibels, in_decibels, measures, tallied
from inr.codec.pack import assemble, with_psnr
from inr.codec.tiles import Tiling
from inr.coders.base import AnyCoder, Encoded, Facts, Plan, chosen
from inr.coders.request import CompressSpec
from inr.container import limits
from inr.container.file import to_bytes
from inr.container.header import CoderPart
from inr.domain import Domain
from inr.errors import SpecError, TargetError
from inr.fitting.events import Planned
from inr.fitting.run import Hooks, train
from inr.fitting.trained import CurvePoint, FitReport, Trained
from inr.inits.base import SearchReport
from inr.meta import PowerTransform, SignalMeta
from inr.metrics.base import Metric, Tally
from inr.signals.info import SignalInfo
from inr.signals.kind import kind_for
from inr.signals.parts import Parts
from inr.signals.signal import Signal
from inr.signals.transform import transformed
from inr.spec import Spec

SHARED_BYTES = 30
"""Bytes of a file of one part, at least, that a file of several has only once: signature and version (10), the frame of
the header (12), and the shortest header (11) without the tiles, which only the file of several has."""


@dataclass(frozen=True)
class CompressReport:
    """What came out.

    Attributes:
        kind: kind of signal.
        shape: samples along each axis.
        model: kind of the model, or of the coder where there is none.
        settings: its settings.
        backend: what ran the fit.
        parameters: stored numbers.
        steps: gradient steps.
        bytes: size of the file.
        bpp: its bits per sample position (pixel).
        psnr: of the file, parsed and decoded anew, at the sample type of the original (8 bits for a photo);
            100 for an exact copy.
        ssim: likewise; the mean over the frames of a video or over the bands of a picture, None for what has none.
        metrics: the measures that the kind of signal names, the one that matters most first.
        layer_psnr: PSNR after each quality layer, of a picture of high dynamic range PU21-PSNR.
        bits: quantiser bits of an average weight.
        seconds_fit: wall time of the training loop.
        seconds_total: wall time from the signal to the bytes, measuring included.
        seed: of the fit.
        width: samples of a row of a picture or a frame; None for what has none.
        height: rows of a picture or a frame; None for what has none.
        segments: parts that were fitted one after the other.
        search: what the initialiser searched, or None.
        curve: of the fit, of the last segment.
    """

    kind: str
    shape: tuple[int, ...]
    model: str
    settings: Spec
    backend: str
    parameters: int
    steps: int
    bytes: int
    bpp: float
    psnr: float
    ssim: float | None
    metrics: dict[str, float]
    layer_psnr: tuple[float, ...]
    bits: float
    seconds_fit: float
    seconds_total: float
    seed: int
    width: int | None
    height: int | None
    segments: int
    search: SearchReport | None
    curve: tuple[CurvePoint, ...]


@final
@dataclass(frozen=True, repr=False)
class Compressed(SignalField):
    """The bytes of a file and what was measured on them; also the field that the file decodes to.

    Attributes:
        data: the file.
        report: what came out.
        source_bytes: size of the file, or of all files of the folder, that it was made of; None if that is not known,
            or if only a part of it was taken.
    """

    data: bytes
    report: CompressReport
    source_bytes: int | None = None

    def _open(self) -> DecodedField:
        return open_field(self.data)

    def facts(self) -> dict[str, str]:
        """As `SignalField.facts`."""
        return {"fit": f"{self.report.steps:,} steps in {self.report.seconds_fit:.1f} s on {self.report.backend}"}


@dataclass(frozen=True)
class Shared:
    """What all parts of a signal have in common; the first one decides it.

    Attributes:
        coder: what the header says of the coder.
        power: transform of the targets, or None.
    """

    coder: CoderPart
    power: PowerTransform | None


@dataclass(frozen=True, eq=False)
class FittedPart:
    """A part that is fitted, coded and measured: small, what was learnt is only in the payloads.

    Attributes:
        signal: the part without its samples.
        coder: what the header says of the coder.
        payloads: of its layers, coarse to fine.
        report: how the fit went.
        facts: what reports say of what was learnt.
        bits: quantiser bits of an average number.
        layers: tallies of the decoded samples after each layer, for PSNR and what decibels of the signal are, by name.
        tallies: of the decoded samples with all layers, for the metrics of its kind, by name.
    """

    signal: SignalInfo
    coder: CoderPart
    payloads: tuple[bytes, ...]
    report: FitReport
    facts: Facts
    bits: float
    layers: tuple[dict[str, Tally], ...]
    tallies: dict[str, Tally]


def compress_signal(signal: Signal, request: CompressSpec | None = None, hooks: Hooks | None = None) -> Compressed:
    """Fit, quantise and code a signal; see `compress_parts`."""
    return compress_parts(Parts.of(signal), request, hooks)


def compress_parts(parts: Parts, request: CompressSpec | None = None, hooks: Hooks | None = None) -> Compressed:
    """Fit, quantise and code a signal that comes in parts, with the memory of one part.

    Args:
        parts: what to compress. The model that suits the first part is that of all.
        request: targets, model, budget (for each part); the default preset if None.
        hooks: events, cancellation, checkpoint of the fit.

    Returns:
        The bytes of the file, and what was measured on them.

    Raises:
        SpecError: settings that make no sense; `TargetError` for a size or quality that cannot be had.
        FitError: the fit diverged or was cancelled.
        BackendUnavailableError: the backend cannot run here.
    """
    request = request or CompressSpec()
    began = time.perf_counter()
    check_count(len(parts.lengths))
    done: list[FittedPart] = []
    for signal in parts.signals:  # `enumerate` would hold on to a part while the next one is read
        done.append(fit_part(signal, request, parts.lengths, len(done), shared_of(done[0]) if done else None, hooks))
        del signal
    return join_parts(parts.lengths, done, began)


def check_count(count: int) -> None:
    """Raise `SpecError` for more parts than a file may have."""
    if count > limits.MAX_TILES:
        raise SpecError(f"segment: {count} segments are too many; at most {limits.MAX_TILES}: make them longer")


def shared_of(part: FittedPart) -> Shared:
    """What the other parts take over from the first."""
    return Shared(part.coder, part.signal.meta.power)


def fit_part(
    signal: Signal,
    request: CompressSpec,
    lengths: tuple[int, ...],
    number: int,
    shared: Shared | None,
    hooks: Hooks | None = None,
) -> FittedPart:
    """Fit, code and measure one part; parts other than the first need nothing of each other.

    Args:
        signal: the part.
        request: what is asked of the whole.
        lengths: of all parts.
        number: of this one.
        shared: what the first part decided; None for the first.
        hooks: events, cancellation, checkpoint of the fit.

    Raises:
        InrError: see `compress_parts`.
    """
    count = len(lengths)
    coder = chosen(request, signal.meta)
    own = _share(request, lengths, number, signal.meta)
    power = None if shared is None else shared.power
    alike = transformed(signal, request.transform, power, whole_range=count > 1)
    if count > 1:
        alike = replace(alike, meta=replace(alike.meta, attributes=alike.meta.attributes.of_part()))
    files = Candidates(alike)
    like = None if shared is None else shared.coder
    try:
        trained, encoded = _encoded(coder, alike, own, files, like, _numbered(hooks, ".part", number + 1))
    except TargetError as error:
        raise error if count == 1 else TargetError(f"segment {number + 1} of {count}: {error}") from None
    return _measured(signal, coder, trained, encoded, files)


def _share(request: CompressSpec, lengths: tuple[int, ...], number: int, meta: SignalMeta) -> CompressSpec:
    """What is asked of one part: its share of the bytes. It is planned with a header; the file has but one."""
    if request.size is None or len(lengths) == 1:
        return request
    size = request.size - kind_for(meta).to_file(meta).times_bytes + (len(lengths) - 1) * SHARED_BYTES
    return request.replace(size=max(1, math.floor(size * lengths[number] / sum(lengths))))


def _encoded(
    coder: AnyCoder,
    signal: Signal,
    request: CompressSpec,
    files: Candidates,
    like: CoderPart | None,
    hooks: Hooks | None,
) -> tuple[Trained, Encoded]:
    """Train and quantise; for a PSNR, with one plan after another until it is reached."""
    info, reached, number = SignalInfo.of(signal), 0.0, 1
    plan: Plan | None = coder.plan(info, request, files, like)
    while plan is not None:
        _tell_plan(hooks, plan, signal)
        trained: Trained = train(partial(coder.start, signal, plan), _numbered(hooks, ".", number))
        encoded: Encoded | None = coder.encode(trained, plan, files)
        if encoded is not None:
            return trained, encoded
        reached = max(reached, trained.report.curve[-1].psnr)
        plan = coder.again(info, request, plan, files)
        number += 1
    name = kind_for(signal.meta).decibels(signal.meta).name
    of = "" if name == "psnr" else f" of {name}"
    raise TargetError(f"psnr: {request.psnr:g} dB{of} was not reached, the best was {reached:.2f} dB; allow more steps")


def _tell_plan(hooks: Hooks | None, plan: Plan, signal: Signal) -> None:
    if hooks is not None and hooks.on_event is not None:
        hooks.on_event(Planned(plan.model, plan.parameters, plan.size, signal.domain.size))


def _numbered(hooks: Hooks | None, what: str, number: int) -> Hooks | None:
    """Each of several fits has a checkpoint of its own: NAME, NAME.part2 ..., NAME.2 ..."""
    if hooks is None or hooks.checkpoint is None or number == 1:
        return hooks
    path = hooks.checkpoint.path
    return replace(hooks, checkpoint=replace(hooks.checkpoint, path=path.with_name(f"{path.name}{what}{number}")))


def _measured(signal: Signal, coder: AnyCoder, trained: Trained, encoded: Encoded, files: Candidates) -> FittedPart:
    """Measure what a reader of the file will see of this part, after each layer."""
    file = files.file(encoded)
    data = to_bytes(file)
    found = [in_decibels(signal, open_field(data, layers).signal().samples) for layers in range(1, encoded.layers)]
    final = open_field(data).signal().samples
    meta = replace(encoded.meta, attributes=signal.meta.attributes)
    found.append(in_decibels(signal, final))
    return FittedPart(
        signal=SignalInfo(channels=encoded.channels, domain=encoded.domain, meta=meta),
        coder=file.header.coder_part,
        payloads=file.payloads,
        report=trained.report,
        facts=coder.facts(encoded),
        bits=encoded.bits,
        layers=tuple(found),
        tallies=tallied(signal, final),
    )


def _by_layer(parts: list[FittedPart], metric: Metric) -> tuple[float, ...]:
    """A measure of the whole after each quality layer."""
    totals = [sum((part.layers[i][metric.name] for part in parts), Tally()) for i in range(len(parts[0].layers))]
    return tuple(metric.value(total, parts[0].signal.meta.peak) for total in totals)


def join_parts(lengths: tuple[int, ...], parts: list[FittedPart], began: float) -> Compressed:
    """The file of all parts, and its report; `began` is the moment on the performance counter when work began."""
    first, last = parts[0], parts[-1]
    meta, facts = first.signal.meta, first.facts
    if any(part.signal.meta != meta or part.coder != first.coder for part in parts):
        raise SpecError("segments: they differ in sample type, range or model, so they cannot share a file")
    domain = first.signal.domain
    if len(parts) > 1:
        domain = Domain.of_shape((sum(lengths), *domain.shape[1:]), domain.axes)
    tiling = Tiling(domain, (len(parts), *[1] * (domain.ndim - 1)))
    layer_psnr, layer_seen = (_by_layer(parts, metric) for metric in decibels(meta))
    file = assemble(first.signal, first.coder, [part.payloads for part in parts], tiling)
    data = to_bytes(with_psnr(file, layer_psnr, layer_seen))
    weights = [n / sum(lengths) for n in lengths]
    height, width = kind_for(meta).sides(domain.shape)
    values = measures((part.tallies for part in parts), meta)
    report = CompressReport(
        kind=meta.kind,
        shape=kind_for(meta).outward(domain.shape, meta),
        model=facts.model,
        settings=facts.settings,
        backend=last.report.backend,
        parameters=sum(part.facts.parameters for part in parts),
        steps=sum(part.report.steps for part in parts),
        bytes=len(data),
        bpp=8 * len(data) / domain.size,
        psnr=layer_psnr[-1],
        ssim=values.get("ssim"),
        metrics=values,
        layer_psnr=layer_seen,
        bits=float(np.dot(weights, [part.bits for part in parts])),
        seconds_fit=sum(part.report.seconds for part in parts),
        seconds_total=time.perf_counter() - began,
        seed=last.report.seed,
        width=width,
        height=height,
        segments=len(parts),
        search=first.report.search,
        curve=last.report.curve,
    )
    return Compressed(data, report)
