"""Compiled kernels on graphs: layers and values used at several places, several outputs, and layers of no use."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch

from inr.backends.lowering import refusal
from inr.backends.torch import TorchNetwork
from inr.layers import (
    Add,
    Blend,
    ComplexGabor,
    ComplexLinear,
    Concat,
    Constant,
    CoordinateNoise,
    CpContraction,
    DenseGrid,
    Gaussian,
    HashGrid,
    Layer,
    LayerNorm,
    Linear,
    Matrix,
    Multiply,
    RealGabor,
    RealPart,
    ReLU,
    Sine,
    SineFilter,
    Tanh,
    TuckerContraction,
)
from inr.layers.graph import Graph
from inr.layers.network import Network
from tests.support.native_reference import (
    Batch,
    Found,
    Lowered,
    assert_same_results,
    batch_of,
    computed,
    each_set,
    each_thread_count,
    needs_kernels,
    randomised_layers,
    reference,
)

pytestmark = needs_kernels

W = 7


def chain(*layers: Layer) -> Network:
    return Network(layers)


def reads(layers: list[Layer], sources: list[tuple[int, ...]], *heads: int) -> Network:
    return Network(layers, sources, heads or None)


def shared(layer: Layer, width: int = W) -> Network:
    """One layer at two places, the second one behind the first, and the two added."""
    layers = [Linear(2, width), layer, Tanh(), layer, Add(), Linear(width, 2)]
    return reads(layers, [(0,), (1,), (2,), (3,), (2, 4), (5,)])


def head_in_the_middle(*heads: int) -> Network:
    """An output that later layers read, at the end of an elementwise function or of a matrix."""
    layers = [Linear(2, 2), Sine(3.0), Linear(2, 2), Gaussian(1.0), Linear(2, 2)]
    return reads(layers, [(0,), (1,), (2,), (3,), (4,)], *heads)


def dead() -> Network:
    """Layers with parameters on which no output depends, among those on which it does."""
    layers = [Linear(2, W), Linear(2, 9), Sine(2.0), LayerNorm(9), Tanh(), Linear(W, 2), Linear(9, 3)]
    return reads(layers, [(0,), (0,), (1,), (2,), (4,), (3,), (5,)], 6)


def dead_in_shared() -> Network:
    """A layer whose first place is dead and whose second is not."""
    layer = Linear(W, W)
    layers = [Linear(2, W), layer, Sine(2.0), layer, Linear(W, 2)]
    return reads(layers, [(0,), (1,), (1,), (3,), (4,)])


def skip() -> Network:
    """A value read by a matrix, two products, a sum and a function, and coordinates that are read again late."""
    layers = [Linear(2, W), Sine(2.0), Multiply(), Add(), Tanh(), Concat(), Linear(2 * W + 2, 2)]
    return reads(layers, [(0,), (1,), (1, 2), (3, 1), (1,), (4, 5, 0), (6,)])


def twice() -> Network:
    """The same value in two inputs of one layer."""
    layers = [Linear(2, W), Multiply(), Add(), Concat(), Blend(0.3), Linear(2 * W, 2)]
    return reads(layers, [(0,), (1, 1, 1), (2, 2), (3, 3), (4, 4), (5,)])


def factors_twice() -> Network:
    """Contractions that are given one value several times."""
    layers = [Linear(2, 3), CpContraction(3, 1), TuckerContraction((3, 3, 3), 1), Concat()]
    return reads(layers, [(0,), (1, 1, 1), (1, 1, 1), (2, 3)])


def gabor_twice() -> Network:
    layers = [Linear(2, 6), RealGabor(2.0, 1.0), ComplexGabor(1.5, 1.0), RealPart(), Linear(6, 2)]
    return reads(layers, [(0,), (1, 1), (2, 2), (3,), (4,)])


def functions_of_coordinates() -> Network:
    """Elementwise functions of the coordinates themselves, which others read too."""
    layers = [Sine(2.0), Tanh(), ReLU(), Multiply(), Linear(2, 2)]
    return reads(layers, [(0,), (0,), (1,), (3, 2, 0), (4,)])


def functions_in_a_row() -> Network:
    return chain(Linear(2, W), Sine(2.0), Tanh(), Gaussian(0.7), Sine(1.5), Linear(W, 2), Tanh(), Sine(1.0))


def function_of_a_gabor() -> Network:
    """What overwrites its input must not, where that input is needed on the way back."""
    return chain(Linear(2, W), RealGabor(2.0, 1.0), Sine(2.0), ComplexGabor(1.0, 1.0), Tanh(), Linear(2 * W, 2))


def no_coordinates() -> Network:
    """An output that no coordinate moves."""
    return chain(Constant(0.5, 3), Linear(3, W), Tanh(), Linear(W, 2))


def held_back() -> Network:
    """Trained layers whose outputs are read only by what lets no gradient through."""
    layers = [Linear(2, 2), Constant(0.5, 3), CoordinateNoise(2, 8, 5), Linear(2, W), Concat(), Linear(W + 5, 2)]
    return reads(layers, [(0,), (1,), (1,), (0,), (2, 3, 4), (5,)])


def held_back_once() -> Network:
    """A layer of which one place lets no gradient through, and the other does."""
    layer = Linear(2, W)
    layers = [layer, Constant(0.5, 3), layer, Concat(), Linear(W + 3, 2)]
    return reads(layers, [(0,), (1,), (0,), (2, 3), (4,)])


def given_head() -> Network:
    """An output that no parameter moves, and one that nothing moves, beside one that is trained."""
    layers = [Tanh(), CoordinateNoise(2, 8, 5), Linear(2, 2)]
    return reads(layers, [(0,), (0,), (1,)], 1, 2, 3)


def two_grids() -> Network:
    """Tables of two layers, one behind a trained layer."""
    layers = [HashGrid(2, 2, 2, 64, 3, 9), Linear(2, 2), Tanh(), DenseGrid(((3, 3),), (1.0, 1.0), 3), Concat()]
    return reads([*layers, Linear(7, 2)], [(0,), (0,), (2,), (3,), (1, 4), (5,)])


def grid_at_the_end() -> Network:
    return chain(HashGrid(2, 1, 2, 16, 3, 3))


NETWORKS: dict[str, Callable[[], Network]] = {
    "shared linear": lambda: shared(Linear(W, W)),
    "shared matrix": lambda: shared(Matrix(W, W)),
    "shared complex": lambda: shared(ComplexLinear(4, 4), 8),
    "shared normalisation": lambda: shared(LayerNorm(W)),
    "shared function": lambda: shared(Sine(3.0)),
    "shared filter": lambda: shared(SineFilter(np.array([[1, 0], [0, 2]])), 2),
    "all heads": lambda: head_in_the_middle(1, 2, 3, 4, 5),
    "head before a function": lambda: head_in_the_middle(1, 5),
    "head behind a function": lambda: head_in_the_middle(2, 5),
    "last head in the middle": lambda: head_in_the_middle(5, 2),
    "one head twice": lambda: head_in_the_middle(3, 3),
    "dead layers": dead,
    "first place dead": dead_in_shared,
    "skips": skip,
    "one value twice": twice,
    "one factor twice": factors_twice,
    "one gabor value twice": gabor_twice,
    "functions of coordinates": functions_of_coordinates,
    "functions in a row": functions_in_a_row,
    "function of a gabor": function_of_a_gabor,
    "no coordinates": no_coordinates,
    "held back": held_back,
    "held back once": held_back_once,
    "outputs without parameters": given_head,
    "two grids": two_grids,
    "grid at the end": grid_at_the_end,
}


@cache
def case(name: str, n: int) -> tuple[Lowered, Batch, Found]:
    network = randomised_layers(NETWORKS[name]())
    batch = batch_of(n, 2, 2, seed=n, weighted=n == 65)
    return Lowered.of(network, 2), batch, reference(network, batch)


@each_set
@each_thread_count
@pytest.mark.parametrize("name", NETWORKS)
def test_graph_is_that_of_float64(name: str, threads: int, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    for n in (1, 65, 150):
        lowered, batch, expected = case(name, n)
        for gradient in (False, True):
            assert_same_results(computed(lowered, batch, gradient, threads), expected, lowered.parameters)


def random_graph(seed: int, widths: tuple[int, ...] = (2, 6, 16, 18)) -> TorchNetwork:
    """Any layers that keep the width, reading any earlier values; any of these are outputs."""
    rng = np.random.Generator(np.random.PCG64(seed))
    width = int(rng.choice(widths))
    kept: list[Layer] = [
        Linear(width, width),
        Matrix(width, width),
        LayerNorm(width),
        ComplexLinear(width // 2, width // 2),
    ]
    graph = Graph()
    values = [graph.add(Linear(2, width), 0)]
    for _ in range(int(rng.integers(1, 14))):
        sources = [int(s) for s in rng.choice(values, 3)]
        match int(rng.integers(9)):
            case 0 | 1:
                values.append(graph.add(kept[int(rng.integers(len(kept)))], sources[0]))
            case 2:
                values.append(graph.add(Multiply(), *sources))
            case 3:
                values.append(graph.add(Add(), *sources[:2]))
            case 4:
                values.append(graph.add(ComplexGabor(1.0, 0.8), *sources[: int(rng.integers(1, 3))]))
            case 5:
                values.append(graph.add(RealPart(), graph.add(RealGabor(1.0, 0.8), *sources[:1])))
            case 6:
                values.append(graph.add(RealPart(), graph.add(Concat(), *sources[:2])))
            case _:
                function = (Sine(1.5), Tanh(), Gaussian(0.8))[int(rng.integers(3))]
                values.append(graph.add(function, sources[0]))
    heads = sorted({int(h) for h in rng.choice(values, int(rng.integers(1, 4)))})
    return randomised_layers(graph.network(*heads), seed)


@pytest.mark.parametrize("seed", range(60))
def test_random_graph_is_that_of_float64(seed: int) -> None:
    """On the best instruction set; what a graph decides, where values lie and who adds to what, is the same in all."""
    network = random_graph(seed)
    batch = batch_of(70, 2, int(network(torch.zeros(1, 2)).shape[1]), seed)
    lowered, expected = Lowered.of(network, 2), reference(network, batch)
    for gradient in (False, True):
        assert_same_results(computed(lowered, batch, gradient), expected, lowered.parameters)


def test_layers_of_no_use_get_no_gradients() -> None:
    lowered, batch, _ = case("dead layers", 65)
    gradients = np.empty_like(lowered.flat)
    lowered.engine(True).train_points(lowered.flat, batch.x, batch.targets, gradients=gradients)
    found = lowered.parameters.views(gradients)
    for name in ("1.weight", "1.bias", "3.weight", "3.bias", "6.weight", "6.bias"):
        assert not found[name].any()
    assert found["0.weight"].all()


def test_table_that_is_read_twice_is_refused() -> None:
    grid = HashGrid(2, 2, 2, 64, 3, 9)
    network = reads([grid, Linear(4, 2), grid, Concat(), Linear(8, 2)], [(0,), (1,), (2,), (1, 3), (4,)])
    assert refusal(network) == "layer 0 (HashGrid): a table that is read at several places has none"
