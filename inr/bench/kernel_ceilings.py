"""How much there is to compute in a network, and how fast the machine could do it.

Two ceilings are measured by loops of the kernels' own kind that do nothing else: products of matrices that lie in the
cache, and sines with their cosines. A step can be no faster than both take one after the other; elementwise work, the
memory of hash grids, sums over threads and Adam come on top.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from inr import native
from inr.backends.base import Coordinates, Values
from inr.backends.lowering import Flat
from inr.models.layers import (
    ComplexGabor,
    ComplexLinear,
    Finer,
    Fourier,
    FourierSeries,
    Layer,
    Linear,
    Matrix,
    RealGabor,
    Sine,
    SineFilter,
)
from inr.models.network import COORDINATES, Network

PROFILED_STEPS = 10
_ONE_BY_ONE = (Sine, Finer, SineFilter)
"""Layers with one sine a feature; its cosine is the slope."""
_PAIRS = (RealGabor, ComplexGabor, Fourier, FourierSeries)
"""Layers with a sine and a cosine for two features."""


@dataclass(frozen=True)
class Work:
    """What a step or a decode computes, over all its samples.

    Attributes:
        gflop: of matrix products, a product and a sum counting as two.
        sines: pairs of a sine and a cosine, millions.
    """

    gflop: float
    sines: float


@dataclass(frozen=True)
class Ceilings:
    """What one thread of this machine reaches.

    Attributes:
        fma_gflops: independent multiplications with sums, 32 bits, GFLOP/s.
        gemm_gflops: matrix products of the kernels in their fastest precision, GFLOP/s.
        sine_ns: a sine and its cosine, nanoseconds.
    """

    fma_gflops: float
    gemm_gflops: float
    sine_ns: float


@dataclass(frozen=True)
class Reach:
    """How far a measurement is from the ceilings.

    Attributes:
        gflops: of the products, over all of the time.
        of_gemm: these by the ceiling of all threads.
        least_ms: what products and sines take at the ceilings.
        of_both: that by the time.
    """

    gflops: float
    of_gemm: float
    least_ms: float
    of_both: float


@dataclass(frozen=True)
class Part:
    """A share of a step.

    Attributes:
        kind: of the layers, or another part of the step, such as "adam".
        ms: of a step, of all threads together.
        share: of the step.
        of_ceiling: what its products or sines take at the ceiling, by `ms`; None for what has neither.
    """

    kind: str
    ms: float
    share: float
    of_ceiling: float | None


def work(network: Network, d_in: int, samples: int, training: bool) -> Work:
    """Count a network's work.

    Training multiplies by each matrix forwards, for the gradient of the matrix, and, unless nothing before it is
    trained, for the gradient of the layer's input.
    """
    layers, widths = network.layer_list(), _widths(network, d_in)
    products, sines = 0, 0
    for i, layer in enumerate(layers):
        if isinstance(layer, Linear | Matrix | ComplexLinear):
            entries = (2 if isinstance(layer, ComplexLinear) else 1) * layer.weight.numel()
            before = set().union(*(network.behind(source) for source in network.sources[i]))
            trained = any(True for j in before for _ in layers[j].parameters())
            products += entries * (1 if not training else 3 if trained else 2)
        sines += _sines(layer, widths[i + 1])
    return Work(2e-9 * products * samples, 1e-6 * sines * samples)


def _sines(layer: Layer, width: int) -> int:
    if isinstance(layer, _ONE_BY_ONE):
        return width
    return width // 2 if isinstance(layer, _PAIRS) else 0


def _widths(network: Network, d_in: int) -> list[int]:
    """Features of each value, found by evaluating one row."""
    values = {COORDINATES: torch.zeros(1, d_in)}
    with torch.no_grad():
        for i, layer in enumerate(network.layer_list()):
            values[i + 1] = layer(*[values[source] for source in network.sources[i]])
    return [values[i].shape[1] for i in range(len(values))]


def ceilings(seconds: float) -> tuple[Ceilings | None, str]:
    """The ceilings of one thread, each measured for some seconds, or None and why there are none.

    The kernels tell them by ``ceilings(seconds)``: a mapping from the names of the fields of `Ceilings`.
    """
    measure: Any = getattr(native.load(), "ceilings", None)
    if measure is None:
        return None, "no ceilings: this build of the kernels does not measure them (it has no ceilings)"
    found = measure(seconds)
    return Ceilings(**{name: float(found[name]) for name in Ceilings.__dataclass_fields__}), ""


def reach(done: Work, milliseconds: float, ceiling: Ceilings, threads: int) -> Reach:
    """How far a time is from what the ceilings of all threads allow."""
    least = least_ms(done, ceiling) / threads
    gflops = 1000 * done.gflop / milliseconds
    return Reach(gflops, gflops / (ceiling.gemm_gflops * threads), least, least / milliseconds)


def least_ms(done: Work, ceiling: Ceilings) -> float:
    """Milliseconds of one thread at the ceilings."""
    return 1000 * done.gflop / ceiling.gemm_gflops + done.sines * ceiling.sine_ns


def profile(engine: Any, flat: Flat, coordinates: Coordinates, targets: Values) -> tuple[dict[str, float] | None, str]:
    """Milliseconds of the parts of a step, of all threads together, or None and why there are none.

    The engine tells them by ``profile(params, coordinates, targets, steps)``: a mapping from parts to seconds of one
    step, a mean over some steps that leave `params` as they are. A part is the kind of an operation, such as "linear",
    or something else, such as "adam"; what follows a colon tells parts of one kind apart ("linear: forward").
    """
    measure: Any = getattr(engine, "profile", None)
    if measure is None:
        return None, "no parts of a step: this build of the kernels does not measure them (its engine has no profile)"
    return {str(part): 1000 * float(s) for part, s in measure(flat, coordinates, targets, PROFILED_STEPS).items()}, ""


def by_kind(parts: Mapping[str, float], done: Work, ceiling: Ceilings | None) -> list[Part]:
    """The parts of a step by the kind of layer, the longest first."""
    total = sum(parts.values())
    kinds: dict[str, float] = {}
    for part, ms in parts.items():
        kind = part.partition(":")[0]
        kinds[kind] = kinds.get(kind, 0.0) + ms
    periodic = [kind for kind in kinds if kind in _PERIODIC]
    found = []
    for kind, ms in kinds.items():
        least = None
        if ceiling is not None and kind == "linear":
            least = least_ms(Work(done.gflop, 0), ceiling)
        elif ceiling is not None and periodic == [kind]:  # whose sines are whose is not told if there are several
            least = least_ms(Work(0, done.sines), ceiling)
        found.append(Part(kind, ms, ms / total, None if least is None else least / ms))
    return sorted(found, key=lambda part: -part.ms)


_PERIODIC = ("sine", "finer", "sine filter", "real gabor", "complex gabor", "fourier", "fourier series")
