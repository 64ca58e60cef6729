"""From a source to a file: what users call to compress, or to fit alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inr.codec.candidates import Candidates
from inr.codec.decode import open_field
from inr.codec.encode import Compressed, compress_parts
from inr.codec.load_save import (
    Readable,
    check_fittable,
    load,
    load_parts,
)
from inr.codec.measures import measures, tallied
from inr.codec.pack import pack
from inr.coders.base import DEFAULT, check_early, chosen
from inr.coders.request import CompressSpec
from inr.coders.weights.plan import WeightsPlan
from inr.coders.weights.quantize import Coding, QuantSpec, quantize
from inr.container.file import to_bytes
from inr.errors import SpecError
from inr.files import check_other, check_writable, write_bytes
from inr.fitting.run import Hooks
from inr.fitting.spec import FitSpec
from inr.fitting.steps import fit as fit_signal
from inr.fitting.trained import CurvePoint, TrainedNetwork
from inr.inits.base import SearchReport
from inr.models.base import ModelSpec
from inr.signals.info import SignalInfo
from inr.signals.power import symmetric_power, with_power
from inr.signals.signal import Signal
from inr.signals.source import Seconds


def compress(
    source: Readable,
    destination: str | Path | None = None,
    hooks: Hooks | None = None,
    *,
    time: Seconds | None = None,
    axes: int | None = None,
    segment: int | None = None,
    **request: Any,
) -> Compressed:
    """Compress a picture, a video or an array.

    Args:
        source: path, bytes, array or signal.
        destination: where to write the ``.inr`` file; None only returns it. Checked before the work starts and
            written whole or not at all.
        hooks: events, cancellation, checkpoint of the fit.
        time: (start, end) in seconds of a video.
        axes: how many axes of an array are coordinates, see `load`.
        segment: frames of a segment of a video, rows of a band of a picture, or samples of a slab along the first axis
            of an array, at most: what is fitted at once. None for what suits, see `load_parts`.
        **request: fields of `CompressSpec`: model, preset, bpp, psnr, size, quality, steps, seconds, seed ...

    Returns:
        The bytes, and a report measured on them.

    Raises:
        InrError: see `compress_parts`, `load` and `write_bytes`.
    """
    spec = CompressSpec(**request)
    check_early(spec)
    if destination is not None:
        _check_destination(source, destination)
    result = compress_parts(load_parts(source, segment=segment, time=time, axes=axes), spec, hooks)
    if destination is not None:
        write_bytes(destination, result.data)
    return result


def fit(source: Readable, spec: FitSpec | None = None, hooks: Hooks | None = None, **request: Any) -> TrainedNetwork:
    """Fit without quantisation: with all settings of a `FitSpec`, or with those of `compress`.

    Raises:
        InrError: see `inr.fitting.steps.fit` and `load`.
    """
    signal = check_fittable(load(source))
    if spec is not None:
        if request:
            raise SpecError(f"give a FitSpec or keywords, not both; got both spec and {', '.join(request)}")
        return fit_signal(signal, spec, hooks)
    learnt, plan = _planned(signal, CompressSpec(**request))
    return fit_signal(learnt, plan.fit, hooks)


def _planned(signal: Signal, request: CompressSpec) -> tuple[Signal, WeightsPlan]:
    """The signal as a network learns it, and the settings of a fit alone, for which a PSNR of the file is no target."""
    request = request.replace(psnr=None)
    coder = chosen(request)
    if coder.kind != DEFAULT:
        raise SpecError(f"coder: a fit without a file is one of {DEFAULT}; got {coder.kind}")
    if request.transform == "power" and signal.meta.power is None:
        signal = with_power(signal, symmetric_power(signal))
    plan: WeightsPlan = coder.plan(SignalInfo.of(signal), request, Candidates(signal))
    return signal, plan


def store(fitted: TrainedNetwork, bits: int = 32) -> bytes:
    """The file of a fitted field with its weights as floats of 32 or 16 bits; raises `SpecError`."""
    return to_bytes(pack(quantize(fitted, QuantSpec(coding=_float_coding(bits)))))


def _float_coding(bits: int) -> Coding:
    codings: dict[int, Coding] = {16: "float16", 32: "float32"}
    if bits not in codings:
        raise SpecError(f"bits: 16 or 32 store floats; got {bits}")
    return codings[bits]


@dataclass(frozen=True)
class FitResult:
    """What `fit_file` did; PSNR and SSIM are those of the field with its weights as stored.

    Attributes:
        metrics: the measures that the kind of signal names, the one that matters most first.
        search: what the initialiser searched, or None.
        curve: PSNR over steps and seconds.
    """

    model: str
    settings: ModelSpec
    backend: str
    parameters: int
    steps: int
    psnr: float
    ssim: float | None
    metrics: dict[str, float]
    seconds_fit: float
    seed: int
    search: SearchReport | None
    curve: tuple[CurvePoint, ...]


def fit_file(
    source: Readable,
    destination: str | Path | None = None,
    hooks: Hooks | None = None,
    *,
    bits: int = 32,
    stop_at_psnr: float | None = None,
    time: Seconds | None = None,
    axes: int | None = None,
    **request: Any,
) -> FitResult:
    """Fit without quantisation, measure, and store the float weights.

    Args:
        source: path, bytes, array or signal.
        destination: where to write the ``.inr`` file, or None.
        hooks: events, cancellation, checkpoint.
        bits: 32 or 16, of the stored floats.
        stop_at_psnr: end the fit early at this PSNR in dB.
        time: (start, end) in seconds of a video.
        axes: how many axes of an array are coordinates, see `load`.
        **request: fields of `CompressSpec`.

    Raises:
        InrError: see `fit` and `store`.
    """
    _float_coding(bits)
    if destination is not None:
        _check_destination(source, destination)
    signal = check_fittable(load(source, time=time, axes=axes))
    learnt, plan = _planned(signal, CompressSpec(**request))
    spec = plan.fit
    if stop_at_psnr is not None:
        spec = spec.replace(budget=spec.budget.replace(psnr=stop_at_psnr))
    fitted = fit_signal(learnt, spec, hooks)
    data = store(fitted, bits)
    if destination is not None:
        write_bytes(destination, data)
    values = measures([tallied(signal, open_field(data).signal().samples)], signal.meta)
    return FitResult(
        model=fitted.model.kind,
        settings=fitted.model,
        backend=fitted.report.backend,
        parameters=fitted.model.parameters(signal.domain, signal.channels),
        steps=fitted.report.steps,
        psnr=values["psnr"],
        ssim=values.get("ssim"),
        metrics=values,
        seconds_fit=fitted.report.seconds,
        seed=fitted.report.seed,
        search=fitted.report.search,
        curve=fitted.report.curve,
    )


def _check_destination(source: Readable, destination: str | Path) -> None:
    if isinstance(source, str | Path):
        check_other(source, destination)
    check_writable(destination)
