"""Encoding: from a signal to the bytes of a ``.inr`` file, with everything about it measured."""

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from inr.codec.decode import open_field, open_quantized
from inr.codec.measures import measures, tallied
from inr.codec.pack import assemble, with_psnr
from inr.codec.plan import CompressSpec, Plan, fixes_size, plan
from inr.codec.rate import Coded, allocate, code, meet_quality, meet_size
from inr.codec.tiles import Tiling
from inr.container import limits
from inr.container.file import to_bytes
from inr.domain import Domain
from inr.errors import SpecError, TargetError
from inr.fitted import CurvePoint, FittedField, SearchReport
from inr.fitting.events import Planned
from inr.fitting.loop import Hooks, fit
from inr.meta import PowerTransform
from inr.metrics.base import Tally
from inr.metrics.psnr import psnr, psnr_of, reported, squared_error
from inr.models.base import ModelSpec
from inr.quantize.uniform import QuantizedField, coarsened
from inr.signals.kind import kind_for
from inr.signals.parts import Parts
from inr.signals.power import symmetric_power, with_power
from inr.signals.signal import Signal

LADDER_BPP = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Sizes tried in turn for a quality target."""
SHARED_BYTES = 40
"""Bytes of a file of one part, at least, that a file of several has only once: signature, frame and header."""
MARGIN_DB = 0.5
"""How much better than its target the unquantised field is made, so that it can be quantised coarsely."""


@dataclass(frozen=True)
class CompressReport:
    """What came out.

    Attributes:
        kind: kind of signal.
        shape: samples along each axis.
        model: kind of the model.
        settings: its settings.
        backend: what ran the fit.
        parameters: stored reals.
        steps: gradient steps.
        bytes: size of the file.
        bpp: its bits per sample position (pixel).
        psnr: of the file, parsed and decoded anew, at the sample type of the original (8 bits for a photo);
            100 for an exact copy.
        ssim: likewise; the mean over the frames of a video or over the bands of a picture, None for what has none.
        metrics: the measures that the kind of signal names, the one that matters most first.
        layer_psnr: PSNR after each quality layer.
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
    settings: ModelSpec
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


@dataclass(frozen=True)
class Compressed:
    """The bytes of a file and what was measured on them."""

    data: bytes
    report: CompressReport


@dataclass(frozen=True)
class Shared:
    """What all parts of a signal have in common; the first one decides it.

    Attributes:
        model: of this very size.
        power: transform of the targets, or None.
    """

    model: ModelSpec
    power: PowerTransform | None


@dataclass(frozen=True, eq=False)
class FittedPart:
    """A part that is fitted, coded and measured: small, its weights are only in the payloads."""

    field: QuantizedField
    payloads: tuple[bytes, ...]
    fitted: FittedField
    bits: float
    squared_errors: tuple[float, ...]
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
    return Shared(part.field.model, part.field.meta.power)


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
    own = _share(request, lengths, number)
    model = None if shared is None else shared.model
    power = None if shared is None else shared.power
    if shared is None and request.transform == "power":
        power = symmetric_power(signal, whole_range=count > 1)
    alike = signal if power is None else with_power(signal, power)
    try:
        fitted, coded = _fit_and_code(alike, own, _numbered(hooks, ".part", number + 1), model)
    except TargetError as error:
        raise error if count == 1 else TargetError(f"segment {number + 1} of {count}: {error}") from None
    return _measured(signal, fitted, coded)


def _share(request: CompressSpec, lengths: tuple[int, ...], number: int) -> CompressSpec:
    """What is asked of one part: its share of the bytes. It is planned with a header; the file has but one."""
    if request.size is None or len(lengths) == 1:
        return request
    size = request.size + (len(lengths) - 1) * SHARED_BYTES
    return request.replace(size=max(1, math.floor(size * lengths[number] / sum(lengths))))


def _fit_and_code(
    signal: Signal, request: CompressSpec, hooks: Hooks | None, model: ModelSpec | None
) -> tuple[FittedField, Coded]:
    if request.psnr is not None:
        return _for_quality(signal, request, request.psnr, hooks, model)
    chosen = plan(signal, request, model=model)
    _tell_plan(hooks, chosen, signal)
    fitted = fit(chosen.transformed(signal), chosen.fit, hooks)
    return fitted, _for_size(fitted, chosen, request)


def _tell_plan(hooks: Hooks | None, chosen: Plan, signal: Signal) -> None:
    if hooks is None or hooks.on_event is None:
        return
    model = chosen.fit.model
    parameters = model.parameters(signal.domain.ndim, signal.channels)
    hooks.on_event(Planned(model.kind, parameters, chosen.size, signal.domain.size))


