"""Rate control: how finely to quantise which tensor, and how to meet a size or a quality."""

import math
from dataclasses import dataclass

import numpy as np

from inr.coders.base import Files
from inr.coders.weights.open import open_tensors
from inr.coders.weights.quantize import EncodedWeights, QuantSpec, dequantize, quantize
from inr.errors import TargetError
from inr.fitting.trained import TrainedNetwork
from inr.layers.layout import FloatTensor, TensorLayout
from inr.rng import generator

PROBE_SAMPLES = 16_384
MIN_BITS, MAX_BITS = 1.0, 16.0
_EXTRA_RANGE = 5.0
_ROUNDS = 8


def allocate(fitted: TrainedNetwork, spec: QuantSpec) -> QuantSpec:
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


def meet_size(fitted: TrainedNetwork, spec: QuantSpec, size: int, files: Files) -> EncodedWeights:
    """The finest quantisation whose file has at most `size` bytes.

    Raises:
        TargetError: even the coarsest quantisation is larger.
    """
    per_bit = fitted.model.parameters(fitted.domain, fitted.channels) / 8
    aim = size - max(2, size // 200)
    low, high = MIN_BITS, MAX_BITS
    bits = spec.bits
    best: _Sized | None = None
    for _ in range(_ROUNDS):
        sized = _sized(fitted, spec.replace(bits=bits), files)
        if sized.size <= size:
            best = sized if best is None or sized.size > best.size else best
            low = bits
        else:
            high = bits
        if aim - size // 100 <= sized.size <= size or high - low < 1e-3:
            break
        step = bits + (aim - sized.size) / per_bit
        bits = step if low < step < high else (low + high) / 2
    if best is None:
        best = _sized(fitted, spec.replace(bits=MIN_BITS), files)
        if best.size > size:
            raise TargetError(f"size: this model takes at least {best.size} bytes; got {size}")
    return best.encoded


def meet_quality(fitted: TrainedNetwork, spec: QuantSpec, target: float, files: Files) -> EncodedWeights | None:
    """About the coarsest quantisation whose decoded PSNR is at least `target` dB, or None if there is none."""
    best: EncodedWeights | None = None
    low, high = MIN_BITS, MAX_BITS
    bits = MAX_BITS
    for _ in range(_ROUNDS):
        encoded = quantize(fitted, spec.replace(bits=bits))
        if files.psnr(encoded) >= target:
            best, high = encoded, bits
        elif best is None:
            return None
        else:
            low = bits
        bits = (low + high) / 2
    return best


@dataclass(frozen=True, eq=False)
class _Sized:
    encoded: EncodedWeights
    size: int


def _sized(fitted: TrainedNetwork, spec: QuantSpec, files: Files) -> _Sized:
    encoded = quantize(fitted, spec)
    return _Sized(encoded, files.size(encoded))


def _units(layout: TensorLayout) -> list[tuple[int, int]]:
    """First and last row of the parts of a tensor that get bits of their own."""
    if not layout.separate_models:
        return [(0, layout.shape[0])]
    ends = np.cumsum(layout.groups).tolist()
    return [(end - n, end) for n, end in zip(layout.groups, ends, strict=True)]


class _Probe:
    """Measures how much the outputs (almost always one) change if a part of one tensor is replaced."""

    def __init__(self, fitted: TrainedNetwork) -> None:
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
