"""Uniform quantisation with one step a group of rows, and its embedded (layered) form.

A group (a row of a matrix, a level of a hash table, a bias vector) with root mean square r gets the step
``r sqrt(12) 2^-bits``, rounded to a power of 2^(1/8) so that a file can store it as a small integer. For a
uniformly distributed group that is exactly `bits` bits an entry. Symbols are the nearest multiples.

Embedded: with m refinement planes missing, a symbol q is known only as ``sign(q) (|q| >> m)``. Zero stays zero,
anything else is put in the middle of its interval (the dead-zone quantiser of Taubman and Marcellin 2002).
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from inr.coders.base import Encoded
from inr.errors import SpecError
from inr.layers.layout import FloatTensor, TensorLayout
from inr.models.base import ModelSpec
from inr.spec import Spec

if TYPE_CHECKING:  # reading needs no training
    from inr.fitting.trained import TrainedNetwork

Coding = Literal["uniform", "float16", "float32"]
Symbols = npt.NDArray[np.int64]

STEPS_PER_OCTAVE = 8
MIN_STEP_CODE, MAX_STEP_CODE = -800, 400
_MAX_MAGNITUDE = 2**30


class QuantSpec(Spec):
    """How to quantise.

    Raises:
        SpecError: more than one layer with stored floats.
    """

    coding: Coding = "uniform"
    bits: Annotated[float, Field(ge=1, le=20)] = 8.0
    """Bits of an entry of a uniformly distributed group."""
    bias_bits: Annotated[float, Field(ge=0, le=8)] = 4.0
    """Additional bits of a bias."""
    extra_bits: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """Additional bits by tensor name, one value or one a group; negative for what matters less."""
    layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Quality layers; each after the first halves all steps."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.coding != "uniform" and self.layers > 1:
            raise SpecError(f"layers: weights stored as {self.coding} come in 1 layer; got {self.layers}")
        return self


@dataclass(frozen=True, eq=False)
class QuantizedTensor:
    """Integers that stand for a tensor.

    Attributes:
        layout: name, shape and groups.
        symbols: integers of the tensor's shape; for stored floats their bit patterns.
        step_codes: one integer k a group, for a step of 2^(k/8); empty for stored floats.
    """

    layout: TensorLayout
    symbols: Symbols
    step_codes: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class EncodedWeights(Encoded):
    """A network in integers.

    Attributes:
        model: the arrangement of layers.
        tensors: integers that stand for its tensors; they lack `missing` planes of bits.
        coding: how they stand for them.
    """

    coder: ClassVar[str] = "weights"
    model: ModelSpec
    tensors: tuple[QuantizedTensor, ...]
    coding: Coding


def quantize(fitted: "TrainedNetwork", spec: QuantSpec) -> EncodedWeights:
    """Quantise all tensors; raises `SpecError` if the settings or the weights are unusable."""
    layouts = fitted.model.layout(fitted.domain.ndim, fitted.channels)
    return EncodedWeights(
        model=fitted.model,
        tensors=tuple(_quantize_tensor(fitted.tensors[layout.name], layout, spec) for layout in layouts),
        coding=spec.coding,
        channels=fitted.channels,
        domain=fitted.domain,
        meta=fitted.meta,
        layers=spec.layers,
        bits=spec.bits,
    )


def dequantize(field: EncodedWeights) -> dict[str, FloatTensor]:
    """Float tensors by name."""
    return {t.layout.name: _dequantize_tensor(t, field.coding, field.missing) for t in field.tensors}


def coarsened(field: EncodedWeights, layers: int) -> EncodedWeights:
    """What is left of a field if only the first `layers` quality layers arrive."""
    missing = field.layers - layers
    tensors = tuple(
        QuantizedTensor(t.layout, np.sign(t.symbols) * (np.abs(t.symbols) >> missing), t.step_codes)
        for t in field.tensors
    )
    return replace(field, tensors=tensors, missing=missing)


def step_sizes(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Step 2^(k/8) of each code k."""
    return np.exp2(codes / STEPS_PER_OCTAVE)


def _quantize_tensor(values: FloatTensor, layout: TensorLayout, spec: QuantSpec) -> QuantizedTensor:
    if not np.isfinite(values).all():
        raise SpecError(f"quantise: tensor {layout.name} holds a value that is not finite")
    if spec.coding != "uniform":
        return _bit_patterns(values, layout, spec.coding)
    bits = spec.bits + np.array(spec.extra_bits.get(layout.name, (0.0,))) + (spec.bias_bits if layout.bias else 0.0)
    if bits.size not in (1, len(layout.groups)):
        raise SpecError(f"extra bits: tensor {layout.name} has {len(layout.groups)} groups; got {bits.size} values")
    rows = values.reshape(layout.shape[0], -1).astype(np.float64)
    starts = np.concatenate([[0], np.cumsum(layout.groups)[:-1]])
    energy = np.add.reduceat((rows**2).sum(axis=1), starts)
    rms = np.sqrt(energy / (np.array(layout.groups) * rows.shape[1]))
    codes = np.zeros(len(rms), dtype=np.int64)
    np.rint(STEPS_PER_OCTAVE * (np.log2(np.maximum(rms, 1e-30)) + math.log2(12) / 2 - bits), out=rms)
    codes[:] = np.clip(rms, MIN_STEP_CODE, MAX_STEP_CODE)
    steps = np.repeat(step_sizes(codes), layout.groups)[:, None]
    symbols = np.rint(rows / steps).reshape(layout.shape)
    if np.abs(symbols).max(initial=0) >= _MAX_MAGNITUDE:
        raise SpecError(f"quantise: tensor {layout.name} has an outlier too large for {bits.max():.1f} bits")
    return QuantizedTensor(layout, symbols.astype(np.int64), codes)


def _bit_patterns(values: FloatTensor, layout: TensorLayout, coding: Coding) -> QuantizedTensor:
    with np.errstate(over="ignore"):  # reported below
        stored = values.astype(np.float16 if coding == "float16" else np.float32)
    if not np.isfinite(stored).all():
        raise SpecError(f"quantise: tensor {layout.name} holds a value beyond the range of {coding}")
    patterns = stored.view(np.uint16 if coding == "float16" else np.uint32)
    return QuantizedTensor(layout, patterns.astype(np.int64), np.zeros(0, dtype=np.int64))


def _dequantize_tensor(tensor: QuantizedTensor, coding: Coding, missing: int) -> FloatTensor:
    if coding == "float16":
        return tensor.symbols.astype(np.uint16).view(np.float16).astype(np.float32)
    if coding == "float32":
        return tensor.symbols.astype(np.uint32).view(np.float32)
    magnitude = np.abs(tensor.symbols).astype(np.float64)
    if missing:
        middle = (2**missing - 1) / 2
        magnitude = np.where(magnitude > 0, magnitude * 2**missing + middle, 0.0)
    steps = np.repeat(step_sizes(tensor.step_codes), tensor.layout.groups)
    shape = (len(steps), *[1] * (tensor.symbols.ndim - 1))
    return (np.sign(tensor.symbols) * magnitude * steps.reshape(shape)).astype(np.float32)
