"""The functions that users call: one for each thing that can be done with files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.codec.decode import DecodedField, Region, open_field, open_prefix
from inr.codec.encode import Compressed, compress_signal
from inr.codec.pack import pack
from inr.codec.plan import CompressSpec, plan
from inr.container.file import SIGNATURE, to_bytes
from inr.errors import FormatError, SignalError, SpecError
from inr.files import check_other, check_writable, read_bytes, write_bytes
from inr.fitted import CurvePoint, FittedField
from inr.fitting.loop import Hooks
from inr.fitting.loop import fit as fit_signal
from inr.fitting.spec import FitSpec
from inr.metrics.quality import psnr, reported, ssim
from inr.models.base import MODELS, ModelSpec
from inr.quantize.uniform import Coding, QuantSpec, quantize
from inr.registry import kind_of
from inr.signals.image import check_format, decode_image, format_of, image_from_array, save_image
from inr.signals.signal import Signal

MIN_SIDE = 2
"""Samples that a picture needs on each side to be a field of two coordinates."""

Source = str | Path | bytes | npt.NDArray[Any] | Signal


def load(source: Source) -> Signal:
    """A signal from a path (``-``: standard input), the bytes of a file, an array, or a signal.

    Raises:
        FileAccessError: the path cannot be read.
        SignalError: not a signal that can be fitted.
    """
    if isinstance(source, Signal):
        return source
    if isinstance(source, np.ndarray):
        return image_from_array(source)
    if isinstance(source, bytes):
        return decode_image(source, "data")
    return decode_image(read_bytes(source), "standard input" if str(source) == "-" else str(source))


def save(signal: Signal, path: str | Path) -> None:
    """Write a signal in the format that the suffix names (``-``: PNG to standard output).

    Raises:
        SpecError: an unknown suffix, or a format that cannot hold the signal.
        FileAccessError: the path cannot be written.
    """
    save_image(path, signal.samples, signal.meta)


def compress(
    source: Source, destination: str | Path | None = None, hooks: Hooks | None = None, **request: Any
) -> Compressed:
    """Compress a picture.

    Args:
        source: path, bytes, array or signal.
        destination: where to write the ``.inr`` file; None only returns it. Checked before the work starts and
            written whole or not at all.
        hooks: events, cancellation, checkpoint of the fit.
        **request: fields of `CompressSpec`: model, preset, bpp, psnr, size, quality, steps, seconds, seed ...

    Returns:
        The bytes, and a report measured on them.

    Raises:
        InrError: see `compress_signal`, `load` and `write_bytes`.
    """
    spec = CompressSpec(**request)
    if destination is not None:
        _check_destination(source, destination)
    result = compress_signal(_fittable(load(source)), spec, hooks)
    if destination is not None:
        write_bytes(destination, result.data)
    return result


def fit(source: Source, spec: FitSpec | None = None, hooks: Hooks | None = None, **request: Any) -> FittedField:
    """Fit without quantisation: with all settings of a `FitSpec`, or with those of `compress`.

    Raises:
        InrError: see `inr.fitting.loop.fit` and `load`.
    """
    signal = _fittable(load(source))
    if spec is not None and request:
        raise SpecError(f"give a FitSpec or keywords, not both; got both spec and {', '.join(request)}")
    return fit_signal(signal, spec or plan(signal, CompressSpec(**request)).fit, hooks)


def store(fitted: FittedField, bits: int = 32) -> bytes:
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
        curve: PSNR over steps and seconds.
    """

    model: str
    settings: ModelSpec
    backend: str
    parameters: int
    steps: int
    psnr: float
    ssim: float
    seconds_fit: float
    seed: int
    curve: tuple[CurvePoint, ...]


def fit_file(
    source: Source,
    destination: str | Path | None = None,
    hooks: Hooks | None = None,
    *,
    bits: int = 32,
    stop_at_psnr: float | None = None,
    **request: Any,
) -> FitResult:
    """Fit without quantisation, measure, and store the float weights.

    Args:
        source: path, bytes, array or signal.
        destination: where to write the ``.inr`` file, or None.
        hooks: events, cancellation, checkpoint.
        bits: 32 or 16, of the stored floats.
        stop_at_psnr: end the fit early at this PSNR in dB.
        **request: fields of `CompressSpec`.

    Raises:
        InrError: see `fit` and `store`.
    """
    _float_coding(bits)
    if destination is not None:
        _check_destination(source, destination)
    signal = _fittable(load(source))
    spec = plan(signal, CompressSpec(**request)).fit
    if stop_at_psnr is not None:
        spec = spec.replace(budget=spec.budget.replace(psnr=stop_at_psnr))
    fitted = fit_signal(signal, spec, hooks)
    data = store(fitted, bits)
    if destination is not None:
        write_bytes(destination, data)
    samples = open_field(data).decode()
    return FitResult(
        model=fitted.model.kind,
        settings=fitted.model,
        backend=fitted.report.backend,
        parameters=fitted.model.parameters(signal.domain.ndim, signal.channels),
        steps=fitted.report.steps,
        psnr=reported(psnr(signal.samples, samples, signal.meta.peak)),
        ssim=ssim(signal.samples, samples, signal.meta.peak),
        seconds_fit=fitted.report.seconds,
        seed=fitted.report.seed,
        curve=fitted.report.curve,
    )


