"""How much there is to compute in a network, and how fast the machine could do it.

Two ceilings are measured by loops of the kernels' own kind that do nothing else: products of matrices that lie in the
cache, and sines with their cosines. A step can be no faster than both take one after the other; elementwise work, the
memory of hash grids, sums over threads and Adam come on top. Beside them the kernels tell how long one thread is busy
with each operation.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inr import native
from inr.backends.base import Coordinates, Values
from inr.backends.lowering import Flat
from inr.layers import (
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
from inr.layers.network import Network

PROFILES = 7
"""Times that the parts of a step are measured; what counts is the median."""
REST = "rest"
"""What is none of the operations: the loss, gradients of tables of grids, sums over threads, Adam, packing, waiting."""
_WITH = "linear with "
_PERIODIC: dict[type[Layer], tuple[str, int]] = {
    Sine: ("sine", 1),
    Finer: ("finer", 1),
    SineFilter: ("sine filter", 1),
    RealGabor: ("real gabor", 2),
    ComplexGabor: ("complex gabor", 2),
    Fourier: ("fourier", 2),
    FourierSeries: ("fourier series", 2),
}
"""Kind of the operation of a layer, and its features for each pair of a sine and a cosine, of which one may be the
slope."""


@dataclass(frozen=True)
class Work:
    """What a step or a decode computes, over all its samples.

    Attributes:
        gflop: of matrix products, a product and a sum counting as two.
        sines: pairs of a sine and a cosine in the operations of each kind, millions.
    """

    gflop: float
    sines: dict[str, float]

    @property
    def all_sines(self) -> float:
        """Of all kinds, millions."""
        return sum(self.sines.values())


@dataclass(frozen=True)
class Ceilings:
    """What one thread of this machine reaches.

    Attributes:
        fma_gflops: independent multiplications with sums, 32 bits, GFLOP/s.
        gemm_gflops: matrix products of 32-bit operands, GFLOP/s.
        bf16_gemm_gflops: matrix products of 16-bit operands, GFLOP/s; 0 without such instructions.
        sine_ns: a sine and its cosine, nanoseconds.
    """

    fma_gflops: float
    gemm_gflops: float
    bf16_gemm_gflops: float
    sine_ns: float

    def products(self, precision: str) -> float:
        """That of matrix products in a precision, GFLOP/s."""
        return self.bf16_gemm_gflops if precision == "bf16" and self.bf16_gemm_gflops else self.gemm_gflops

    def least_ms(self, done: Work, precision: str) -> float:
        """Milliseconds that one thread takes at the ceilings."""
        return 1000 * done.gflop / self.products(precision) + done.all_sines * self.sine_ns


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
        kind: of the operations, or `REST`.
        ms: of all threads together.
        forward: milliseconds of that forwards, or None.
        backward: milliseconds of that backwards, or None.
        share: of all.
        of_ceiling: what its products or sines take at the ceiling, by `ms`; None for what has neither.
    """

    kind: str
    ms: float
    forward: float | None
    backward: float | None
    share: float
    of_ceiling: float | None


