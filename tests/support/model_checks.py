"""What every model has to do, as functions of its settings: a model made of known layers passes unchanged."""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from inr.backends.select import BACKENDS
from inr.backends.torch import TorchNetwork
from inr.codec.decode import open_encoded, open_field
from inr.codec.pack import pack
from inr.coders.weights.quantize import QuantSpec, coarsened, dequantize, quantize
from inr.coders.weights.stream import decode, encode
from inr.container.file import parse, to_bytes
from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import Finer, Layer
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec
from inr.rng import generator as named_generator
from inr.spec import from_wire, to_wire, wire_fields
from tests.support.domains import plain
from tests.support.random_fields import random_field, random_tensors
from tests.support.torch_layers import told
from tests.support.weights import weights_in

PHOTO = Domain.of_shape((512, 768))
SMALL = 3000
"""Parameters of what is coded symbol by symbol."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def initialised(model: ModelSpec, d_in: int = 2, d_out: int = 3, seed: int = 0) -> TorchNetwork:
    network = model.build(plain(d_in), d_out)
    return TorchNetwork(network, model.initial(network, named_generator(seed, "init")))


def randomised(model: ModelSpec, d_in: int = 2, d_out: int = 3, seed: int = 0) -> TorchNetwork:
    """A network whose outputs depend on all of its parameters."""
    return TorchNetwork(model.build(plain(d_in), d_out), random_tensors(model, plain(d_in), d_out, seed))


def coordinates(n: int, d_in: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, d_in, generator=generator(seed), dtype=torch.float64) * 2 - 1


def small(model: ModelSpec) -> ModelSpec:
    """The same kind of model with few parameters."""
    return model if model.parameters(plain(2), 3) <= SMALL else model.sized(SMALL, plain(2), 3)


def check_layout(model: ModelSpec) -> None:
    """The layout says what the network holds, and its groups cover every row."""
    network = initialised(model)
    layouts = model.layout(plain(2), 3)
    assert layouts == network.network.layout()
    assert [layout.name for layout in layouts] == list(network.tensors())
    for layout in layouts:
        tensor = network.tensors()[layout.name]
        assert layout.shape == tuple(tensor.shape)
        assert tensor.dtype == torch.float32
        assert sum(layout.groups) == layout.shape[0]
        assert min(layout.groups) >= 1


def check_parameters(model: ModelSpec) -> None:
    """The count without a network is that of the network."""
    for d_in, d_out in ((2, 3), (2, 1), (1, 4)):
        try:
            network = initialised(model, d_in, d_out)
        except SpecError:
            assert d_in == 1
            continue
        assert model.parameters(plain(d_in), d_out) == sum(tensor.numel() for tensor in network.parameters())


def check_forward(model: ModelSpec) -> None:
    """One to three inputs (or a `SpecError` on building), any number of rows, each row for itself."""
    built = 0
    for d_in in (1, 2, 3):
        try:
            network = initialised(model, d_in, 2)
        except SpecError:
            continue
        built += 1
        x = coordinates(17, d_in).float()
        whole = network(x)
        assert whole.shape == (17, 2)
        assert whole.dtype == torch.float32
        assert torch.isfinite(whole).all()
        for n in (0, 1, 15, 16):
            torch.testing.assert_close(network(x[:n]), whole[:n], rtol=1e-4, atol=1e-5)
    assert built >= 1


class AllOutputs(torch.nn.Module):
    """A network with the outputs of all of its heads, one after the other."""

    def __init__(self, network: TorchNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat(self.network.outputs(x))


def exactly_derived(module: TorchNetwork) -> TorchNetwork:
    """With the derivative of FINER's function: that of its paper is another, which test_layers.py has."""

    def exact(layer: Layer) -> Layer:
        return replace(layer, full_gradient=True) if isinstance(layer, Finer) else layer

    new: dict[Layer, Layer] = {}
    network = module.network
    layers = [new.setdefault(layer, exact(layer)) for layer in network.layers]
    return TorchNetwork(Network(layers, network.sources, network.heads), module.arrays())


def check_gradients(model: ModelSpec) -> None:
    """Derivatives by the coordinates and by every parameter agree with finite differences in float64."""
    network = exactly_derived(randomised(small(model))).double()
    names = list(network.tensors())
    x = coordinates(5).requires_grad_()

    def value(x: torch.Tensor, *tensors: torch.Tensor) -> torch.Tensor:
        named = {f"network.layers.{name}": tensor for name, tensor in zip(names, tensors, strict=True)}
        result: torch.Tensor = torch.func.functional_call(AllOutputs(network), named, (x,))
        return result

    parameters = [tensor.detach().clone().requires_grad_() for tensor in network.tensors().values()]
    # Steps of 1e-8: with random weights a deep network of sines has slopes of 1e5 and bends within 1e-6.
    assert torch.autograd.gradcheck(value, (x, *parameters), eps=1e-8, fast_mode=True, atol=1e-4, rtol=1e-3)
    for tensor in torch.autograd.grad(value(x, *parameters).square().sum(), parameters):
        assert torch.count_nonzero(tensor) > 0


def check_initialise(model: ModelSpec) -> None:
    """The seed determines every parameter, and nothing is left as it was allocated."""
    first, again, other = (initialised(model, seed=seed).tensors() for seed in (3, 3, 4))
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
        assert torch.isfinite(tensor).all()
        constant = bool((tensor == tensor.flatten()[0]).all())  # zeros, or the ones of a normalisation
        assert constant or not torch.equal(tensor, other[name])
    assert any(not torch.equal(tensor, other[name]) for name, tensor in first.items())
    state = torch.random.get_rng_state()
    initialised(model)
    assert torch.equal(torch.random.get_rng_state(), state)