@dataclass(frozen=True)
class Decompressed:
    """What `decompress` did.

    Attributes:
        width: of the picture written.
        height: of the picture written.
        layers: quality layers used.
        damage: what was wrong with the part of the file that was left out, or None.
    """

    width: int
    height: int
    layers: int
    damage: FormatError | None


def decompress(
    source: str | Path | bytes,
    destination: str | Path,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    region: Region | None = None,
    layers: int | None = None,
    max_bytes: int | None = None,
    partial: bool = False,
    backend: str = "auto",
    device: str = "auto",
) -> Decompressed:
    """Decode a ``.inr`` file into an image file.

    Args:
        source: path (``-``: standard input) or bytes.
        destination: image file; its suffix names the format (``-``: PNG to standard output).
        scale: factor of both sides.
        size: (width, height), instead of a scale.
        region: (x, y, width, height) in samples of the original.
        layers: use only the first quality layers.
        max_bytes: use only this many bytes of the file.
        partial: decode what is intact of a damaged file, instead of raising.
        backend: "auto" or a backend's name.
        device: "auto", "cpu" or "cuda".

    Raises:
        FormatError: the file is damaged.
        SpecError: settings out of range, or a format that cannot hold the picture.
        FileAccessError: a path that cannot be read or written.
    """
    _check_destination(source, destination)
    image_format = "png" if str(destination) == "-" else format_of(destination)
    file, damage = open_prefix(source if isinstance(source, bytes) else read_bytes(source), max_bytes)
    if damage is not None and not partial:
        raise type(damage)(f"{damage}; --partial decodes the {file.layers_present} intact layers before it")
    field = open_field(file, layers, backend, device)
    check_format(image_format, field.channels, field.meta.dtype)
    samples = field.decode(scale, size, region)
    save_image(destination, samples, field.meta)
    return Decompressed(samples.shape[1], samples.shape[0], layers or file.layers_present, damage)


@dataclass(frozen=True)
class Comparison:
    """Two pictures compared at the sample type of the first.

    Attributes:
        psnr: dB; 100 for identical pictures.
        ssim: structural similarity.
        bytes: size of the second file.
        bpp: its bits per pixel.
    """

    psnr: float
    ssim: float
    bytes: int
    bpp: float


def compare(original: str | Path, other: str | Path) -> Comparison:
    """Compare an image file with a ``.inr`` file or another image file.

    Raises:
        SignalError: sizes, channels or sample types differ.
        InrError: see `load` and `open_field`.
    """
    reference = load(original)
    data = read_bytes(other)
    samples = open_field(data).decode() if data.startswith(SIGNATURE) else decode_image(data, str(other)).samples
    if samples.shape != reference.samples.shape or samples.dtype != reference.samples.dtype:
        raise SignalError(f"cannot compare {_shape(reference.samples)} with {_shape(samples)}")
    peak = reference.meta.peak
    return Comparison(
        reported(psnr(reference.samples, samples, peak)),
        ssim(reference.samples, samples, peak),
        len(data),
        8 * len(data) / reference.domain.size,
    )


@dataclass(frozen=True)
class ModelInfo:
    """A row of the list of models; `parameters` are reals at the default settings, for 2 inputs and 3 outputs."""

    kind: str
    parameters: int
    paper: str
    learning_rate: float


def list_models() -> list[ModelInfo]:
    """All models of the zoo."""
    return [ModelInfo(kind_of(cls), cls().parameters(2, 3), cls.paper, cls.learning_rate) for cls in MODELS]


def open(source: str | Path | bytes, layers: int | None = None) -> DecodedField:
    """Open a ``.inr`` file (path or bytes) for decoding at any size; see `open_field`."""
    return open_field(source, layers)


def _check_destination(source: Source, destination: str | Path) -> None:
    if isinstance(source, str | Path):
        check_other(source, destination)
    check_writable(destination)


def _fittable(signal: Signal) -> Signal:
    height, width = signal.domain.shape
    if min(height, width) < MIN_SIDE:
        raise SignalError(f"a picture needs at least {MIN_SIDE} pixels on each side; got {width}x{height}")
    return signal


def _shape(samples: npt.NDArray[Any]) -> str:
    height, width, channels = samples.shape
    return f"{width}x{height}x{channels} {samples.dtype}"