def work(network: Network, d_in: int, samples: int, training: bool) -> Work:
    """Count a network's work.

    Training multiplies by each matrix forwards, for the gradient of the matrix, and, unless nothing before it is
    trained, for the gradient of the layer's input.
    """
    layers, widths = network.layers, network.widths(d_in)
    products, sines = 0, dict[str, float]()
    for i, layer in enumerate(layers):
        if isinstance(layer, Linear | Matrix | ComplexLinear):
            entries = (4 if isinstance(layer, ComplexLinear) else 1) * layer.d_out * layer.d_in
            before = set().union(*(network.behind(source) for source in network.sources[i]))
            trained = any(layers[j].layout() for j in before)
            products += entries * (1 if not training else 3 if trained else 2)
        elif type(layer) in _PERIODIC:
            kind, features = _PERIODIC[type(layer)]
            sines[kind] = sines.get(kind, 0.0) + 1e-6 * samples * (widths[i + 1] // features)
    return Work(2e-9 * products * samples, sines)


def ceilings(seconds: float) -> tuple[Ceilings | None, str]:
    """The ceilings of one thread, each measured for some seconds, or None and why there are none.

    The kernels tell them by ``ceilings(seconds)``: a mapping from the names of the fields of `Ceilings`.
    """
    measure: Any = getattr(native.load(), "ceilings", None)
    if measure is None:
        return None, "no ceilings: this build of the kernels does not measure them (it has no ceilings)"
    found = measure(seconds)
    return Ceilings(**{name: float(found[name]) for name in Ceilings.__dataclass_fields__}), ""


def median_of(measured: Sequence[Ceilings]) -> Ceilings | None:
    """The medians of several measurements, or None if there are none."""
    if not measured:
        return None
    names = Ceilings.__dataclass_fields__
    return Ceilings(**{name: statistics.median(getattr(one, name) for one in measured) for name in names})


def reach(done: Work, milliseconds: float, ceiling: Ceilings, precision: str, threads: int) -> Reach:
    """How far a time is from what the ceilings of all threads allow."""
    least = ceiling.least_ms(done, precision) / threads
    gflops = 1000 * done.gflop / milliseconds
    return Reach(gflops, gflops / (ceiling.products(precision) * threads), least, least / milliseconds)


Parts = dict[str, tuple[float, float]]
"""Milliseconds that one thread would take for the operations of each kind, forwards and backwards."""


def profile(engine: Any, flat: Flat, coordinates: Coordinates, targets: Values) -> tuple[Parts | None, str]:
    """The parts of a step on a batch, or None and why there are none.

    The engine tells them by ``profile(params, coordinates, targets)``: for each operation its kind and the seconds that
    one thread takes for it, forwards and backwards, over the whole batch. A matrix product that does a function at once
    is ``linear with sine``, say; all matrix products are one part here, with all such functions.
    """
    measure: Any = getattr(engine, "profile", None)
    if measure is None:
        return None, "no parts of a step: this build of the kernels does not measure them (its engine has no profile)"
    runs = [measure(flat, coordinates, targets) for _ in range(PROFILES)]
    medians = np.median([[seconds for _, *seconds in run] for run in runs], axis=0)
    parts: Parts = {}
    functions = sorted({kind.removeprefix(_WITH) for kind, *_ in runs[0] if kind.startswith(_WITH)})
    products = _WITH + ", ".join(functions) if functions else "linear"
    for (name, *_), (forward, backward) in zip(runs[0], 1000 * medians, strict=True):
        kind = products if name.startswith("linear") else name
        before = parts.get(kind, (0.0, 0.0))
        parts[kind] = (before[0] + float(forward), before[1] + float(backward))
    return parts, ""


def by_kind(
    parts: Parts, done: Work, milliseconds: float, ceiling: Ceilings | None, precision: str, threads: int
) -> list[Part]:
    """Where the time of all threads goes, the longest part first.

    Args:
        parts: of `profile`.
        done: what a step computes.
        milliseconds: of a step.
        ceiling: of one thread.
        precision: of the products.
        threads: of the step.
    """
    busy = sum(forward + backward for forward, backward in parts.values())
    total = max(busy, milliseconds * threads)
    found = []
    for kind, (forward, backward) in parts.items():
        ms = forward + backward
        products, within = kind.startswith("linear"), kind.removeprefix(_WITH).split(", ")
        own = Work(
            done.gflop if products else 0.0,
            {name: done.sines.get(name, 0.0) for name in within if name == kind or name not in parts},
        )
        least = 0.0 if ceiling is None else ceiling.least_ms(own, precision)
        found.append(Part(kind, ms, forward, backward, ms / total, least / ms if least and ms else None))
    found.append(Part(REST, total - busy, None, None, 1 - busy / total, None))
    return sorted(found, key=lambda part: -part.ms)
