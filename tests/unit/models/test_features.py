"""Models on fixed features and products, against their formulas in plain float64 numpy."""

import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr.errors import SpecError
from inr.layers import Chebyshev, Fourier, LayerNorm, LeakyReLU, Linear, SineFilter, Tanh
from inr.layers.network import Network
from inr.models.bacon import Bacon
from inr.models.base import ModelSpec
from inr.models.cafe import Cafe
from inr.models.densegrid import DenseGridMlp
from inr.models.poly import PolyInr
from inr.models.relu_pe import ReluPe
from inr.models.sl2a import Sl2a
from inr.spec import from_wire, to_wire
from tests.support.domains import plain
from tests.support.model_checks import coordinates, initialised, randomised
from tests.support.network_values import EXACT, Array, linear, outputs, points, tensors
from tests.support.torch_layers import TorchLayer


def rounded(frequencies: npt.NDArray[Any]) -> Array:
    """Fixed frequencies as the library uses them."""
    return frequencies.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize(
    ("model", "d_in", "d_out", "expected"),
    [
        (ReluPe(), 2, 3, 263_683),
        (ReluPe(n_features=128), 2, 3, 198_147),
        (ReluPe(n_features=128), 3, 1, 197_633),
        (PolyInr(), 2, 3, 200_151),
        (PolyInr(width=256, depth=3), 2, 3, 3 * (256**2 + 256 + 3 * 256) + 771),
        (Sl2a(), 2, 3, 330_243),
        (Sl2a(degree=512, rank=32), 2, 3, 313_859),
        (Cafe(), 2, 3, 224_439),
        (Cafe(n_features=96, n_polynomials=32, width=256, depth=2), 2, 3, 329_731),
        (Bacon(), 2, 3, 266_761),
        (DenseGridMlp(nodes_0=8, nodes_1=6, n_levels=3, width=4, depth=1), 2, 3, 2 * (48 + 12 + 4) + 28 + 15),
        (DenseGridMlp(nodes_0=9, n_levels=2, n_features=1, depth=0), 1, 2, 9 + 5 + 6),
        (DenseGridMlp(nodes_0=4, nodes_1=5, nodes_2=6, n_levels=1, n_features=2, depth=0), 3, 1, 240 + 3),
    ],
)
def test_number_of_parameters(model: ModelSpec, d_in: int, d_out: int, expected: int) -> None:
    """SL2A, CAFE and SL2A's ReLU network as published; BACON's without the fixed frequencies and unused outputs."""
    assert model.parameters(plain(d_in), d_out) == expected
    assert sum(p.numel() for p in initialised(model, d_in, d_out).parameters()) == expected


def test_fixed_frequencies_are_not_stored() -> None:
    for model in (ReluPe.EXAMPLES[0], Cafe.EXAMPLES[0], Bacon.EXAMPLES[0]):
        network = initialised(model)
        assert set(network.state_dict()) == {f"layers.{name}" for name in network.tensors()}
        assert any(name.endswith("frequencies") for name, _ in network.named_buffers())


# Seeds: a file holds a seed alone, so these numbers can never change.


def test_frequencies_of_a_seed_are_those_of_ever() -> None:
    def first(model: ModelSpec) -> list[float]:
        layer = model.build(plain(2), 3).layers[0]
        assert isinstance(layer, Fourier | SineFilter)
        return [float(x) for x in layer.frequencies.flatten()[:4]]

    assert first(ReluPe(n_features=128)) == pytest.approx(GOLDEN["relu_pe"], rel=1e-6)
    assert first(ReluPe(n_features=128, feature_seed=1)) == pytest.approx(GOLDEN["relu_pe, seed 1"], rel=1e-6)
    assert first(Cafe()) == pytest.approx(GOLDEN["cafe"], rel=1e-6)
    assert first(Bacon()) == GOLDEN["bacon"]
    assert first(Bacon(feature_seed=2**32 - 1)) == GOLDEN["bacon, last seed"]


GOLDEN: dict[str, list[float]] = {
    "relu_pe": [4.4242592, -2.4855123, -5.6167049, 1.0500532],
    "relu_pe, seed 1": [-4.2487454, -5.6412606, -2.8462188, 0.6779352],
    "cafe": [-26.9637356, -56.4228287, 2.1624105, 0.1862492],
    "bacon": [5.0, -11.0, 0.0, 16.0],
    "bacon, last seed": [14.0, -10.0, 4.0, 5.0],
}


