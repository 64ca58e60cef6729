"""From a source to a file: what users call to compress, or to fit alone."""

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, final

from inr.codec.candidates import Candidates
from inr.codec.decode import open_field
from inr.codec.encode import Compressed, compress_parts
from inr.codec.field import DecodedField, Origin, SignalField
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
from inr.coders.weights.open import opened_weights
from inr.coders.weights.plan import WeightsPlan, unsized
from inr.coders.weights.quantize import Coding, QuantSpec, quantize
from inr.container.destination import check_destination
from inr.container.file import to_bytes
from inr.errors import SpecError
from inr.files import check_other, write_bytes
from inr.fitting.run import Hooks
from inr.fitting.spec import FitSpec
from inr.fitting.steps import fit as fit_signal
from inr.fitting.trained import CurvePoint, TrainedNetwork
from inr.inits.base import SearchReport
from inr.models.base import ModelSpec
from inr.signals.image.from_pillow import signal_given
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal
from inr.signals.source import Seconds, Source
from inr.signals.transform import transformed


def compress(
    source: Readable,
    destination: str | Path | None = None,
    hooks: Hooks | None = None,
    *,
    overwrite: bool = False,
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
        overwrite: True to replace whatever file is there, see `check_destination`.
        time: (start, end) in seconds of a video.
        axes: how many axes of an array are coordinates, see `load`.
        segment: frames of a segment of a video, rows of a band of a picture, or samples of a slab along the first axis
            of an array, at most: what is fitted at once. None for what suits, see `load_parts`.
        **request: fields of `CompressSpec`: model, preset, bpp, psnr, size, quality, steps, seconds, seed ...

    Returns:
        The bytes, and a report measured on them.

    Raises:
        InrError: see `compress_parts`, `load`, `check_destination` and `write_bytes`.
    """
    spec = CompressSpec(**request)
    check_early(spec)
    if destination is not None:
        _check_paths(source, destination, overwrite)
    opened = signal_given(source) or Source.of(source, axes)
    result = compress_parts(load_parts(opened, segment=segment, time=time, axes=axes), spec, hooks)
    if destination is not None:
        write_bytes(destination, result.data)
    return replace(result, source_bytes=_size(opened, time))


def _size(source: Signal | Source, time: Seconds | None) -> int | None:
    return None if isinstance(source, Signal) or time is not None else source.size


@final
@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Fitted(SignalField, TrainedNetwork):
    """A model with its trained parameters, and the report; also the field that they make, before any quantisation."""

    def _open(self) -> DecodedField:
        return _FittedOrigin(TrainedNetwork(**_fields(self))).open()


@final
@dataclass(frozen=True, eq=False)
class _FittedOrigin(Origin):
    """Floats."""

    trained: TrainedNetwork

    def open(self) -> DecodedField:
        """See `Origin`."""
        own, running = self.trained, self.running
        model, domain = own.model, own.domain
        opened = opened_weights(
            model, own.tensors, domain, own.channels, running.backend, running.device, running.resources
        )
        return DecodedField(opened.field, domain, own.meta, own.channels, opened.limited, self)

    def facts(self) -> dict[str, str]:
        """See `Origin`."""
        own, report = self.trained, self.trained.report
        return {
            "model": own.model.kind,
            "parameters": f"{own.model.parameters(own.domain, own.channels):,}",
            "PSNR": f"{report.curve[-1].psnr:.2f} dB before quantisation",
            "fit": f"{report.steps:,} steps in {report.seconds:.1f} s on {report.backend}",
        }


def _fields(trained: TrainedNetwork) -> dict[str, Any]:
    return {item.name: getattr(trained, item.name) for item in fields(TrainedNetwork)}


def fit(source: Readable, spec: FitSpec | None = None, hooks: Hooks | None = None, **request: Any) -> Fitted:
    """Fit without quantisation: with all settings of a `FitSpec`, or with those of `compress`.

    Returns:
        The float weights, the report with its curve, and the field itself (`SignalField`).

    Raises:
        InrError: see `inr.fitting.steps.fit` and `load`.
    """
    signal = check_fittable(load(source))
    if spec is not None:
        if request:
            raise SpecError(f"give a FitSpec or keywords, not both; got both spec and {', '.join(request)}")
        return Fitted(**_fields(fit_signal(signal, spec, hooks)))
    learnt, plan = _planned(signal, CompressSpec(**request))
    return Fitted(**_fields(fit_signal(learnt, plan.fit, hooks)))


def _planned(signal: Signal, request: CompressSpec) -> tuple[Signal, WeightsPlan]:
    """The signal as a network learns it, and the settings of a fit alone, for which a PSNR of the file is no target.

    Unless a size is asked for, the model has its own, that `inr models` lists.
    """
    request = request.replace(psnr=None)
    coder = chosen(request)
    if coder.kind != DEFAULT:
        raise SpecError(f"coder: a fit without a file is one of {DEFAULT}; got {coder.kind}")
    signal = transformed(signal, request.transform)
    info = SignalInfo.of(signal)
    plan: WeightsPlan = coder.plan(info, unsized(info, request), Candidates(signal))
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
        bytes: of the file with the weights as stored, whether it is written or not.
        source_bytes: as in `Compressed`.
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
    bytes: int
    source_bytes: int | None
    curve: tuple[CurvePoint, ...]


def fit_file(
    source: Readable,
    destination: str | Path | None = None,
    hooks: Hooks | None = None,
    *,
    overwrite: bool = False,
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
        overwrite: True to replace whatever file is there, see `check_destination`.
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
        _check_paths(source, destination, overwrite)
    opened = signal_given(source) or Source.of(source, axes)
    signal = check_fittable(load(opened, time=time, axes=axes))
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
        bytes=len(data),
        source_bytes=_size(opened, time),
        curve=fitted.report.curve,
    )


def _check_paths(source: Readable, destination: str | Path, overwrite: bool) -> None:
    if not isinstance(destination, str | os.PathLike):
        raise SpecError(
            f"destination: give a path, or none and take the bytes of the result; got {type(destination).__name__}"
        )
    if isinstance(source, str | Path):
        check_other(source, destination)
    check_destination(destination, overwrite)
