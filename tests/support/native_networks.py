"""A small network around every layer of the vocabulary, for what is tested layer by layer.

A new layer that the compiled kernels have is one more row of `AROUND`.
"""

from collections.abc import Callable

import numpy as np

from inr.backends.torch import TorchNetwork
from inr.layers import (
    LAYERS,
    Activation,
    Add,
    Axis,
    Blend,
    Chebyshev,
    Columns,
    ComplexGabor,
    ComplexLinear,
    Concat,
    Constant,
    CoordinateNoise,
    CpContraction,
    DenseGrid,
    Finer,
    Fourier,
    FourierSeries,
    GatedTanh,
    Gaussian,
    HashGrid,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    Matrix,
    Multiply,
    NoisyTarget,
    RealGabor,
    RealPart,
    ReLU,
    Sine,
    SineFilter,
    Tanh,
    TtContraction,
    TuckerContraction,
)
from inr.layers.graph import Graph
from tests.support.native_reference import layer_width, randomised_layers

Builder = Callable[[int, int], TorchNetwork]
"""Width of the layer and number of coordinates -> network with two outputs."""

D_OUT = 2


def finished(graph: Graph, value: int, width: int) -> TorchNetwork:
    """With a linear layer behind the value that is tested, whose output is half of what the last head is."""
    return randomised_layers(graph.network(graph.add(Linear(width, D_OUT), value)))


def inside(make: Callable[[int], Layer], *widths: Callable[[int], int]) -> Builder:
    """The layer between linear layers, one before each of its inputs, so that every derivative is needed."""

    def build(width: int, d_in: int) -> TorchNetwork:
        graph, layer = Graph(), make(width)
        sizes = [count(width) for count in widths]
        before = [graph.add(Linear(d_in, size), 0) for size in sizes]
        return finished(graph, graph.add(layer, *before), layer_width(layer, sizes))

    return build


def outside(make: Callable[[int, int], Layer], axes: int = 4) -> Builder:
    """The layer on the coordinates, of which it reads so many at most."""

    def build(width: int, d_in: int) -> TorchNetwork:
        graph, d = Graph(), min(d_in, axes)
        layer, source = make(width, d), graph.add(Columns(0, d), 0) if d < d_in else 0
        return finished(graph, graph.add(layer, source), layer_width(layer, [d]))

    return build


def behind(make: Callable[[int, int], Layer]) -> Builder:
    """A layer that usually reads coordinates, on features that are trained."""

    def build(width: int, d_in: int) -> TorchNetwork:
        graph, layer = Graph(), make(width, d_in)
        moved = graph.add(Tanh(), graph.add(Linear(d_in, d_in), 0))
        return finished(graph, graph.add(layer, moved), layer_width(layer, [d_in]))

    return build


def constant(width: int, d_in: int) -> TorchNetwork:
    """A constant beside what depends on the coordinates."""
    graph = Graph()
    features = graph.add(Linear(d_in, width), 0)
    joined = graph.add(Concat(), features, graph.add(Constant(0.7, width), 0))
    return finished(graph, joined, 2 * width)


def noise(width: int, d_in: int) -> TorchNetwork:
    """Noise of the cells beside what depends on the coordinates."""
    graph = Graph()
    features = graph.add(Linear(d_in, width), 0)
    joined = graph.add(Concat(), features, graph.add(CoordinateNoise(width, 8, 5), 0))
    return finished(graph, joined, 2 * width)


def noisy_target(width: int, d_in: int) -> TorchNetwork:
    """What the state of a denoising process looks like, of numbers that are given."""
    graph = Graph()
    given = graph.add(CoordinateNoise(width, 8, 5), 0), graph.add(CoordinateNoise(width, 4, 6), 0)
    state = graph.add(NoisyTarget(), given[0], given[1], graph.add(Constant(0.3), 0), given[0])
    joined = graph.add(Concat(), graph.add(Linear(d_in, width), 0), state)
    return finished(graph, joined, 2 * width)


def series(width: int) -> int:
    """Frequencies, or polynomials, of which the highest keeps float32 within the tolerances."""
    return 1 + width % 9


