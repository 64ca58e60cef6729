"""From what a user asks for to the settings of a fit and of the quantiser."""

import functools
import math
from typing import Any, Literal

from inr.coders import presets
from inr.coders.base import Files, Plan
from inr.coders.request import CompressSpec
from inr.coders.weights.header import model_in, part_of
from inr.coders.weights.quantize import Coding, QuantSpec
from inr.coders.weights.rate import MAX_BITS
from inr.container import limits
from inr.container.header import CoderPart
from inr.domain import Domain
from inr.errors import SpecError, TargetError
from inr.fitting.spec import Budget, FitSpec
from inr.models.base import MODELS, ModelSpec
from inr.samplers.base import SamplerSpec
from inr.samplers.block import BlockSampler
from inr.samplers.uniform import UniformSampler
from inr.signals.image.kind import check_sides
from inr.signals.info import SignalInfo
from inr.signals.kind import kind_for

SMALLEST_DEFAULT = 512
"""Bytes that a file may have when no target is given, however small the picture."""
SIZE_FLOOR = 0.85
"""A file for a named size is at least this share of it."""
FILL = 0.98
"""Share of the target size that the width is chosen for; the quantiser meets the rest."""
CODING_BITS = 0.1
"""Bits a weight that steps and adaptive models cost on top of the nominal bits."""
RUNGS = 5
"""How many sizes are tried in turn for a PSNR."""
LARGEST_BPP = 8.0
"""The last of them."""
SMALLEST_SHARE = 1 / 3
"""Of the usual bits: the first of them."""
PICTURE = Domain.of_shape((512, 768))
"""What stands for any picture where only settings matter."""
MARGIN_DB = 0.5
"""How much better than its target the unquantised field is made, so that it can be quantised coarsely."""


class WeightsPlan(Plan):
    """Settings of the two stages of the coder `weights`."""

    coder: Literal["weights"] = "weights"

    fit: FitSpec
    """Of the fit, with a model of the right size."""
    quant: QuantSpec
    """Of the quantiser, before rate control."""
    keep_bits: bool = False
    """True if a user named the bits of a weight, so that they are no matter of rate control."""
    rung: int = 0
    """Place among the sizes that are tried for a PSNR."""
    only: bool = False
    """True if no other size of the model can be tried."""


def plan(
    signal: SignalInfo, request: CompressSpec, files: Files, like: CoderPart | None = None, rung: int = 0
) -> WeightsPlan:
    """Choose model size, budget and quantiser for a signal.

    Args:
        signal: what will be fitted.
        request: what the user asks for.
        files: what files of it would be.
        like: has the model, of this very size; None chooses one.
        rung: place among the sizes that are tried if the request has a PSNR.

    Raises:
        SpecError: unknown names, settings out of range.
        SignalError: a picture that is too small.
        TargetError: a size that no model can have.
    """
    if signal.domain.axes == PICTURE.axes:
        check_sides(*signal.domain.shape)
    preset = presets.get(request.preset)
    model = _model(signal, request, preset) if like is None else model_in(like)
    bits = request.bits or model.weight_bits
    quant = QuantSpec(coding=coding_of(request), bits=min(bits, 16), layers=request.layers)
    named = bool(request.size or request.bpp or request.quality)
    fixed = fixes_size(type(model), request.settings)
    if fixed and named and like is None:
        raise SpecError(f"give a target size or the settings {', '.join(request.settings)}, not both")
    size: int | None = None
    if not fixed:
        usual = kind_for(signal.meta).default_bpp
        bpp = None if request.psnr is None else _rung_bpp(rung, usual or presets.PHOTO_BPP)
        size = _target_size(signal, request, preset.rate * (usual or model.bpp), bpp)
        if like is None:
            size, model = _sized(model, signal, size, bits, quant, files, raised=bpp is None and not named)
        elif bpp is None and not named:
            size = max(size, _least(model, signal, bits, quant, files))
    model.check(signal.domain, signal.channels)
    return WeightsPlan(
        fit=_fit(model, request, preset, settled=like is not None),
        quant=quant,
        size=size,
        named=named,
        psnr=request.psnr,
        model=model.kind,
        parameters=model.parameters(signal.domain, signal.channels),
        keep_bits=request.bits is not None,
        rung=rung,
        only=fixed or like is not None,
    )


