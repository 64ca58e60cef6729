"""Products with 16-bit operands: values and gradients near those of float64, row by row of every matrix.

Everywhere in the code that does in ordinary numbers what the instructions of AMX do, and in those where there are any.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch

from inr.layers import (
    Add,
    ComplexGabor,
    ComplexLinear,
    Concat,
    Constant,
    Finer,
    Fourier,
    GatedTanh,
    Gaussian,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    Multiply,
    RealPart,
    Sine,
    Tanh,
)
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec
from tests.conformance.test_native_graphs import chain, random_graph, reads
from tests.support.model_checks import initialised
from tests.support.native_reference import (
    SETS,
    Batch,
    Exact,
    Floats,
    Found,
    Lowered,
    batch_of,
    computed,
    each_bf16_set,
    each_thread_count,
    needs_kernels,
    randomised_layers,
    reference,
    training_width,
)

pytestmark = [
    needs_kernels,
    pytest.mark.skipif(
        "avx512" not in SETS, reason="this machine has no AVX-512, in which 16-bit products are written"
    ),
]

ROWS = 0.15
"""Of a row's gradients, as a share of their root mean square or of a tenth of that of all rows: operands are rounded to
8 bits (2e-3), and gradients that cancel grow that. Measured: at most 0.11.
"""
USUAL = 0.02
"""The same of bf16 of the rows. Measured: at most 0.008."""
MODEL_TENSORS = 0.2
"""Of a tensor's gradients, likewise: sines with omega = 30 multiply the errors of what comes before. Measured: 0.12."""
MODEL_VALUES = 0.05
"""Of the values, as a share of the largest. Measured: 0.03."""

FLAT = LeakyReLU(0.95)
"""A rectifier whose slope hardly differs where rounding changes a sign."""
Builder = Callable[[int], Network]


def between(function: Layer) -> Builder:
    """A function between matrices, behind coordinates, and before the output."""

    def build(w: int) -> Network:
        return chain(Linear(2, w), function, Linear(w, w), function, Linear(w, w), function, Linear(w, 2))

    build.__name__ = type(function).__name__
    return build


def matrices(w: int) -> Network:
    """Matrices without a function between them, and one that makes few features in the middle."""
    return chain(Linear(2, w), Linear(w, w), Linear(w, 3), Linear(3, w), Sine(1.0), Linear(w, w), Linear(w, 2))


def residual(w: int) -> Network:
    """A value that a matrix and a sum read."""
    layers: list[Layer] = [Linear(2, w), Sine(2.0), Linear(w, w), Tanh(), Add(), Linear(w, w), Sine(1.0), Linear(w, 2)]
    return reads(layers, [(0,), (1,), (2,), (3,), (2, 4), (5,), (6,), (7,)])


def two_readers(w: int) -> Network:
    """A value that two matrices read, one of which makes few features."""
    layers: list[Layer] = [Linear(2, w), Sine(2.0), Linear(w, w), Sine(1.0)]
    layers += [Linear(w, w), Linear(w, 5), Linear(w, w), Concat(), Linear(2 * w + 5, 2)]
    return reads(layers, [(0,), (1,), (2,), (3,), (4,), (4,), (4,), (5, 6, 7), (8,)])


def factors(w: int) -> Network:
    """Factors of the coordinates, rectifiers whose outputs are kept, as in Poly-INR."""
    layers: list[Layer] = [Linear(2, w), Linear(w, w), FLAT, Linear(2, w), Multiply(), Linear(w, w), FLAT]
    layers += [Linear(2, w), Multiply(), Linear(w, w), FLAT, Linear(w, 2)]
    return reads(layers, [(0,), (1,), (2,), (0,), (3, 4), (5,), (6,), (0,), (7, 8), (9,), (10,), (11,)])


def kept(w: int) -> Network:
    """A rectifier's output that a matrix, a product with itself and a sum read."""
    layers: list[Layer] = [Linear(2, w), Sine(2.0), Linear(w, w), FLAT, Multiply(), Linear(w, w), Add()]
    layers += [Linear(w, w), Tanh(), Linear(w, 2)]
    return reads(layers, [(0,), (1,), (2,), (3,), (4, 4), (4,), (5, 6, 4), (7,), (8,), (9,)])


