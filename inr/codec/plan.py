"""From what a user asks for to the settings of a fit and of the quantiser."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from inr.codec import presets
from inr.codec.pack import wire_range
from inr.codec.rate import MAX_BITS
from inr.container import ids, limits
from inr.container.file import DATA, InrFile, Section, to_bytes
from inr.container.header import Header
from inr.errors import SpecError, TargetError
from inr.fitting.schedules.base import SCHEDULES, ScheduleSpec
from inr.fitting.schedules.cosine import CosineSchedule
from inr.fitting.spec import Budget, Device, FitSpec, Precision
from inr.inits.base import INITS, InitSpec
from inr.inits.default import DefaultInit
from inr.models.base import MODELS, ModelSpec
from inr.optimisers.adam import Adam
from inr.optimisers.base import OPTIMISERS, OptimiserSpec
from inr.quantize.uniform import Coding, QuantSpec
from inr.reparams.base import REPARAMS, ReparamSpec
from inr.reparams.none import NoReparam
from inr.samplers.base import SAMPLERS, SamplerSpec
from inr.samplers.block import BlockSampler
from inr.samplers.uniform import UniformSampler
from inr.signals.kind import kind_for
from inr.signals.power import symmetric_power, with_power
from inr.signals.signal import Signal
from inr.spec import Spec

SMALLEST_DEFAULT = 512
"""Bytes that a file may have when no target is given, however small the picture."""
SIZE_FLOOR = 0.85
"""A file for a named size is at least this share of it."""
FILL = 0.98
"""Share of the target size that the width is chosen for; the quantiser meets the rest."""
CODING_BITS = 0.1
"""Bits a weight that steps and adaptive models cost on top of the nominal bits."""


class CompressSpec(Spec):
    """What a user may ask of `compress`. At most one of bpp, psnr, size and quality.

    Raises:
        SpecError: a value out of range, or settings that contradict each other.
    """

    model: str | None = None
    """Kind of the model; None takes the preset's."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the model, by name; if they fix its size, no target may be given."""
    preset: str = "default"
    bpp: Annotated[float, Field(gt=0, le=64)] | None = None
    """Bits of the file per pixel."""
    psnr: Annotated[float, Field(gt=0, le=99)] | None = None
    """PSNR of the decoded file in dB, at least."""
    size: Annotated[int, Field(ge=1, le=2**31)] | None = None
    """Bytes of the file, at most; at least 85 % of it are used."""
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """1 to 100, a size in other words: see `presets.bpp_of_quality`."""
    steps: Annotated[int, Field(ge=1, le=10**8)] | None = None
    seconds: Annotated[float, Field(gt=0, le=10**7)] | None = None
    """Wall time of the fit."""
    bits: Annotated[float, Field(ge=1, le=32)] | None = None
    """Bits a weight: 1 to 12, or 16 or 32 to store floats. None lets the size decide."""
    layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Quality layers."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    """Peak learning rate; None takes the optimiser's or the model's."""
    batch: Annotated[int, Field(ge=1, le=2**28)] | None = None
    """Samples a step; None takes the sampler's."""
    init: Annotated[InitSpec, *INITS.field()] = DefaultInit()
    sampler: Annotated[SamplerSpec, *SAMPLERS.field()] | None = None
    """None takes what suits the model: blocks of the grid for separable ones, else uniform mini-batches."""
    optimiser: Annotated[OptimiserSpec, *OPTIMISERS.field()] = Adam()
    schedule: Annotated[ScheduleSpec, *SCHEDULES.field()] = CosineSchedule()
    reparam: Annotated[ReparamSpec, *REPARAMS.field()] = NoReparam()
    transform: Literal["none", "power"] = "none"
    """Transform of the targets: "power" is the symmetric power transform, see `inr.signals.power`."""
    backend: str = "auto"
    device: Device = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Of the compiled kernels; None for ``OMP_NUM_THREADS``, or else one for each core."""
    precision: Precision = "auto"
    """Of the operands of matrix products in training, see `FitSpec`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        targets = {"bpp": self.bpp, "psnr": self.psnr, "size": self.size, "quality": self.quality}
        given = [name for name, value in targets.items() if value is not None]
        if len(given) > 1:
            raise SpecError(f"give at most one of bpp, psnr, size and quality; got {' and '.join(given)}")
        if self.bits is not None and self.bits > 12 and self.bits not in (16, 32):
            raise SpecError(f"bits: 1 to 12, or 16 or 32 for floats; got {self.bits:g}")
        if self.layers > 1 and self.coding != "uniform":
            raise SpecError(f"layers: weights stored as {self.coding} come in 1 layer; got {self.layers}")
        presets.get(self.preset)
        if self.batch is not None and self.sampler is not None:
            if "batch" not in type(self.sampler).model_fields:
                raise SpecError(f"batch: the sampler {self.sampler.kind} has none; got {self.batch}")
            if "batch" in self.sampler.model_fields_set:
                raise SpecError(f"batch: given twice, also with the sampler {self.sampler.kind}; got {self.batch}")
        if self.learning_rate is not None and self.optimiser.learning_rate is not None:
            raise SpecError(f"learning rate: given twice, also with the optimiser; got {self.learning_rate:g}")
        return self

    @property
    def coding(self) -> Coding:
        """How weights are stored."""
        if self.bits == 16:
            return "float16"
        return "float32" if self.bits == 32 else "uniform"


