"""Compiled kernels, layer by layer: values and gradients against torch in float64, on every instruction set."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.backends.lowering import refusal
from inr.backends.native.backend import NativeBackend
from inr.backends.select import select
from inr.errors import SpecError
from inr.layers import LAYERS, Activation, Columns, ComplexLinear, Contraction, CpContraction, Layer, Linear, Sine, Tanh
from inr.layers.network import Network
from inr.layers.operation import Operation
from tests.support.native_networks import AROUND, D_OUT
from tests.support.native_reference import (
    BF16_SETS,
    SETS,
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
    values_of,
)

COUNTS = (1, 15, 17, 63, 64, 65, 127, 128, 129, 150)
"""Points: around the lanes of a vector, a register block, a tile of the engine, and two of them."""
WIDTHS = (1, 3, 15, 16, 17, 65)
SIZES = [(n, 17, 2) for n in COUNTS] + [(65, width, 3) for width in WIDTHS] + [(33, 5, d) for d in (1, 2, 3, 4)]
"""Points, width, coordinates."""

pytestmark = needs_kernels
each_layer = pytest.mark.parametrize("name", AROUND)


@cache
def case(name: str, n: int, width: int, d_in: int) -> tuple[Lowered, Batch, Found]:
    """A network with a batch and what float64 makes of it; every second batch has weights."""
    network = AROUND[name](width, d_in)
    batch = batch_of(n, d_in, D_OUT, seed=n + width, weighted=n % 2 == 0)
    return Lowered.of(network, d_in), batch, reference(network, batch)


def test_every_layer_is_tested_or_refused() -> None:
    tested = {name.partition("-")[0] for name in AROUND}
    kinds = {kind.__name__: kind for kind in LAYERS}
    assert tested <= set(kinds)
    for name in set(kinds) - tested:
        reason = refusal(Network([kinds[name].__new__(kinds[name])]))
        assert reason is not None, f"{name} is lowered: it needs a row in tests/support/native_networks.py"
        assert name in reason


@each_layer
def test_layer_is_inside_its_network(name: str) -> None:
    """So that no row of the table tests something else."""
    for width, d_in in ((1, 1), (17, 4)):
        network = AROUND[name](width, d_in)
        assert name.partition("-")[0] in {type(layer).__name__ for layer in network.network.layers}
        assert refusal(network.network) is None


@each_set
@each_thread_count
@each_layer
def test_layer_is_that_of_float64(name: str, threads: int, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    for n, width, d_in in SIZES:
        lowered, batch, expected = case(name, n, width, d_in)
        for gradient in (False, True):
            found = computed(lowered, batch, gradient, threads)
            assert_same_results(found, expected, lowered.parameters)


@each_set
@each_layer
def test_tiles_of_every_size_agree(name: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    lowered, batch, expected = case(name, 150, 17, 2)
    for tile in (128, 192, 256):
        assert_same_results(computed(lowered, batch, tile=tile), expected, lowered.parameters)


@each_set
@each_layer
def test_results_repeat_to_the_bit(name: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of an engine that has worked on something else before."""
    monkeypatch.setenv("INR_ISA", isa)
    lowered, batch, _ = case(name, 129, 17, 2)
    first, second = computed(lowered, batch), computed(lowered, batch)
    assert first.loss == second.loss
    for kind in ("values", "residuals", "gradients", "input_gradients"):
        np.testing.assert_array_equal(getattr(first, kind), getattr(second, kind))
    engine = lowered.engine(True)
    other = batch_of(150, 2, D_OUT, seed=9)
    again = np.full_like(lowered.flat, np.nan)
    for points in (batch, other, batch):
        engine.train_points(lowered.flat, points.x, points.targets, points.weights, gradients=again)
    np.testing.assert_array_equal(again, computed(lowered, batch, gradient=False).gradients)


