"""Rate control: how finely to quantise which tensor, and how to meet a size or a quality."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inr.codec.decode import open_tensors
from inr.codec.pack import pack
from inr.container.file import InrFile, to_bytes
from inr.errors import TargetError
from inr.fitted import FittedField
from inr.layers.layout import TensorLayout
from inr.layers.network import FloatTensor
from inr.quantize.uniform import QuantizedField, QuantSpec, dequantize, quantize
from inr.rng import generator

PROBE_SAMPLES = 16_384
MIN_BITS, MAX_BITS = 1.0, 16.0
_EXTRA_RANGE = 5.0
_ROUNDS = 8


@dataclass(frozen=True, eq=False)
class Coded:
    """A quantised field with its file (without PSNR in the header) and the bits that led to it."""

    field: QuantizedField
    file: InrFile
    bits: float

    @property
    def size(self) -> int:
        """Bytes of the file, with room for the PSNR of each layer."""
        return len(to_bytes(self.file)) + 2 + 3 * self.field.layers


def code(fitted: FittedField, spec: QuantSpec) -> Coded:
    """Quantise and code."""
    field = quantize(fitted, spec)
    return Coded(field, pack(field), spec.bits)


def allocate(fitted: FittedField, spec: QuantSpec) -> QuantSpec:
    """Share the bits among tensors so that the output error is least at equal rate.

    Quantising a unit t of n_t entries (a tensor, or a level of a table) with step d adds about ``s_t d^2`` to the
    mean squared output error and costs ``-n_t log2 d`` bits. The optimum has the same error per entry everywhere,
    so a unit that alone causes the error e_t at the present step deserves ``log2(e_t / n_t) / 2`` bits more, up
    to a constant. The e_t are measured by quantising each unit alone and evaluating the field at random samples.

    Returns:
        `spec` with `extra_bits`, whose average over all weights is zero.
    """
    coarse = dequantize(quantize(fitted, spec))
    probe = _Probe(fitted)
    wanted: dict[str, list[float]] = {}
    total = weighted = 0.0
    for layout in fitted.model.layout(fitted.domain, fitted.channels):
        for first, last in _units(layout):
            entries = math.prod(layout.shape[1:]) * (last - first)
            error = probe.error(layout.name, coarse[layout.name], first, last)
            extra = math.log2(max(error, 1e-20) / entries) / 2
            wanted.setdefault(layout.name, []).append(extra)
            total += entries
            weighted += entries * extra
    mean = weighted / total
    extras = {
        name: tuple(min(max(value - mean, -_EXTRA_RANGE), _EXTRA_RANGE) for value in values)
        for name, values in wanted.items()
    }
    return spec.replace(extra_bits=extras)


def meet_size(fitted: FittedField, spec: QuantSpec, size: int) -> Coded:
    """The finest quantisation whose file has at most `size` bytes.

    Raises:
        TargetError: even the coarsest quantisation is larger.
    """
    per_bit = fitted.model.parameters(fitted.domain, fitted.channels) / 8
    aim = size - max(2, size // 200)
    low, high = MIN_BITS, MAX_BITS
    bits = spec.bits
    best: Coded | None = None
    for _ in range(_ROUNDS):
        coded = code(fitted, spec.replace(bits=bits))
        if coded.size <= size:
            best = coded if best is None or coded.size > best.size else best
            low = bits
        else:
            high = bits
        if aim - size // 100 <= coded.size <= size or high - low < 1e-3:
            break
        step = bits + (aim - coded.size) / per_bit
        bits = step if low < step < high else (low + high) / 2
    if best is None:
        best = code(fitted, spec.replace(bits=MIN_BITS))
        if best.size > size:
            raise TargetError(f"size: this model takes at least {best.size} bytes; got {size}")
    return best


def meet_quality(
    fitted: FittedField, spec: QuantSpec, psnr_of: Callable[[Coded], float], target: float
) -> Coded | None:
    """About the coarsest quantisation whose decoded PSNR is at least `target` dB, or None if there is none."""
    best: Coded | None = None
    low, high = MIN_BITS, MAX_BITS
    bits = MAX_BITS
    for _ in range(_ROUNDS):
        coded = code(fitted, spec.replace(bits=bits))
        if psnr_of(coded) >= target:
            best, high = coded, bits
        elif best is None:
            return None
        else:
            low = bits
        bits = (low + high) / 2
    return best


def _units(layout: TensorLayout) -> list[tuple[int, int]]:
    """First and last row of the parts of a tensor that get bits of their own."""
    if not layout.separate_models:
        return [(0, layout.shape[0])]
    ends = np.cumsum(layout.groups).tolist()
    return [(end - n, end) for n, end in zip(layout.groups, ends, strict=True)]


class _Probe:
    """Measures how much the outputs (almost always one) change if a part of one tensor is replaced."""

    def __init__(self, fitted: FittedField) -> None:
        self._fitted = fitted
        index = generator(fitted.report.seed, "probe").integers(0, fitted.domain.size, PROBE_SAMPLES)
        self._coordinates = fitted.domain.coordinates(index)
        self._reference = self._evaluate(fitted.tensors)

    def error(self, name: str, coarse: FloatTensor, first: int, last: int) -> float:
        mixed = self._fitted.tensors[name].copy()
        mixed[first:last] = coarse[first:last]
        changed = self._evaluate({**self._fitted.tensors, name: mixed})
        return float(np.mean((changed - self._reference) ** 2))

    def _evaluate(self, tensors: dict[str, FloatTensor]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        fitted = self._fitted
        functions = open_tensors(fitted.model, tensors, fitted.domain, fitted.channels)
        return np.stack([function(self._coordinates) for function in functions]).astype(np.float64)