@dataclass(frozen=True)
class Plan:
    """Settings of the two stages.

    Attributes:
        fit: settings of the fit, with a model of the right size.
        quant: settings of the quantiser, before rate control.
        size: bytes that the file must not exceed, or None.
        named: True if a user named the size, so that it must be met.
        transform: of the targets.
    """

    fit: FitSpec
    quant: QuantSpec
    size: int | None
    named: bool
    transform: str = "none"

    def transformed(self, signal: Signal) -> Signal:
        """The signal with the transform of its targets, unless it has one already."""
        if self.transform != "power" or signal.meta.power is not None:
            return signal
        return with_power(signal, symmetric_power(signal))


def plan(signal: Signal, request: CompressSpec, bpp: float | None = None, model: ModelSpec | None = None) -> Plan:
    """Choose model size, budget and quantiser for a signal.

    Args:
        signal: what will be fitted.
        request: what the user asks for.
        bpp: overrides the size that the request asks for.
        model: the model, of this very size; None chooses one.

    Raises:
        SpecError: unknown names, settings out of range.
        TargetError: a size that no model can have.
    """
    preset = presets.get(request.preset)
    given = model is not None
    model = model or _model(signal, request, preset)
    bits = request.bits or model.weight_bits
    named = bool(request.size or request.bpp or request.quality)
    size: int | None = None
    if given or not fixes_size(type(model)(), request.settings):
        size = _target_size(signal, request, preset.rate * model.bpp, bpp)
        if not given:
            size, model = _sized(model, signal, size, bits, request, raised=bpp is None and not named)
    elif named:
        raise SpecError(f"give a target size or the settings {', '.join(request.settings)}, not both")
    model.check(signal.domain, signal.channels)
    steps, seconds = request.steps, request.seconds
    if steps is None and seconds is None:
        steps = preset.steps
    rate = {} if request.learning_rate is None else {"learning_rate": request.learning_rate}
    fit = FitSpec(
        model=model,
        init=request.init.settled() if given else request.init,
        sampler=_sampler(model, request),
        optimiser=request.optimiser.replace(**rate),
        schedule=request.schedule,
        reparam=request.reparam,
        budget=Budget(steps=steps, seconds=seconds),
        seed=request.seed,
        backend=request.backend,
        device=request.device,
        threads=request.threads,
        precision=request.precision,
    )
    quant = QuantSpec(coding=request.coding, bits=min(bits, 16), layers=request.layers)
    return Plan(fit, quant, size, named, request.transform)