@each_set
@each_layer
def test_rows_do_not_see_each_other(name: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No points at all give no values; one point gives the same bits alone and among others."""
    monkeypatch.setenv("INR_ISA", isa)
    lowered, batch, _ = case(name, 129, 17, 2)
    whole = values_of(lowered, batch.x)
    assert values_of(lowered, batch.x[:0]).shape == (0, D_OUT)
    for rows in (slice(0, 1), slice(60, 70), slice(100, 129)):
        np.testing.assert_array_equal(values_of(lowered, batch.x[rows].copy()), whole[rows])


class Cube(Activation):
    """A layer that no kernel is written for."""

    def forward(self, tensors: dict[str, Tensor], x: Tensor) -> Tensor:
        return x**3


def test_unknown_layer_is_refused_by_name() -> None:
    assert refusal(Network([Linear(2, 3), Cube()])) == "layer 1 (Cube) has no compiled kernel"
    assert refusal(Network([Linear(2, 3)])) is None


class Chosen(Activation):
    """A layer whose operation depends on the features it gets."""

    def __init__(self, kinds: dict[int, str]) -> None:
        self.kinds = kinds

    def operation(self, *inputs: int) -> Operation | None:
        kind = self.kinds.get(inputs[0])
        return None if kind is None else Operation(kind)

    def forward(self, tensors: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.relu(x)


def test_operations_are_asked_for_with_the_widths() -> None:
    """A layer may have none for some, and name one that this build of the kernels does not have."""
    layer = Chosen({3: "relu", 5: "cube"})
    assert refusal(Network([Linear(2, 3), layer])) is None
    assert refusal(Network([Linear(2, 4), layer])) == "layer 1 (Chosen) has no compiled kernel"
    unknown = "layer 1 (Chosen) has no compiled kernel: there is no operation 'cube'"
    assert refusal(Network([Linear(2, 5), layer])) == unknown
    assert select("auto", Network([Linear(2, 4), layer]), "cpu").kind == "torch"
    assert refusal(Network([Chosen({2: "relu"})])) is None
    lesson = Network([Columns(0, 2), Linear(2, 4), layer])
    assert "layer 2 (Chosen)" in str(refusal(Network([Linear(2, 4)], training_graph=lesson)))


def test_what_the_kernels_lack_at_this_number_of_axes_is_one_line() -> None:
    """A network is refused before it is told how many axes there are only if no number would do."""
    for kinds, problem in (
        ({3: "relu"}, "has no compiled kernel"),
        ({2: "cube", 3: "relu"}, "unknown operation cube"),
    ):
        network = Network([Chosen(kinds)])
        assert refusal(network) is None
        field = NativeBackend().field(network, {}, "cpu")
        with pytest.raises(SpecError, match=problem):
            field(np.zeros((4, 2), dtype=np.float32))


def test_layers_that_combine_axes_are_known() -> None:
    """What is no final class is a base of final ones."""
    assert issubclass(CpContraction, Contraction)
    assert Contraction not in set(LAYERS)


@pytest.mark.skipif(
    "avx512" not in SETS, reason="this machine has no AVX-512, in which the 16-bit products are written"
)
@each_thread_count
@pytest.mark.parametrize("width", [16, 17, 33, 65])
def test_products_of_16_bits_are_near_those_of_float64(
    width: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the instructions of AMX where there are any, and in ordinary code that does the same."""
    layers: list[Layer] = [Linear(3, width), Sine(3.0), Linear(width, width), Tanh()]
    layers += [ComplexLinear(width, width) if width % 2 == 0 else Linear(width, width)]
    if width % 2 == 0:
        layers.insert(4, Linear(width, 2 * width))
    layers += [Linear(2 * width if width % 2 == 0 else width, D_OUT)]
    network = randomised_layers(Network(layers))
    lowered, batch = Lowered.of(network, 3), batch_of(150, 3, D_OUT)
    expected = reference(network, batch)
    results = []
    for isa in BF16_SETS:
        monkeypatch.setenv("INR_ISA", isa)
        assert lowered.engine(True, bf16=True).bf16
        results.append(computed(lowered, batch, threads=threads, bf16=True))
        assert_same_results(results[-1], expected, lowered.parameters, bf16=True)
        assert np.abs(results[-1].values - expected.values).max() > 1e-6
    for found in results[1:]:  # sums of the same products in another order
        np.testing.assert_allclose(found.values, results[0].values, rtol=0, atol=1e-2)
