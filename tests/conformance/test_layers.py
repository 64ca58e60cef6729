"""Every layer by itself: derivatives, rows, types, devices. What a layer computes is tested beside its model.

A new layer is one more row of `LAYERS`: a name, how to make it, and the number of features of each input.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from inr import layers as vocabulary
from inr.layers import (
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

Factory = Callable[[], Layer]

LAYERS: list[tuple[str, Factory, tuple[int, ...]]] = [
    ("Add", Add, (3, 3, 3)),
    ("Axis", lambda: Axis(1), (3,)),
    ("Blend", lambda: Blend(0.3), (3, 3)),
    ("Chebyshev", lambda: Chebyshev(9), (2,)),
    ("Columns", lambda: Columns(1, 3), (4,)),
    ("ComplexGabor", lambda: ComplexGabor(2.0, 1.5), (6,)),
    ("ComplexGabor-2", lambda: ComplexGabor(2.0, 1.5), (6, 6)),
    ("ComplexLinear", lambda: ComplexLinear(3, 2), (6,)),
    ("Concat", Concat, (3, 2)),
    ("Constant", lambda: Constant(0.5, 2), (3,)),
    ("CoordinateNoise", lambda: CoordinateNoise(3, 16, 5), (2,)),
    ("CpContraction", lambda: CpContraction(4, 2), (4, 4, 8)),
    ("DenseGrid", lambda: DenseGrid(((2, 3), (4, 5)), (0.75, 1.0), 2), (2,)),
    ("Finer", lambda: Finer(3.0, full_gradient=True), (4,)),
    ("Fourier", lambda: Fourier(np.array([[0.5, -1.0], [2.0, 0.25]])), (2,)),
    ("FourierSeries", lambda: FourierSeries(5), (2,)),
    ("GatedTanh", lambda: GatedTanh(3.0), (4,)),
    ("Gaussian", lambda: Gaussian(2.0), (4,)),
    ("HashGrid", lambda: HashGrid(2, 3, 2, 64, 3, 9), (2,)),
    ("LayerNorm", lambda: LayerNorm(4), (4,)),
    ("LeakyReLU", lambda: LeakyReLU(0.2), (4,)),
    ("Linear", lambda: Linear(3, 2), (3,)),
    ("Matrix", lambda: Matrix(3, 2), (3,)),
    ("Multiply", Multiply, (3, 3, 3)),
    ("NoisyTarget", NoisyTarget, (3, 3, 1, 3)),
    ("ReLU", ReLU, (4,)),
    ("RealGabor", lambda: RealGabor(2.0, 1.5), (3,)),
    ("RealGabor-2", lambda: RealGabor(2.0, 1.5), (3, 3)),
    ("RealPart", RealPart, (6,)),
    ("Sine", lambda: Sine(3.0), (4,)),
    ("SineFilter", lambda: SineFilter(np.array([[1, -2], [0, 3], [4, 0]])), (2,)),
    ("Tanh", Tanh, (4,)),
    ("TtContraction", lambda: TtContraction(3, 2), (3, 9, 6)),
    ("TuckerContraction", lambda: TuckerContraction((2, 3, 4), 2), (2, 3, 4)),
]

CONSTANT = {"Constant", "CoordinateNoise"}
"""Layers that are piecewise constant, so that nothing passes through them backwards."""

each_layer = pytest.mark.parametrize(("make", "widths"), [row[1:] for row in LAYERS], ids=[row[0] for row in LAYERS])


def filled(make: Factory) -> Layer:
    """The layer with random parameters."""
    layer = make()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(generator=generator)
    return layer


def inputs(widths: tuple[int, ...], n: int = 6) -> list[torch.Tensor]:
    """Random rows in [-0.99, 0.99] for each input, in float64."""
    generator = torch.Generator().manual_seed(2)
    return [(torch.rand(n, width, generator=generator, dtype=torch.float64) * 2 - 1) * 0.99 for width in widths]


def test_all_layers_are_in_the_table() -> None:
    kinds = {name: getattr(vocabulary, name) for name in vocabulary.__all__}
    final = {name for name, kind in kinds.items() if isinstance(kind, type) and getattr(kind, "__final__", False)}
    assert {name.partition("-")[0] for name, _, _ in LAYERS} == final


@each_layer
def test_derivatives_are_those_of_the_function(make: Factory, widths: tuple[int, ...]) -> None:
    """By the inputs and by every parameter, in float64, against finite differences."""
    layer = filled(make).double()
    if type(layer).__name__ in CONSTANT:
        assert not layer(*[value.requires_grad_() for value in inputs(widths)]).requires_grad
        return
    names = [name for name, _ in layer.named_parameters()]
    count = len(widths)

    def value(*tensors: torch.Tensor) -> torch.Tensor:
        named = dict(zip(names, tensors[count:], strict=True))
        result: torch.Tensor = torch.func.functional_call(layer, named, tensors[:count])
        return result

    tensors = [tensor.detach().clone().requires_grad_() for tensor in (*inputs(widths), *layer.parameters())]
    assert torch.autograd.gradcheck(value, tensors)


@each_layer
def test_each_row_stands_for_itself(make: Factory, widths: tuple[int, ...]) -> None:
    layer, x = filled(make), [value.float() for value in inputs(widths)]
    with torch.no_grad():
        whole = layer(*x)
        assert whole.dtype == torch.float32
        assert whole.ndim == 2
        for rows in (slice(0, 0), slice(2, 3), slice(1, 5)):
            torch.testing.assert_close(layer(*[value[rows] for value in x]), whole[rows], rtol=1e-5, atol=1e-6)


@each_layer
def test_layout_names_all_that_is_stored(make: Factory, widths: tuple[int, ...]) -> None:
    del widths
    layer = make()
    with torch.device("meta"):
        assert make().layout() == layer.layout()
    layouts = {layout.name: layout for layout in layer.layout()}
    assert list(layouts) == [name for name, _ in layer.named_parameters()] == list(layer.state_dict())
    for name, tensor in layer.named_parameters():
        assert layouts[name].shape == tuple(tensor.shape)
        assert sum(layouts[name].groups) == tensor.shape[0]


def test_finer_has_the_gradient_of_its_authors_code() -> None:
    """The factor |x| + 1 counts as a constant: omega (|x| + 1) cos(omega (|x| + 1) x), and the same values."""
    x = torch.linspace(-2, 2, 41, dtype=torch.float64).requires_grad_()
    y = Finer(3.0)(x)
    assert torch.equal(y, Finer(3.0, full_gradient=True)(x))
    (slope,) = torch.autograd.grad(y.sum(), x)
    scale = 3.0 * (x.abs() + 1).detach()
    torch.testing.assert_close(slope, scale * torch.cos(scale * x), rtol=1e-12, atol=1e-12)
