"""Every layer by itself: derivatives, rows, types, JSON. What a layer computes is tested beside its model.

Registering a layer with examples brings it here.
"""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch

from inr.errors import SpecError, UnknownComponentError
from inr.layers import LAYERS, Activation, Finer, HashGrid, Layer, Linear, Sine, Uniform
from inr.layers.document import layer_document, layer_of
from inr.layers.initial import DISTRIBUTIONS, Distribution, Fixed, Halves, Ladder, Normal
from inr.layers.network import Network
from inr.rng import generator
from tests.support.torch_layers import TorchLayer

CASES = [(cls, *example) for cls in LAYERS for example in cls.EXAMPLES]

CONSTANT = {"constant", "coordinate_noise"}
"""Layers that are piecewise constant, so that nothing passes through them backwards."""

each_layer = pytest.mark.parametrize(
    ("layer", "widths"), [row[1:] for row in CASES], ids=[f"{cls.__name__}-{len(widths)}" for cls, _, widths in CASES]
)


def filled(layer: Layer) -> TorchLayer:
    """The layer with random parameters."""
    module = TorchLayer(layer)
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=source)
    return module


def inputs(widths: tuple[int, ...], n: int = 6) -> list[torch.Tensor]:
    """Random rows in [-0.99, 0.99] for each input, in float64."""
    generator = torch.Generator().manual_seed(2)
    return [(torch.rand(n, width, generator=generator, dtype=torch.float64) * 2 - 1) * 0.99 for width in widths]


@pytest.mark.parametrize("cls", list(LAYERS), ids=lambda cls: cls.kind)
def test_layer_has_examples(cls: type[Layer]) -> None:
    assert cls.EXAMPLES
    assert all(type(layer) is cls for layer, _ in cls.EXAMPLES)
    assert LAYERS.get(cls.kind) is cls


@each_layer
def test_derivatives_are_those_of_the_function(layer: Layer, widths: tuple[int, ...]) -> None:
    """By the inputs and by every parameter, in float64, against finite differences."""
    module = filled(layer).double()
    if layer.kind in CONSTANT:
        assert not module(*[value.requires_grad_() for value in inputs(widths)]).requires_grad
        return
    names = [name for name, _ in module.named_parameters()]
    count = len(widths)

    def value(*tensors: torch.Tensor) -> torch.Tensor:
        named = dict(zip(names, tensors[count:], strict=True))
        result: torch.Tensor = torch.func.functional_call(module, named, tensors[:count])
        return result

    tensors = [tensor.detach().clone().requires_grad_() for tensor in (*inputs(widths), *module.parameters())]
    assert torch.autograd.gradcheck(value, tensors)


@each_layer
def test_each_row_stands_for_itself(layer: Layer, widths: tuple[int, ...]) -> None:
    module, x = filled(layer), [value.float() for value in inputs(widths)]
    with torch.no_grad():
        whole = module(*x)
        assert whole.dtype == torch.float32
        assert whole.ndim == 2
        for rows in (slice(0, 0), slice(2, 3), slice(1, 5)):
            torch.testing.assert_close(module(*[value[rows] for value in x]), whole[rows], rtol=1e-5, atol=1e-6)


@each_layer
def test_width_is_that_of_the_output(layer: Layer, widths: tuple[int, ...]) -> None:
    assert layer.width(*widths) == filled(layer).double()(*inputs(widths)).shape[1]


@each_layer
def test_layout_names_all_that_is_stored(layer: Layer, widths: tuple[int, ...]) -> None:
    del widths
    layouts = {layout.name: layout for layout in layer.layout()}
    assert list(layouts) == list(layer.initial())
    for name, distribution in layer.initial().items():
        drawn = distribution.draw(generator(0), layouts[name].shape)
        assert drawn.dtype == np.float32
        assert drawn.shape == layouts[name].shape
        assert sum(layouts[name].groups) == drawn.shape[0]
    assert list(filled(layer).state_dict()) == [f"holder.{name}" for name in layouts]
    assert not layouts.keys() & layer.fixed().keys()


@each_layer
def test_json_gives_the_layer_back(layer: Layer, widths: tuple[int, ...]) -> None:
    network = Network([layer], [(0,) * len(widths)])
    again = Network.from_json(network.to_json())
    assert again.to_json() == network.to_json()
    assert type(again.layers[0]) is type(layer)
    other, one = filled(again.layers[0]).double(), filled(layer).double()
    x = inputs(widths)
    torch.testing.assert_close(other(*x), one(*x), rtol=0, atol=0)