def unsized(signal: SignalInfo, request: CompressSpec) -> CompressSpec:
    """The same request, for a model of its usual size if it asks for no other."""
    kind = _kind(signal, request, presets.get(request.preset))
    cls = MODELS.get(kind)
    if request.size or request.bpp or request.quality or fixes_size(cls, request.settings):
        return request
    usual = {name: getattr(cls(), name) for name in sorted(_chosen_by_size(cls))}
    return request.replace(settings={**usual, **request.settings})


def again(signal: SignalInfo, request: CompressSpec, failed: WeightsPlan, files: Files) -> WeightsPlan | None:
    """The next larger size for a quality target, or None."""
    rung = failed.rung + 1
    if failed.psnr is None or failed.only or rung == RUNGS:
        return None
    return plan(signal, request, files, rung=rung)


def coding_of(request: CompressSpec) -> Coding:
    """How weights are stored."""
    if request.bits == 16:
        return "float16"
    return "float32" if request.bits == 32 else "uniform"


def check(request: CompressSpec) -> None:
    """Raise `SpecError` for a request that makes no sense whatever the signal is."""
    QuantSpec(coding=coding_of(request), layers=request.layers)
    if request.lmbda is not None:
        raise SpecError("lmbda: the coder weights has none; give a size, bpp, psnr or quality")
    if request.psnr is not None and coding_of(request) != "uniform":
        raise SpecError(f"psnr: cannot be combined with weights stored as {coding_of(request)}")
    if request.psnr is not None and request.task.pulls:
        raise SpecError(
            f"psnr: cannot be combined with task {request.task.kind}, whose samples are not those of the decoded file; "
            "give a size, bpp or quality"
        )
    if request.model is not None:
        _check_settings(request.model, request.settings)
        MODELS.get(request.model)(**request.settings)


def _fit(model: ModelSpec, request: CompressSpec, preset: presets.Preset, settled: bool) -> FitSpec:
    steps, seconds = request.steps, request.seconds
    if steps is None and seconds is None:
        steps = preset.steps
    enough = None if request.psnr is None else min(request.psnr + MARGIN_DB, 100)
    rate = {} if request.learning_rate is None else {"learning_rate": request.learning_rate}
    return FitSpec(
        model=model,
        init=request.init.settled() if settled else request.init,
        sampler=_sampler(model, request),
        loss=request.loss,
        task=request.task,
        optimiser=request.optimiser.replace(**rate),
        schedule=request.schedule,
        reparam=request.reparam,
        budget=Budget(steps=steps, seconds=seconds, psnr=enough),
        seed=request.seed,
        backend=request.backend,
        device=request.device,
        threads=request.threads,
        precision=request.precision,
    )


def _sampler(model: ModelSpec, request: CompressSpec) -> SamplerSpec:
    batch = {} if request.batch is None else {"batch": request.batch}
    if isinstance(request.sampler, UniformSampler) and "jitter" not in request.sampler.model_fields_set:
        return request.sampler.replace(jitter=model.jitter, **batch)
    if request.sampler is not None:
        return request.sampler.replace(**batch)
    return BlockSampler(**batch) if model.separable else UniformSampler(jitter=model.jitter, **batch)


def _model(signal: SignalInfo, request: CompressSpec, preset: presets.Preset) -> ModelSpec:
    kind = _kind(signal, request, preset)
    _check_settings(kind, request.settings)
    return MODELS.get(kind)(**request.settings).fitted_to(signal.domain).replace(**request.settings)


def _kind(signal: SignalInfo, request: CompressSpec, preset: presets.Preset) -> str:
    kind = kind_for(signal.meta)
    if kind.large_model is not None and signal.domain.size > kind.large_model[0]:
        return request.model or kind.large_model[1]
    return request.model or kind.default_model or preset.model