def shared(w: int) -> Network:
    """One matrix at two places."""
    layer = Linear(w, w)
    return chain(Linear(2, w), Sine(2.0), layer, Sine(1.0), layer, Tanh(), Linear(w, 2))


def two_outputs(w: int) -> Network:
    """An output in the middle, of a function that a matrix reads too."""
    layers: list[Layer] = [Linear(2, w), Sine(2.0), Linear(w, 2), Tanh(), Linear(2, w), Sine(1.0), Linear(w, w), Tanh()]
    return reads([*layers, Linear(w, 2)], [(i,) for i in range(9)], 4, 9)


def wide_outputs(w: int) -> Network:
    """Outputs as wide as hidden layers, one of a function."""
    layers: list[Layer] = [Linear(2, w), Sine(2.0), Linear(w, 16), Tanh(), Linear(16, w), Sine(1.0), Linear(w, 16)]
    return reads(layers, [(i,) for i in range(7)], 4, 7)


def normalised(w: int) -> Network:
    """Features of the coordinates, a normalisation, and coordinates that are read late."""
    frequencies = np.random.Generator(np.random.PCG64(3)).normal(0, 0.3, (w, 2))
    layers: list[Layer] = [Fourier(frequencies), Linear(2 * w, w), LayerNorm(w), Sine(1.0), Linear(w, w), Concat()]
    return reads(
        [*layers, Linear(w + 2, w), Tanh(), Linear(w, 2)], [(0,), (1,), (2,), (3,), (4,), (5, 0), (6,), (7,), (8,)]
    )


def complex_numbers(w: int) -> Network:
    layers: list[Layer] = [Linear(2, 2 * w), ComplexLinear(w, w), ComplexGabor(1.0, 0.7), ComplexLinear(w, w)]
    return chain(*layers, RealPart(), Linear(w, 2))


def held_back_once(w: int) -> Network:
    """A value of which two matrices are made: one lets no gradient through."""
    layers: list[Layer] = [Linear(2, w), Sine(2.0), Add(), Linear(w, w), Constant(0.5, 3), Linear(w, w), Concat()]
    return reads([*layers, Linear(w + 3, 2)], [(0,), (1,), (1, 2), (3,), (4,), (3,), (5, 6), (7,)])


GRAPHS: list[Builder] = [
    *[between(f) for f in (Sine(2.0), Gaussian(0.7), Finer(0.8), GatedTanh(0.9), Tanh(), FLAT)],
    matrices,
    residual,
    two_readers,
    factors,
    kept,
    shared,
    two_outputs,
    wide_outputs,
    normalised,
    complex_numbers,
    held_back_once,
]
WIDTHS = (16, 17, 33, 48, 64)


@cache
def example(builder: Builder, width: int) -> tuple[Lowered, Batch, Found]:
    network = randomised_layers(builder(width))
    batch = batch_of(150, 2, 16 if builder is wide_outputs else 2)
    return Lowered.of(network, 2), batch, reference(network, batch)


def row_errors(found: Floats | Exact, expected: Floats | Exact, what: str) -> tuple[Exact, Exact]:
    """Of each row the root of its mean square error, and its size, or a tenth of that of all rows if that is more."""
    assert np.isfinite(found).all(), what
    sizes = np.sqrt(np.square(expected, dtype=np.float64).mean(axis=1))
    errors = np.sqrt(np.square(found - expected, dtype=np.float64).mean(axis=1))
    return errors, np.maximum(sizes, 0.1 * np.sqrt(np.square(sizes).mean()))


def assert_rows_are_near(found: Floats | Exact, expected: Floats | Exact, what: str) -> None:
    """All rows within `ROWS`, and bf16 of them within `USUAL`."""
    errors, sizes = row_errors(found, expected, what)
    allowed = ROWS * sizes
    worst = int(np.argmax(errors - allowed))
    assert np.median(errors / np.maximum(allowed, 1e-30)) <= USUAL / ROWS, f"{what}: bf16 of the rows"
    assert (errors <= allowed).all(), f"{what}: row {worst} differs by {errors[worst]:.3g} of {sizes[worst]:.3g}"


def assert_most_rows_are_near(found: Floats | Exact, expected: Floats | Exact, what: str) -> None:
    """Nine rows of ten within a tenth of what rows have."""
    errors, sizes = row_errors(found, expected, what)
    allowed = 0.1 * sizes + 1e-12
    assert np.quantile(errors / allowed, 0.9) <= 1, f"{what}: {errors} of {sizes}"