def _sampler(model: ModelSpec, request: CompressSpec) -> SamplerSpec:
    batch = {} if request.batch is None else {"batch": request.batch}
    if isinstance(request.sampler, UniformSampler) and "jitter" not in request.sampler.model_fields_set:
        return request.sampler.replace(jitter=model.jitter, **batch)
    if request.sampler is not None:
        return request.sampler.replace(**batch)
    return BlockSampler(**batch) if model.separable else UniformSampler(jitter=model.jitter, **batch)


def overhead(signal: Signal, model: ModelSpec, layers: int) -> int:
    """Bytes of a file with empty payloads."""
    kind = kind_for(signal.meta)
    own = kind.to_file(signal.meta)
    header = Header(
        shape=signal.domain.shape,
        channels=signal.channels,
        dtype=ids.id_of(ids.SAMPLE_TYPES, signal.meta.dtype),
        value_range=wire_range(signal.meta),
        kind=kind.wire_id,
        frame_rate=own.frame_rate,
        attributes=own.own,
        model=model.wire_id,
        layers=layers,
        psnr=(3000,) * layers,
    )
    sections = [*[Section(DATA, b"")] * layers, *own.sections]
    return len(to_bytes(InrFile(header, tuple(sections)))) + 12


def _model(signal: Signal, request: CompressSpec, preset: presets.Preset) -> ModelSpec:
    kind = request.model or kind_for(signal.meta).default_model or preset.model
    cls = MODELS.get(kind)
    unknown = set(request.settings) - set(cls.model_fields) | ({"kind"} & set(request.settings))
    if unknown:
        known = ", ".join(name for name in cls.model_fields if name != "kind")
        raise SpecError(f"model {kind} has no setting {sorted(unknown)[0]!r}; it has {known}")
    return cls(**request.settings).fitted_to(signal.domain).replace(**request.settings)


def fixes_size(model: ModelSpec, settings: dict[str, Any]) -> bool:
    """True if a user has set what `sized` would choose."""
    small, large = (model.sized(parameters, 2, 3) for parameters in (5_000, 300_000))
    return any(getattr(small, name) != getattr(large, name) for name in settings)


def _target_size(signal: Signal, request: CompressSpec, default_bpp: float, bpp: float | None) -> int:
    """Bytes to aim at. A size that nobody named is not too small for the smallest models."""
    pixels = signal.domain.size
    if bpp is None and request.size is not None:
        return request.size
    named = request.bpp if request.quality is None else presets.bpp_of_quality(request.quality)
    if bpp is None and named is not None:
        return max(1, math.floor(named * pixels / 8))
    return max(SMALLEST_DEFAULT, math.floor((bpp or default_bpp) * pixels / 8))


def _sized(
    model: ModelSpec, signal: Signal, size: int, bits: float, request: CompressSpec, raised: bool
) -> tuple[int, ModelSpec]:
    """The largest model whose file has `size` bytes at `bits` a weight, and that size, `raised` to the least there is.

    Raises:
        TargetError: no model has a file of this size.
    """
    d_in, channels = signal.domain.ndim, signal.channels
    framing = overhead(signal, model, request.layers)
    smallest = model.sized(1, d_in, channels).parameters(d_in, channels)
    largest = model.sized(limits.MAX_PARAMETERS, d_in, channels).parameters(d_in, channels)
    exact = request.coding != "uniform"
    least = framing + math.ceil(smallest * (bits if exact else min(bits, 4.0)) / 8)
    most = framing + math.floor(largest * (bits if exact else MAX_BITS) / 8)
    size = max(size, least) if raised else size
    if not least <= size <= most / SIZE_FLOOR:
        allowed = f"{least} to {most} bytes"
        noun = kind_for(signal.meta).noun.partition(" ")[2]
        raise TargetError(f"size: a {model.kind} file of this {noun} can have {allowed}; got {size}")
    count = (size - framing) * 8 // bits if exact else (size - framing) * FILL * 8 / (bits + CODING_BITS)
    return size, model.sized(min(int(count), limits.MAX_PARAMETERS), d_in, channels)