def _check_settings(kind: str, settings: dict[str, Any]) -> None:
    cls = MODELS.get(kind)
    unknown = set(settings) - set(cls.model_fields) | ({"kind"} & set(settings))
    if unknown:
        known = ", ".join(name for name in cls.model_fields if name != "kind")
        raise SpecError(f"model {kind} has no setting {sorted(unknown)[0]!r}; it has {known}")


def fixes_size(cls: type[ModelSpec], settings: dict[str, Any]) -> bool:
    """True if a user has set what `sized` would choose."""
    return not _chosen_by_size(cls).isdisjoint(settings)


@functools.cache
def _chosen_by_size(cls: type[ModelSpec]) -> frozenset[str]:
    """Settings of a kind of model that differ between a small and a large one."""
    small, large = (cls().sized(parameters, PICTURE, 3) for parameters in (5_000, 300_000))
    return frozenset(name for name in cls.model_fields if getattr(small, name) != getattr(large, name))


def _rung_bpp(rung: int, usual: float) -> float:
    """Bits a sample of a size that is tried for a PSNR: for a photo 0.5, 1, 2, 4 and 8."""
    share: float = (SMALLEST_SHARE * usual / LARGEST_BPP) ** (1 - rung / (RUNGS - 1))
    return LARGEST_BPP * share


def _target_size(signal: SignalInfo, request: CompressSpec, default_bpp: float, bpp: float | None) -> int:
    """Bytes to aim at. A size that nobody named is not too small for the smallest models."""
    pixels = signal.domain.size
    if bpp is None and request.size is not None:
        return request.size
    usual = kind_for(signal.meta).default_bpp
    named = request.bpp if request.quality is None else presets.bpp_of_quality(request.quality, usual)
    if bpp is None and named is not None:
        return max(1, math.floor(named * pixels / 8))
    return max(SMALLEST_DEFAULT, math.floor((bpp or default_bpp) * pixels / 8))


def _least(model: ModelSpec, signal: SignalInfo, bits: float, quant: QuantSpec, files: Files) -> int:
    """Bytes of a file of a model with few bits a weight, which quantising can meet."""
    few = min(bits, 4.0) if quant.coding == "uniform" else bits
    count = model.parameters(signal.domain, signal.channels)
    return files.framing(part_of(model, quant.coding), quant.layers) + math.ceil(count * few / 8)


def _sized(
    model: ModelSpec, signal: SignalInfo, size: int, bits: float, quant: QuantSpec, files: Files, raised: bool
) -> tuple[int, ModelSpec]:
    """The largest model whose file has `size` bytes at `bits` a weight, and that size, `raised` to the least there is.

    Raises:
        TargetError: no model has a file of this size.
    """
    domain, channels = signal.domain, signal.channels
    exact = quant.coding != "uniform"

    def framing(model: ModelSpec) -> int:
        """Bytes of the file beside the weights, the settings of this very model among them."""
        return files.framing(part_of(model, quant.coding), quant.layers)

    smallest, largest = (model.sized(count, domain, channels) for count in (1, limits.MAX_PARAMETERS))
    low, high = (framing(one) for one in (smallest, largest))
    least = _least(smallest, signal, bits, quant, files)
    most = high + math.floor(largest.parameters(domain, channels) * (bits if exact else MAX_BITS) / 8)
    size = max(size, least) if raised else size
    if not least <= size <= most / SIZE_FLOOR:
        allowed = f"{least} to {most} bytes"
        noun = kind_for(signal.meta).noun.partition(" ")[2]
        raise TargetError(f"size: a {model.kind} file of this {noun} can have {allowed}; got {size}")

    def filling(taken: int) -> ModelSpec:
        """The model for what is left when so many bytes are taken."""
        count = (size - taken) * 8 // bits if exact else (size - taken) * FILL * 8 / (bits + CODING_BITS)
        return model.sized(min(int(count), limits.MAX_PARAMETERS), domain, channels)

    taken, found = low, filling(low)
    while framing(found) > taken:
        taken = framing(found)
        found = filling(taken)
    return size, found