def cycles(width: int, d_in: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.Generator(np.random.PCG64(width))
    return rng.uniform(-2, 2, (width, d_in))


def dense_grid(width: int, d_in: int) -> DenseGrid:
    """Two levels; some points lie beyond the extents, where the features are those of the border."""
    levels = (tuple(2 + axis for axis in range(d_in)), tuple(4 + axis for axis in range(d_in)))
    return DenseGrid(levels, (0.75, 1.0, 0.875, 1.0)[:d_in], 1 + width % 9)


def hash_grid(width: int, d_in: int) -> HashGrid:
    """Levels with a row for every node, and, but for one axis, levels that are hashed."""
    return HashGrid(d_in, 3, 1 + width % 9, 64, 3, 9)


def same(width: int) -> int:
    return width


def double(width: int) -> int:
    return 2 * width


def few(width: int) -> int:
    return 1 + width % 5


def square(width: int) -> int:
    return few(width) ** 2


def channels(width: int) -> int:
    return 3 * few(width)


AROUND: dict[str, Builder] = {
    "Add": inside(lambda w: Add(), same, same, same),
    "Axis": outside(lambda w, d: Axis(w % d)),
    "Blend": inside(lambda w: Blend(0.3), same, same),
    "Chebyshev": outside(lambda w, d: Chebyshev(series(w))),
    "Chebyshev-behind": behind(lambda w, d: Chebyshev(series(w))),
    "Columns": inside(lambda w: Columns(w // 3, w), same),
    "ComplexGabor": inside(lambda w: ComplexGabor(2.0, 1.5), double),
    "ComplexGabor-2": inside(lambda w: ComplexGabor(2.0, 1.5), double, double),
    "ComplexLinear": inside(lambda w: ComplexLinear(w, w + 1), double),
    "Concat": inside(lambda w: Concat(), same, few, same),
    "Constant": constant,
    "CoordinateNoise": noise,
    "CpContraction": inside(lambda w: CpContraction(w, 2), same, same, double),
    "CpContraction-2": inside(lambda w: CpContraction(w, 2), same, double),
    "DenseGrid": outside(dense_grid),
    "DenseGrid-behind": behind(dense_grid),
    "Finer": inside(lambda w: Finer(3.0), same),
    "Finer-full": inside(lambda w: Finer(3.0, full_gradient=True), same),
    "Fourier": outside(lambda w, d: Fourier(cycles(w, d))),
    "Fourier-behind": behind(lambda w, d: Fourier(cycles(w, d))),
    "FourierSeries": outside(lambda w, d: FourierSeries(series(w))),
    "FourierSeries-behind": behind(lambda w, d: FourierSeries(series(w))),
    "GatedTanh": inside(lambda w: GatedTanh(3.0), same),
    "Gaussian": inside(lambda w: Gaussian(2.0), same),
    "HashGrid": outside(hash_grid),
    "HashGrid-behind": behind(hash_grid),
    "LayerNorm": inside(LayerNorm, same),
    "LeakyReLU": inside(lambda w: LeakyReLU(0.2), same),
    "Linear": inside(lambda w: Linear(w, w + 1), same),
    "Matrix": inside(lambda w: Matrix(w, w + 1), same),
    "Multiply": inside(lambda w: Multiply(), same, same, same),
    "NoisyTarget": noisy_target,
    "ReLU": inside(lambda w: ReLU(), same),
    "RealGabor": inside(lambda w: RealGabor(2.0, 1.5), same),
    "RealGabor-2": inside(lambda w: RealGabor(2.0, 1.5), same, same),
    "RealPart": inside(lambda w: RealPart(), double),
    "Sine": inside(lambda w: Sine(3.0), same),
    "SineFilter": outside(lambda w, d: SineFilter(np.rint(2 * cycles(w, d)).astype(np.int64))),
    "SineFilter-behind": behind(lambda w, d: SineFilter(np.rint(2 * cycles(w, d)).astype(np.int64))),
    "Tanh": inside(lambda w: Tanh(), same),
    "TtContraction": inside(lambda w: TtContraction(few(w), 3), few, square, channels),
    "TtContraction-4": inside(lambda w: TtContraction(few(w), 3), few, square, square, channels),
    "TuckerContraction": inside(lambda w: TuckerContraction((few(w), 3, 2), 2), few, lambda w: 3, lambda w: 2),
    "TuckerContraction-4": inside(
        lambda w: TuckerContraction((2, 3, few(w), 4), 3), lambda w: 2, lambda w: 3, few, lambda w: 4
    ),
}


def _example(layer: Layer) -> Callable[[int], Layer]:
    return lambda width: layer


for _cls in LAYERS:  # an elementwise layer that has an operation needs no row here
    for _layer, _ in _cls.EXAMPLES[:1] if issubclass(_cls, Activation) else ():
        if _layer.operation(1) is not None:
            AROUND.setdefault(_cls.__name__, inside(_example(_layer), same))