def tensors(lowered: Lowered, flat: Floats | Exact) -> dict[str, Floats | Exact]:
    """Gradients of each tensor, as matrices: vectors in one row."""
    parameters, parts = lowered.parameters, {}
    for name, offset in parameters.offsets.items():
        shape = parameters.shapes[name]
        part = flat[offset : offset + int(np.prod(shape))]
        parts[name] = part.reshape(shape if len(shape) == 2 else (1, -1))
    return parts


@each_bf16_set
@each_thread_count
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("builder", GRAPHS, ids=lambda builder: builder.__name__)
def test_graphs(builder: Builder, width: int, threads: int, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    lowered, batch, expected = example(builder, width)
    assert lowered.engine(True, bf16=True).bf16
    for tile in (64, 128):
        found = computed(lowered, batch, threads=threads, tile=tile, bf16=True)
        assert np.abs(found.values - expected.values).max() > 1e-6  # they are rounded
        np.testing.assert_allclose(found.loss, expected.loss, rtol=0.02)
        assert_rows_are_near(found.values.T, expected.values.T, "values")
        assert_rows_are_near(found.residuals.T, expected.residuals.T, "residuals")
        assert_rows_are_near(found.input_gradients.T, expected.input_gradients.T, "coordinates")
        exact = tensors(lowered, expected.gradients)
        for name, part in tensors(lowered, found.gradients).items():
            assert_rows_are_near(part, exact[name], name)


@each_bf16_set
@pytest.mark.parametrize("builder", GRAPHS, ids=lambda builder: builder.__name__)
def test_gradients_of_coordinates_change_nothing(builder: Builder, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    lowered, batch, _ = example(builder, 33)
    with_them, without = (computed(lowered, batch, gradient=gradient, bf16=True) for gradient in (True, False))
    np.testing.assert_array_equal(with_them.residuals, without.residuals)
    np.testing.assert_allclose(with_them.gradients, without.gradients, rtol=0, atol=1e-4)


@each_bf16_set
@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(seed: int, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any operations in any order: who packs what, what is kept and where it lies is decided by the graph.

    Gradients that cancel, and errors that grow on the way, are why only most rows have to be near.
    """
    monkeypatch.setenv("INR_ISA", isa)
    network = random_graph(seed, (16, 18, 32, 34))
    batch = batch_of(70, 2, int(network(torch.zeros(1, 2)).shape[1]), seed)
    lowered, expected = Lowered.of(network, 2), reference(network, batch)
    for gradient in (True, False):
        found = computed(lowered, batch, gradient, bf16=True)
        assert_most_rows_are_near(found.values.T, expected.values.T, "values")
        assert_most_rows_are_near(found.residuals.T, expected.residuals.T, "residuals")
        exact = tensors(lowered, expected.gradients)
        for name, part in tensors(lowered, found.gradients).items():
            assert_most_rows_are_near(part, exact[name], name)


SPECS: dict[str, ModelSpec] = {
    f"{cls.model_fields['kind'].default}-{i}": spec for cls in MODELS for i, spec in enumerate((*cls.EXAMPLES, cls()))
}


@each_bf16_set
@pytest.mark.parametrize("name", SPECS)
def test_models(name: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    network = initialised(SPECS[name], 2, 3)
    graph = network.network.training_graph or network.network
    lowered = Lowered.of(network, training_width(network, 2, 3), graph)
    rows, targets = batch_of(100, training_width(network, 2, 3), 3), batch_of(100, 2, 3)
    batch = Batch(rows.x, targets.targets)
    expected = reference(network, batch)
    found = computed(lowered, batch, bf16=True)
    scale = max(1.0, float(np.abs(expected.values).max()))
    assert float(np.abs(found.residuals - expected.residuals).max()) <= MODEL_VALUES * scale
    exact = tensors(lowered, expected.gradients)
    for part, (tensor, right) in zip(tensors(lowered, found.gradients).values(), exact.items(), strict=True):
        error, size = (float(np.sqrt(np.square(x, dtype=np.float64).sum())) for x in (part - right, right))
        whole = float(np.sqrt(np.square(expected.gradients).sum()))
        assert error <= MODEL_TENSORS * max(size, 0.01 * whole), f"{tensor}: {error / max(size, 1e-30):.3g}"