@each_layer
def test_layer_never_changes(layer: Layer, widths: tuple[int, ...]) -> None:
    del widths
    with pytest.raises(AttributeError):
        layer.kind = "other"  # type: ignore[misc]
    assert type(layer).__hash__ is object.__hash__
    assert layer != copy.copy(layer)


DRAWN: list[tuple[Distribution, float, float, float, float]] = [
    (Uniform(0.5), -0.5, 0.5, 0.0, 0.5 / 3**0.5),
    (Uniform(0.5, centre=1.0), 0.5, 1.5, 1.0, 0.5 / 3**0.5),
    (Normal(2.0), -12.0, 12.0, 0.0, 2.0),
    (Fixed(0.25), 0.25, 0.25, 0.25, 0.0),
    (Halves(Uniform(1.0), Fixed(0.0)), -1.0, 1.0, 0.0, 6**-0.5),
    (Ladder(0.01), 0.0, 1.0, 0.5, 12**-0.5),
]


@pytest.mark.parametrize(("distribution", "low", "high", "mean", "deviation"), DRAWN, ids=lambda v: type(v).__name__)
def test_distributions(distribution: Distribution, low: float, high: float, mean: float, deviation: float) -> None:
    """20,000 numbers: means within 4 standard errors, deviations within 3 %."""
    drawn = distribution.draw(generator(0), (100, 200))
    assert low <= drawn.min() <= drawn.max() <= high
    assert float(drawn.mean()) == pytest.approx(mean, abs=4 * deviation / 141 + 1e-7)
    assert float(drawn.std()) == pytest.approx(deviation, rel=0.03)
    assert np.array_equal(drawn, distribution.draw(generator(0), (100, 200)))
    assert type(distribution) in DISTRIBUTIONS.values()


def test_halves_and_ladders_go_by_rows() -> None:
    halves = Halves(Fixed(1.0), Fixed(2.0)).draw(generator(0), (6,))
    assert halves.tolist() == [1, 1, 1, 2, 2, 2]
    steps = Ladder(0.5).draw(generator(0), (40, 1))[:, 0]
    assert (np.floor(2 * steps) == np.arange(40)).all()


def test_unknown_layers_and_bad_documents_are_refused() -> None:
    with pytest.raises(UnknownComponentError, match=r"unknown layer 'cubic'; known: add, axis.*tucker"):
        layer_of({"kind": "cubic"})
    for document in ({"kind": "sine", "omega": 1.0, "phase": 2}, {"kind": "sine"}, {"kind": "hash_grid"}, 7):
        with pytest.raises(SpecError):
            layer_of(document)
    with pytest.raises(SpecError, match="expected a distribution"):
        layer_of({"kind": "linear", "d_in": 1, "d_out": 1, "weights": {"kind": "cauchy"}})
    for text in ("", "[]", "{}", '{"layers":[]}', '{"layers":[],"places":[0],"sources":[[0]],"heads":[1]}'):
        with pytest.raises(SpecError, match="network"):
            Network.from_json(text)