def test_random_frequencies_have_the_deviation_that_was_asked_for() -> None:
    """8192 normal numbers: their deviation is within 2.6 standard errors (2 %), their mean within 2.7 (0.03)."""
    layer = ReluPe(n_features=2048, sigma=7.0, feature_seed=11).build(plain(4), 1).layers[0]
    assert isinstance(layer, Fourier)
    assert float(layer.frequencies.std()) == pytest.approx(7.0, rel=0.02)
    assert abs(float(layer.frequencies.mean())) < 0.03 * 7


# Layers


@pytest.mark.parametrize("d_in", [1, 2, 3])
def test_fourier_features(d_in: int) -> None:
    frequencies = np.random.Generator(np.random.PCG64(0)).normal(size=(6, d_in)) * 4
    x = points(40, d_in)
    angle = 2 * np.pi * x @ rounded(frequencies).T
    found = TorchLayer(Fourier(frequencies)).double()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, np.hstack([np.sin(angle), np.cos(angle)]), rtol=0, atol=EXACT)


@pytest.mark.parametrize("n", [1, 2, 3, 30, 257])
def test_chebyshev_recurrence_is_the_cosine_formula(n: int) -> None:
    """Also at the ends, where both lose n^2 roundings: 257^2 2e-16 is 1.5e-11."""
    x = np.concatenate([points(200, 2), [[-1.0, 1.0], [0.0, 0.5]]])
    expected = np.cos(np.arange(n) * np.arccos(x)[:, :, None]).reshape(len(x), -1)
    found = TorchLayer(Chebyshev(n))(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_chebyshev_has_finite_derivatives_at_the_ends() -> None:
    """T_n'(1) = n^2; that of cos(n arccos x) would be infinite times zero."""
    x = torch.tensor([[1.0], [-1.0]], dtype=torch.float64, requires_grad=True)
    TorchLayer(Chebyshev(30))(x)[:, 29].sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad[:, 0].numpy(), [29**2, 29**2], rtol=1e-10)


def test_activations() -> None:
    x = torch.from_numpy(np.linspace(-3, 3, 13))
    np.testing.assert_allclose(TorchLayer(LeakyReLU(0.2))(x).numpy(), np.where(x > 0, x, 0.2 * x), rtol=0, atol=0)
    np.testing.assert_allclose(TorchLayer(Tanh())(x).numpy(), np.tanh(x.numpy()), rtol=1e-15)


# Models


def test_relu_pe_formula() -> None:
    model = ReluPe(n_features=9, sigma=3.0, width=11, depth=2, feature_seed=4)
    network = randomised(model).double()
    named, x = tensors(network), points(30, 2)
    layer = network.network.layers[0]
    assert isinstance(layer, Fourier)
    angle = 2 * np.pi * x @ layer.frequencies.T.astype(np.float64)
    h = np.hstack([np.sin(angle), np.cos(angle)])
    for i in (1, 3):
        h = np.maximum(linear(named, i, h), 0)
    np.testing.assert_allclose(outputs(network, x), linear(named, 5, h), rtol=0, atol=EXACT)


def test_poly_formula() -> None:
    network = randomised(PolyInr(width=7, depth=3)).double()
    named, x = tensors(network), points(30, 2)

    def level(h: Array | None, factor: int, weights: int) -> Array:
        product = linear(named, factor, x) * (1 if h is None else h)
        z = linear(named, weights, product)
        return np.where(z > 0, z, 0.2 * z)

    h = level(level(level(None, 0, 1), 3, 5), 7, 9)
    np.testing.assert_allclose(outputs(network, x), linear(named, 11, h), rtol=0, atol=EXACT)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_poly_is_a_polynomial_of_its_depth(depth: int) -> None:
    """Where all numbers are positive: differences of order depth + 1 along a line vanish, those of order depth not."""
    network = randomised(PolyInr(width=6, depth=depth)).double()
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.abs_()
    line = np.linspace(0, 1, depth + 3)[:, None] * np.array([[1.0, 0.7]])
    values = outputs(network, line)
    scale = np.abs(values).max()
    assert np.abs(np.diff(values, n=depth + 1, axis=0)).max() < 1e-12 * scale
    assert np.abs(np.diff(values, n=depth, axis=0)).min() > 1e-9 * scale


def hidden(network: Network, end: int) -> Network:
    """The first layers of a network."""
    return Network(network.layers[: end + 1], network.sources[: end + 1])