def _for_size(fitted: FittedField, chosen: Plan, request: CompressSpec) -> Coded:
    if chosen.quant.coding != "uniform":
        coded = code(fitted, chosen.quant)
        if chosen.named and chosen.size is not None and coded.size > chosen.size:
            raise TargetError(f"size: the file has {coded.size} bytes with {chosen.quant.coding}; asked {chosen.size}")
        return coded
    spec = allocate(fitted, chosen.quant)
    if chosen.size is None or (request.bits is not None and not chosen.named):
        return code(fitted, spec)
    return meet_size(fitted, spec, chosen.size)


def _for_quality(
    signal: Signal, request: CompressSpec, target: float, hooks: Hooks | None, model: ModelSpec | None
) -> tuple[FittedField, Coded]:
    """Climb a ladder of sizes until the decoded signal reaches the target; a given model is the only rung."""
    if request.coding != "uniform":
        raise SpecError(f"psnr: cannot be combined with weights stored as {request.coding}")

    def decoded(coded: Coded) -> float:
        return psnr(signal.samples, open_quantized(coded.field).decode(), signal.meta.peak)

    reached = 0.0
    for rung, bpp in enumerate(LADDER_BPP, start=1):
        chosen = plan(signal, request, bpp, model)
        _tell_plan(hooks, chosen, signal)
        budget = chosen.fit.budget.replace(psnr=min(target + MARGIN_DB, 100))
        spec = chosen.fit.replace(budget=budget)
        fitted = fit(chosen.transformed(signal), spec, _numbered(hooks, ".", rung))
        reached = max(reached, fitted.report.curve[-1].psnr)
        if fitted.report.curve[-1].psnr >= target:
            coded = meet_quality(fitted, allocate(fitted, chosen.quant), decoded, target)
            if coded is not None:
                return fitted, coded
        if model is not None or fixes_size(type(chosen.fit.model)(), request.settings):
            break
    raise TargetError(f"psnr: {target:g} dB was not reached, the best was {reached:.2f} dB; allow more steps")


def _numbered(hooks: Hooks | None, what: str, number: int) -> Hooks | None:
    """Each of several fits has a checkpoint of its own: NAME, NAME.part2 ..., NAME.2 ..."""
    if hooks is None or hooks.checkpoint is None or number == 1:
        return hooks
    path = hooks.checkpoint.path
    return replace(hooks, checkpoint=replace(hooks.checkpoint, path=path.with_name(f"{path.name}{what}{number}")))


def _measured(signal: Signal, fitted: FittedField, coded: Coded) -> FittedPart:
    """Measure what a reader of the file will see of this part, after each layer."""
    errors = [
        squared_error(signal.samples, open_quantized(coarsened(coded.field, layers)).decode())
        for layers in range(1, coded.field.layers)
    ]
    final = open_field(to_bytes(coded.file)).decode()
    errors.append(squared_error(signal.samples, final))
    found = tallied(signal, final)
    field, report = replace(coded.field, tensors=()), replace(fitted, tensors={})
    return FittedPart(field, coded.file.payloads, report, coded.bits, tuple(errors), found)


def join_parts(lengths: tuple[int, ...], parts: list[FittedPart], began: float) -> Compressed:
    """The file of all parts, and its report; `began` is the moment on the performance counter when work began."""
    field, last = parts[0].field, parts[-1].fitted
    meta, channels = field.meta, field.channels
    if any(part.field.meta != meta or part.field.model != field.model for part in parts):
        raise SpecError("segments: they differ in sample type, range or model, so they cannot share a file")
    domain = field.domain
    if len(parts) > 1:
        domain = Domain.of_shape((sum(lengths), *domain.shape[1:]), domain.axes)
    tiling = Tiling(domain, (len(parts), *[1] * (domain.ndim - 1)))
    totals = np.sum([part.squared_errors for part in parts], axis=0)
    layer_psnr = tuple(reported(psnr_of(float(e), domain.size * channels, meta.peak)) for e in totals)
    file = assemble(field, [part.payloads for part in parts], tiling)
    data = to_bytes(with_psnr(file, layer_psnr))
    weights = [n / sum(lengths) for n in lengths]
    height, width = kind_for(meta).sides(domain.shape)
    values = measures((part.tallies for part in parts), meta)
    report = CompressReport(
        kind=meta.kind,
        shape=domain.shape,
        model=field.model.kind,
        settings=field.model,
        backend=last.report.backend,
        parameters=len(parts) * field.model.parameters(domain.ndim, channels),
        steps=sum(part.fitted.report.steps for part in parts),
        bytes=len(data),
        bpp=8 * len(data) / domain.size,
        psnr=layer_psnr[-1],
        ssim=values.get("ssim"),
        metrics=values,
        layer_psnr=layer_psnr,
        bits=float(np.dot(weights, [part.bits for part in parts])),
        seconds_fit=sum(part.fitted.report.seconds for part in parts),
        seconds_total=time.perf_counter() - began,
        seed=last.report.seed,
        width=width,
        height=height,
        segments=len(parts),
        search=parts[0].fitted.report.search,
        curve=last.report.curve,
    )
    return Compressed(data, report)