LINEAR = {"kind": "linear", "d_in": 2, "d_out": 3}
HOSTILE: tuple[tuple[dict[str, Any], str], ...] = (
    ({**LINEAR, "weights": {"kind": [1]}}, r"layer linear: weights: expected a distribution, uniform.*; got \[1\]"),
    ({**LINEAR, "weights": {"kind": "uniform", "bound": "a"}}, r"weights: bound: expected float; got 'a'"),
    ({**LINEAR, "weights": {"kind": "uniform"}}, r"layer linear: weights: .*bound"),
    ({**LINEAR, "weights": 3}, r"layer linear: weights: expected .*Distribution.*; got 3"),
    ({**LINEAR, "d_in": "a"}, r"layer linear: d_in: expected int; got 'a'"),
    ({**LINEAR, "d_in": True}, r"layer linear: d_in: expected int; got True"),
    ({**LINEAR, "d_in": 2.0}, r"layer linear: d_in: expected int; got 2.0"),
    ({**LINEAR, "d_in": 10**30}, r"layer linear: d_in: expected int; got 10{30}"),
    ({**LINEAR, "d_in": {"kind": "fixed", "value": 1.0}}, r"layer linear: d_in: expected int; got \{"),
    ({**LINEAR, "color": 1}, r"layer linear: no setting 'color'; known: d_in, d_out, weights, biases"),
    ({"kind": "sine", "omega": math.nan}, r"layer sine: omega: expected float; got nan"),
    ({"kind": "sine", "omega": 10**400}, r"layer sine: omega: expected float; got 10{400}"),
    ({"kind": "finer", "omega": 1.0, "full_gradient": 1}, r"layer finer: full_gradient: expected bool; got 1"),
    ({"kind": "fourier", "frequencies": [[1, 2], [3]]}, r"layer fourier: "),
    ({"kind": "fourier", "frequencies": [[1, "a"]]}, r"layer fourier: frequencies: expected .*ndarray.*; got \[\["),
    ({"kind": "fourier", "frequencies": 3}, r"layer fourier: frequencies: expected .*ndarray.*; got 3"),
    ({"kind": "tucker", "ranks": [2, [3]], "channels": 1}, r"layer tucker: ranks: expected int; got \[3\]"),
)


@pytest.mark.parametrize(("document", "message"), HOSTILE, ids=[message[:40] for _, message in HOSTILE])
def test_settings_of_wrong_types_are_named(document: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        layer_of(document)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"layers":' + "[" * 100_000,
        '{"layers":[],"places":[],"sources":[],"heads":[0],"training":' * 5_000 + "null" + "}" * 5_000,
        '{"layers":[{"kind":"linear","d_in":1,"d_out":1,"weights":'
        + '{"kind":"halves","first":' * 400
        + "0"
        + "}" * 400
        + '}],"places":[0],"sources":[[0]],"heads":[1]}',
        '{"layers":[{"kind":"relu"}],"places":[false],"sources":[[0]],"heads":[1]}',
        '{"layers":[{"kind":"relu"}],"places":[0],"sources":[[false]],"heads":[1]}',
        '{"layers":[{"kind":"relu"}],"places":[0],"sources":[[0]],"heads":[true]}',
        '{"layers":[{"kind":"relu"}],"places":[0],"sources":["0"],"heads":[1]}',
        '{"layers":[{"kind":"relu"}],"places":[0],"sources":[[0]],"heads":[1],"parts":[[]]}',
        '{"layers":[],"places":[],"sources":[],"heads":[' + "1" * 10_000 + "]}",
    ],
    ids=lambda text: text[:60],
)
def test_hostile_networks_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"network: |layer linear: "):
        Network.from_json(text)


def test_kinds_are_taken_once() -> None:
    class Other(Activation):
        kind = "sine"

    with pytest.raises(SpecError, match=r"layer .*Other: kind 'sine' is already taken by Sine"):
        LAYERS.register(Other)
    assert LAYERS.get("sine") is Sine


def test_layer_without_a_kind_has_no_json() -> None:
    class Cube(Activation):
        def forward(self, tensors: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
            return x**3

    with pytest.raises(SpecError, match="layer Cube: has no kind, so it has no JSON form"):
        Network([Linear(1, 2), Cube()]).to_json()


def test_settings_that_are_usual_are_left_out() -> None:
    assert layer_document(Linear(2, 3)) == {"kind": "linear", "d_in": 2, "d_out": 3}
    usual = HashGrid(2, 3, 2, 64, 3, 9)
    assert "entries" not in layer_document(usual)
    assert layer_document(Linear(2, 3, weights=Uniform(0.5)))["weights"] == {"kind": "uniform", "bound": 0.5}


def test_finer_has_the_gradient_of_its_authors_code() -> None:
    """The factor |x| + 1 counts as a constant: omega (|x| + 1) cos(omega (|x| + 1) x), and the same values."""
    x = torch.linspace(-2, 2, 41, dtype=torch.float64).requires_grad_()
    y = TorchLayer(Finer(3.0))(x)
    assert torch.equal(y, TorchLayer(Finer(3.0, full_gradient=True))(x))
    (slope,) = torch.autograd.grad(y.sum(), x)
    scale = 3.0 * (x.abs() + 1).detach()
    torch.testing.assert_close(slope, scale * torch.cos(scale * x), rtol=1e-12, atol=1e-12)