@pytest.mark.parametrize("depth", [2, 8, 16])
def test_poly_starts_with_signals_that_neither_explode_nor_die(depth: int) -> None:
    """The root mean square over the picture stays near the 1.1 of the first factor."""
    network = initialised(PolyInr(width=256, depth=depth))
    with torch.no_grad():
        (before_last,) = hidden(network.network, -2).outputs(network.held(), coordinates(500).float())
    assert 0.4 < float(before_last.square().mean().sqrt()) < 2.5


def test_sl2a_formula() -> None:
    """The first layer term by term, as sum over axes and degrees of a coefficient times cos(k arccos tanh x)."""
    network = randomised(Sl2a(degree=20, width=8, depth=2, rank=3)).double()
    named, x = tensors(network), points(30, 2)
    coefficients = named["2.weight"].reshape(8, 2, 21)
    z = np.zeros((30, 8))
    for axis, k in itertools.product(range(2), range(21)):
        z += coefficients[:, axis, k] * np.cos(k * np.arccos(np.tanh(x[:, axis : axis + 1])))
    centred = z - z.mean(axis=1, keepdims=True)
    z = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * named["3.weight"] + named["3.bias"]
    h = z
    for i in (5, 9):
        h = np.maximum(linear(named, i + 1, (h * z) @ named[f"{i}.weight"].T), 0)
    np.testing.assert_allclose(outputs(network, x), linear(named, 13, h * z), rtol=0, atol=1e-10)


def test_sl2a_starts_within_the_published_bounds() -> None:
    network = initialised(Sl2a())
    named = tensors(network)
    for name, bound in {
        "2.weight": math.sqrt(6 / (258 * 257)),
        "5.weight": 1 / math.sqrt(128),
        "6.weight": 1 / 16,
        "6.bias": 1 / math.sqrt(128),
        "17.weight": 1 / 16,
    }.items():
        assert 0.95 * bound < np.abs(named[name]).max() <= bound
    assert np.abs(named["17.bias"]).max() <= 1 / 16
    assert isinstance(network.network.layers[3], LayerNorm)
    assert (named["3.weight"] == 1).all()
    assert not named["3.bias"].any()


def test_relu_pe_starts_as_its_release_does() -> None:
    """Glorot's normal weights, cut off at two deviations there, and biases of a hundredth."""
    named = tensors(initialised(ReluPe()))
    for i, fans in ((1, 512 + 256), (3, 512), (5, 512)):
        assert named[f"{i}.weight"].std() == pytest.approx(math.sqrt(2 / fans), rel=0.02)
        assert named[f"{i}.bias"].std() == pytest.approx(0.01, rel=0.2)
    assert named["7.weight"].std() == pytest.approx(math.sqrt(2 / 259), rel=0.1)
    assert ReluPe().n_features == 256


def test_files_without_a_number_of_frequencies_mean_the_old_one() -> None:
    """The default has changed since files were written; what a file means has not."""
    assert from_wire(ReluPe, (), lambda *_: ReluPe()).n_features == 128
    assert to_wire(ReluPe(n_features=128)) == {}
    assert to_wire(ReluPe()) == {0: 256}
    assert from_wire(ReluPe, ((0, 256),), lambda *_: ReluPe()) == ReluPe()
    with pytest.raises(SpecError, match="not in canonical form"):
        from_wire(ReluPe, ((0, 128),), lambda *_: ReluPe())


@pytest.mark.parametrize("width", [64, 256])
def test_bacon_starts_within_the_released_bounds(width: int) -> None:
    """Weights of products and of outputs alike; their biases are torch's own."""
    network = initialised(Bacon(width=width))
    named = tensors(network)
    matrices = [name for name in named if name.endswith("weight")]
    assert len([name for name in matrices if len(named[name]) == 3]) == 3
    for name in matrices:
        assert 0.9 * math.sqrt(6 / width) < np.abs(named[name]).max() <= math.sqrt(6 / width)
        assert np.abs(named[name.replace("weight", "bias")]).max() <= 1 / math.sqrt(width)


def test_cafe_formula() -> None:
    model = Cafe(n_features=5, sigma=2.0, n_polynomials=6, width=9, depth=2, feature_seed=8)
    network = randomised(model).double()
    named, x = tensors(network), points(30, 2)
    layer = network.network.layers[0]
    assert isinstance(layer, Fourier)
    angle = 2 * np.pi * x @ layer.frequencies.T.astype(np.float64)
    polynomials = [np.cos(k * np.arccos(x[:, axis])) for axis in range(2) for k in range(6)]
    e = np.hstack([np.sin(angle), np.cos(angle), np.stack(polynomials, axis=1)])
    h = linear(named, 3, e) * linear(named, 4, e) * linear(named, 5, e)
    for i in (7, 9):
        h = np.maximum(linear(named, i, h), 0)
    np.testing.assert_allclose(outputs(network, x), linear(named, 11, h), rtol=0, atol=1e-11)