def check_graph(model: ModelSpec) -> None:
    """The JSON form of the network is the network: layers, sharing, parts and what is trained."""
    network = model.build(plain(2), 3)
    again = Network.from_json(network.to_json())
    assert again.to_json() == network.to_json()
    assert again.layout() == network.layout()
    assert again.widths(2) == network.widths(2)
    assert [len(part.layers) for part in again.parts] == [len(part.layers) for part in network.parts]
    tensors = random_tensors(model, plain(2), 3, 0)
    x = coordinates(9).float()
    with torch.no_grad():
        assert torch.equal(TorchNetwork(again, tensors)(x), TorchNetwork(network, tensors)(x))
        for part, other in zip(again.parts, network.parts, strict=True):
            assert part.layout() == other.layout()
            assert again.renamed(part, {t.name: 0 for t in part.layout()}).keys() <= tensors.keys()


def check_json(model: ModelSpec) -> None:
    """JSON gives the same settings back, by class and by kind."""
    assert type(model).from_json(model.to_json()) == model
    assert MODELS.make(model.model_dump(mode="json")) == model


def stored_model(wire_id: int, fields: Iterable[tuple[int, Any]]) -> ModelSpec:
    """A model as a file has it."""
    cls = MODELS.by_wire_id(wire_id)
    assert cls is not None
    return from_wire(cls, fields, stored_model)


def check_wire(model: ModelSpec) -> None:
    """What a file stores gives the same settings back."""
    names = wire_fields(type(model))
    assert set(names.values()) == set(type(model).model_fields) - {"kind"}
    assert stored_model(model.wire_id, to_wire(model).items()) == model


def check_sized(model: ModelSpec) -> None:
    """A budget is nearly reached, never exceeded, and more of it never gives fewer parameters."""
    fitted = model.fitted_to(PHOTO)
    smallest = fitted.sized(1, PHOTO, 3).parameters(PHOTO, 3)
    largest = fitted.sized(10**9, PHOTO, 3).parameters(PHOTO, 3)
    before = 0
    for step in range(25):
        budget = round(2000 * 250 ** (step / 24))
        found = fitted.sized(budget, PHOTO, 3).parameters(PHOTO, 3)
        assert found <= max(budget, smallest)
        assert found >= min(0.8 * budget, largest)
        assert found >= before
        before = found


def check_coding(model: ModelSpec) -> None:
    """Quantised, coded, decoded: exactly the same numbers and the same outputs, with all layers and with some."""
    fitted = random_field(small(model))
    for spec in (QuantSpec(bits=5), QuantSpec(bits=6, layers=3), QuantSpec(coding="float16")):
        field = quantize(fitted, spec)
        layouts = tuple(tensor.layout for tensor in field.tensors)
        decoded = decode(encode(field), layouts, field.coding)
        for before, after in zip(field.tensors, decoded, strict=True):
            np.testing.assert_array_equal(before.symbols, after.symbols)
            np.testing.assert_array_equal(before.step_codes, after.step_codes)
        data = to_bytes(pack(field))
        again = weights_in(parse(data))
        assert (again.model, again.domain, again.meta) == (field.model, field.domain, field.meta)
        for name, tensor in dequantize(field).items():
            np.testing.assert_array_equal(dequantize(again)[name], tensor)
        np.testing.assert_array_equal(open_field(data).decode(), open_encoded(field).decode())
        for layers in range(1, spec.layers):
            part = open_encoded(coarsened(field, layers)).decode()
            np.testing.assert_array_equal(open_field(data, layers=layers).decode(), part)


def check_fine_quantisation(model: ModelSpec) -> None:
    """16 bits a weight hardly change the output."""
    network = initialised(model)
    fitted = random_field(model)
    fitted.tensors.update(network.arrays())
    x = coordinates(200).float()
    with torch.no_grad():
        before = network(x)
        for name, value in dequantize(quantize(fitted, QuantSpec(bits=16))).items():
            network.tensors()[name].copy_(torch.from_numpy(value))
        after = network(x)
    assert not torch.equal(before, after)
    assert (before - after).abs().max() < 1e-2


def check_backends(model: ModelSpec) -> None:
    """Every backend gives the values of the reference, or says why it cannot.

    Random networks can be steep, so that roundings grow on the way: a backend may differ as much as float32 differs
    from float64 in the reference, beside the roundings of sums in another order.
    """
    network = randomised(model)
    x = coordinates(301).float()
    with torch.no_grad():
        expected = network(x).numpy()
        rounding = float((copy.deepcopy(network).double()(x.double()) - network(x)).abs().max())
    assert math.isfinite(float(expected.sum()))
    assert expected.std() > 1e-3
    for backend in BACKENDS.values():
        reason = backend.unavailable("cpu") or backend.refuses(network.network)
        if reason is not None:
            assert len(reason) > 10
            continue
        field = backend.field(*told(network), "cpu")
        np.testing.assert_allclose(field(x.numpy()), expected, rtol=0, atol=1e-5 + 4 * rounding)
        assert field(np.zeros((0, 2), dtype=np.float32)).shape == (0, 3)


CHECKS: tuple[Callable[[ModelSpec], None], ...] = (
    check_layout,
    check_parameters,
    check_forward,
    check_gradients,
    check_initialise,
    check_graph,
    check_json,
    check_wire,
    check_sized,
    check_coding,
    check_fine_quantisation,
    check_backends,
)
