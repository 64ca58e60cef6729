"""Encoding: from a signal to the bytes of a ``.inr`` file, with everything about it measured."""

import time
from dataclasses import dataclass, replace

from inr.codec.decode import open_field, open_quantized
from inr.codec.pack import with_psnr
from inr.codec.plan import CompressSpec, Plan, plan
from inr.codec.rate import Coded, allocate, code, meet_quality, meet_size
from inr.container.file import to_bytes
from inr.errors import SpecError, TargetError
from inr.fitted import CurvePoint, FittedField
from inr.fitting.loop import Hooks, fit
from inr.metrics.quality import psnr, reported, ssim
from inr.models.base import ModelSpec
from inr.quantize.uniform import coarsened
from inr.signals.signal import Signal

LADDER_BPP = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Sizes tried in turn for a quality target."""
MARGIN_DB = 0.5
"""How much better than its target the unquantised field is made, so that it can be quantised coarsely."""


@dataclass(frozen=True)
class CompressReport:
    """What came out.

    Attributes:
        model: kind of the model.
        settings: its settings.
        backend: what ran the fit.
        parameters: stored reals.
        steps: gradient steps.
        bytes: size of the file.
        bpp: its bits per pixel.
        psnr: of the file, parsed and decoded anew, at the sample type of the original (8 bits for a photo);
            100 for an exact copy.
        ssim: likewise.
        layer_psnr: PSNR after each quality layer.
        bits: quantiser bits of an average weight.
        seconds_fit: wall time of the training loop.
        seconds_total: wall time from the signal to the bytes, measuring included.
        seed: of the fit.
        width: samples of a row of the picture.
        height: rows of the picture.
    """

    model: str
    settings: ModelSpec
    backend: str
    parameters: int
    steps: int
    bytes: int
    bpp: float
    psnr: float
    ssim: float
    layer_psnr: tuple[float, ...]
    bits: float
    seconds_fit: float
    seconds_total: float
    seed: int
    width: int
    height: int
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Compressed:
    """The bytes of a file and what was measured on them."""

    data: bytes
    report: CompressReport


def compress_signal(signal: Signal, request: CompressSpec | None = None, hooks: Hooks | None = None) -> Compressed:
    """Fit, quantise and code a signal.

    Args:
        signal: what to compress.
        request: targets, model, budget; the default preset if None.
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
    if request.psnr is not None:
        fitted, coded = _for_quality(signal, request, request.psnr, hooks)
    else:
        chosen = plan(signal, request)
        fitted = fit(signal, chosen.fit, hooks)
        coded = _for_size(fitted, chosen, request)
    return _finish(signal, fitted, coded, began)


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
    signal: Signal, request: CompressSpec, target: float, hooks: Hooks | None
) -> tuple[FittedField, Coded]:
    """Climb a ladder of sizes until the decoded picture reaches the target."""
    if request.coding != "uniform":
        raise SpecError(f"psnr: cannot be combined with weights stored as {request.coding}")

    def decoded(coded: Coded) -> float:
        return psnr(signal.samples, open_quantized(coded.field).decode(), signal.meta.peak)

    reached = 0.0
    for rung, bpp in enumerate(LADDER_BPP, start=1):
        chosen = plan(signal, request, bpp)
        budget = chosen.fit.budget.replace(psnr=min(target + MARGIN_DB, 100))
        fitted = fit(signal, chosen.fit.replace(budget=budget), _hooks_of_rung(hooks, rung))
        reached = max(reached, fitted.report.curve[-1].psnr)
        if fitted.report.curve[-1].psnr >= target:
            coded = meet_quality(fitted, allocate(fitted, chosen.quant), decoded, target)
            if coded is not None:
                return fitted, coded
        if request.settings:
            break
    raise TargetError(f"psnr: {target:g} dB was not reached, the best was {reached:.2f} dB; allow more steps")


def _hooks_of_rung(hooks: Hooks | None, rung: int) -> Hooks | None:
    """Each fit of the ladder has a checkpoint of its own: NAME, NAME.2, NAME.3 ..."""
    if hooks is None or hooks.checkpoint is None or rung == 1:
        return hooks
    path = hooks.checkpoint.path
    return replace(hooks, checkpoint=replace(hooks.checkpoint, path=path.with_name(f"{path.name}.{rung}")))


def _finish(signal: Signal, fitted: FittedField, coded: Coded, began: float) -> Compressed:
    """Measure what a reader of the file will see, and put it into the header."""
    layer_psnr = []
    for layers in range(1, coded.field.layers):
        samples = open_quantized(coarsened(coded.field, layers)).decode()
        layer_psnr.append(reported(psnr(signal.samples, samples, signal.meta.peak)))
    final = open_field(to_bytes(coded.file)).decode()
    layer_psnr.append(reported(psnr(signal.samples, final, signal.meta.peak)))
    data = to_bytes(with_psnr(coded.file, tuple(layer_psnr)))
    height, width = signal.domain.shape
    report = CompressReport(
        model=fitted.model.kind,
        settings=fitted.model,
        backend=fitted.report.backend,
        parameters=fitted.model.parameters(signal.domain.ndim, signal.channels),
        steps=fitted.report.steps,
        bytes=len(data),
        bpp=8 * len(data) / signal.domain.size,
        psnr=layer_psnr[-1],
        ssim=ssim(signal.samples, final, signal.meta.peak),
        layer_psnr=tuple(layer_psnr),
        bits=coded.bits,
        seconds_fit=fitted.report.seconds,
        seconds_total=time.perf_counter() - began,
        seed=fitted.report.seed,
        width=width,
        height=height,
        curve=fitted.report.curve,
    )
    return Compressed(data, report)