# Settings


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (ReluPe, {"sigma": 0}, r"^relu_pe: sigma: .*greater than 0; got 0$"),
        (ReluPe, {"n_features": 5000}, r"^relu_pe: n_features: .*less than or equal to 2048; got 5000$"),
        (ReluPe, {"feature_seed": 2**32}, r"^relu_pe: feature_seed: .*less than 4294967296; got 4294967296$"),
        (PolyInr, {"depth": 0}, r"^poly: depth: .*greater than or equal to 1; got 0$"),
        (PolyInr, {"depth": 33}, r"^poly: depth: .*less than or equal to 32; got 33$"),
        (Sl2a, {"degree": 2000}, r"^sl2a: degree: .*less than or equal to 1024; got 2000$"),
        (Sl2a, {"rank": 0}, r"^sl2a: rank: .*greater than or equal to 1; got 0$"),
        (Cafe, {"n_polynomials": 257}, r"^cafe: n_polynomials: .*less than or equal to 256; got 257$"),
        (DenseGridMlp, {"nodes_1": 1}, r"^densegrid: nodes_1: .*greater than or equal to 2; got 1$"),
        (DenseGridMlp, {"extent_0": 1.5}, r"^densegrid: extent_0: .*less than or equal to 1; got 1.5$"),
        (Bacon, {"max_band": 0}, r"^bacon: max_band: .*greater than or equal to 1; got 0$"),
    ],
)
def test_settings_out_of_range_are_named(cls: type[ModelSpec], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        cls(**settings)


@pytest.mark.parametrize(
    "model",
    [ReluPe(), PolyInr(), Sl2a(), Cafe(), DenseGridMlp(), Bacon()],
    ids=lambda model: str(model.kind),
)
def test_sized_network_is_as_large_as_was_counted(model: ModelSpec) -> None:
    """The arithmetic of `sized` against the network, near the border: one parameter less gives no larger network."""
    for d_in, d_out in ((2, 3), (1, 1), (3, 2)):
        domain = plain(d_in)
        for budget in (1000, 30_000):
            found = model.sized(budget, domain, d_out).parameters(domain, d_out)
            # A grid has no more nodes than samples.
            largest = model.sized(10**8, domain, d_out).parameters(domain, d_out)
            assert min(0.6 * budget, largest) <= found <= budget
            assert model.sized(found, domain, d_out).parameters(domain, d_out) == found
            assert model.sized(found - 1, domain, d_out).parameters(domain, d_out) < found


@pytest.mark.parametrize(
    "model",
    [
        ReluPe(n_features=2048, width=4096, depth=32),
        PolyInr(width=4096, depth=32),
        Sl2a(degree=1024, width=4096, rank=4096, depth=32),
        Cafe(n_features=2048, n_polynomials=256, width=4096, depth=32),
        DenseGridMlp(nodes_0=2**16, nodes_1=2**16, nodes_2=2**16, n_levels=16, n_features=16),
        Bacon(width=4096, max_band=2**16),
    ],
    ids=lambda model: str(model.kind),
)
def test_largest_settings_are_counted_without_memory(model: ModelSpec) -> None:
    """A file may name them; its reader counts the weights and refuses, or finds no payload for them."""
    tracemalloc.start()
    try:
        assert model.parameters(plain(3), 64) > 2**24
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_sized_keeps_proportions() -> None:
    small = ReluPe().sized(20_000, plain(2), 3)
    assert small.width == small.n_features
    halved = ReluPe(n_features=128).sized(20_000, plain(2), 3)
    assert halved.width == 2 * halved.n_features
    cafe = Cafe().sized(20_000, plain(2), 3)
    assert cafe.n_features / cafe.n_polynomials == pytest.approx(88 / 30, rel=0.1)
    sl2a = Sl2a().sized(50_000, plain(2), 3)
    assert (sl2a.degree, sl2a.rank) == (256, round(sl2a.width / 2))
    assert Sl2a().sized(3_000, plain(2), 3).degree < 256


def test_poly_holds_no_sine() -> None:
    """The point of the model: linear layers, products and leaky ReLUs only."""
    kinds = {type(layer).__name__ for layer in PolyInr().build(plain(2), 3).layers}
    assert kinds == {"Linear", "Multiply", "LeakyReLU"}
    assert all(isinstance(layer, Linear) for layer in PolyInr(depth=1).build(plain(2), 3).layers[:2])
