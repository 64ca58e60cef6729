"""Gauss, WIRE, WIRE-2D, FINER and FKAN against their equations, written down again here."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from inr.backends.base import PointBatch
from inr.backends.torch import TorchBackend, TorchNetwork
from inr.errors import SpecError
from inr.layers import ComplexGabor, Gaussian, LayerNorm, RealGabor
from inr.losses.mse import MeanSquaredError
from inr.models.base import ModelSpec
from inr.models.finer import FinerMlp
from inr.models.fkan import Fkan
from inr.models.gauss import Gauss
from inr.models.wire import WireMlp
from inr.models.wire2d import Wire2dMlp
from inr.optimisers.adam import Adam
from tests.support.domains import plain
from tests.support.model_checks import coordinates, initialised, randomised
from tests.support.torch_layers import TorchLayer, told

Array = npt.NDArray[Any]


@pytest.mark.parametrize(
    ("model", "d_in", "d_out", "expected"),
    [
        (Gauss(), 2, 3, 198_915),
        (FinerMlp(), 2, 3, 198_915),
        (WireMlp(), 2, 3, 199_287),
        (WireMlp(depth=2), 2, 3, 133_403),
        (WireMlp(width=1, depth=0), 1, 1, 2 + 4),
        (Wire2dMlp(), 2, 3, 199_686),
        (Wire2dMlp(width=1, depth=1), 1, 1, 4 + 8 + 4),
        (Fkan(), 2, 3, 436_355),
        (Fkan(width=1, n_frequencies=1), 1, 1, 3 + 2 + 4 + 6 + 6 + 12 + 5),
    ],
)
def test_number_of_parameters(model: ModelSpec, d_in: int, d_out: int, expected: int) -> None:
    """Published sizes, with a complex number as two; small ones counted by hand."""
    assert model.parameters(plain(d_in), d_out) == expected


def arrays(network: TorchNetwork) -> list[Array]:
    """The tensors in file order, in float64."""
    return [tensor.detach().double().numpy() for tensor in network.tensors().values()]


def gauss_by_hand(model: Gauss, tensors: list[Array], x: Array) -> Array:
    *hidden, weight, bias = tensors
    for w, b in zip(hidden[::2], hidden[1::2], strict=True):
        x = np.exp(-((model.sigma * (x @ w.T + b)) ** 2))
    return x @ weight.T + bias


def finer_by_hand(model: FinerMlp, tensors: list[Array], x: Array) -> Array:
    *hidden, weight, bias = tensors
    for i, (w, b) in enumerate(zip(hidden[::2], hidden[1::2], strict=True)):
        z = x @ w.T + b
        x = np.sin((model.omega if i else model.omega_0) * (np.abs(z) + 1) * z)
    return x @ weight.T + bias


def fkan_by_hand(model: Fkan, tensors: list[Array], x: Array) -> Array:
    """The Fourier series as the sum over coordinates and frequencies that its paper writes."""
    series, constant, scale, shift, *hidden, weight, bias = tensors
    count = model.n_frequencies
    a, b = np.moveaxis(series.reshape(model.width, x.shape[1], 2, count), 2, 0)
    z = np.tile(constant, (len(x), 1))
    for i in range(x.shape[1]):
        for k in range(1, count + 1):
            z += a[:, i, k - 1] * np.cos(k * x[:, i : i + 1]) + b[:, i, k - 1] * np.sin(k * x[:, i : i + 1])
    x = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-5) * scale + shift
    for w, c in zip(hidden[::2], hidden[1::2], strict=True):
        z = x @ w.T + c
        x = (z + np.tanh(model.omega * z)) / (1 + np.exp(-z))
    return x @ weight.T + bias


@pytest.mark.parametrize("d_in", [1, 2, 3])
@pytest.mark.parametrize(
    ("model", "by_hand"),
    [
        (Gauss(width=9, depth=2, sigma=3.0), gauss_by_hand),
        (Gauss(width=9, depth=0), gauss_by_hand),
        (FinerMlp(width=9, depth=1, omega_0=12.0, omega=7.0), finer_by_hand),
        (FinerMlp(width=9, depth=0), finer_by_hand),
        (Fkan(width=4, n_frequencies=7, omega=3.0), fkan_by_hand),
        (Fkan(width=3, n_frequencies=40), fkan_by_hand),
    ],
)
def test_values_are_those_of_the_equations(model: Any, by_hand: Any, d_in: int) -> None:
    network = randomised(model, d_in).double()
    x = coordinates(50, d_in)
    with torch.no_grad():
        np.testing.assert_allclose(network(x).numpy(), by_hand(model, arrays(network), x.numpy()), rtol=0, atol=1e-10)


def complex_pair(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Complex weight and bias of stored real ones."""
    return torch.complex(*weight.chunk(2)), torch.complex(*bias.chunk(2))


def in_complex_numbers(model: WireMlp | Wire2dMlp, tensors: list[Tensor], x: Tensor) -> Tensor:
    """Both kinds of WIRE with torch's complex tensors."""
    linears = 1 if isinstance(model, WireMlp) else 2
    pairs = list(zip(tensors[::2], tensors[1::2], strict=True))
    h = x
    for layer in range(model.depth + 1):
        chosen = pairs[layer * linears : (layer + 1) * linears]
        if layer:
            chosen = [complex_pair(*pair) for pair in chosen]
        values = [h @ weight.t() + bias for weight, bias in chosen]
        window = sum(value.abs().square() for value in values)
        h = torch.exp(1j * (model.omega if layer else model.omega_0) * values[0] - model.sigma**2 * window)
    weight, bias = complex_pair(*pairs[-1])
    return (h @ weight.t() + bias).real


WIRES = [
    WireMlp(),
    WireMlp(width=7, depth=0, omega_0=9.0, sigma=10.0),
    WireMlp(width=20, depth=2, omega_0=5.0, omega=12.0, sigma=8.0),
    Wire2dMlp(),
    Wire2dMlp(width=7, depth=0, omega_0=9.0, sigma=10.0),
    Wire2dMlp(width=20, depth=2, omega_0=5.0, omega=12.0, sigma=6.0),
]
each_wire = pytest.mark.parametrize("model", WIRES, ids=lambda model: f"{model.kind}-{model.width}x{model.depth}")


@each_wire
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["64", "32"])
def test_wire_in_real_numbers_is_wire_in_complex_numbers(
    model: WireMlp | Wire2dMlp, dtype: torch.dtype, tolerance: float
) -> None:
    """Values, and gradients by every tensor; those are sums over 500 rows, hence the factor."""
    network = initialised(model).to(dtype)
    stored = list(network.tensors().values())
    x = coordinates(500).to(dtype)
    value = network(x)
    expected = in_complex_numbers(model, stored, x)
    assert value.std() > 0.01
    torch.testing.assert_close(value, expected, rtol=0, atol=tolerance)
    slopes = torch.autograd.grad(value.square().sum(), stored)
    for slope, other in zip(slopes, torch.autograd.grad(expected.square().sum(), stored), strict=True):
        torch.testing.assert_close(slope, other, rtol=0, atol=100 * tolerance * other.abs().max().item())


def gains(network: TorchNetwork, x: Tensor) -> tuple[Tensor, list[tuple[float, float]]]:
    """The output, and the largest |h| behind every wavelet layer with the most that the layer allows."""
    values, found = [x], []
    for layer, held, sources in zip(network.network.layers, network.held(), network.network.sources, strict=True):
        values.append(layer.forward(held, *[values[number] for number in sources]))
        if isinstance(layer, RealGabor | ComplexGabor):
            re, im = values[-1].chunk(2, dim=1)
            allowed = 1.0 if isinstance(layer, RealGabor) else math.exp((layer.omega / layer.sigma) ** 2 / 4)
            found.append((torch.hypot(re, im).max().item(), allowed))
    return values[-1], found


@pytest.mark.parametrize(
    ("model", "scale"),
    [
        (WireMlp(omega_0=15.0, omega=15.0, sigma=10.0), 1.0),
        (WireMlp(width=12, depth=6, omega_0=15.0, omega=15.0, sigma=10.0), 1.0),
        (WireMlp(width=12, depth=6, omega_0=15.0, omega=15.0, sigma=10.0), 10.0),
        (Wire2dMlp(omega_0=15.0, omega=15.0, sigma=10.0), 1.0),
        (Wire2dMlp(width=12, depth=6, omega_0=15.0, omega=15.0, sigma=10.0), 1.0),
        (Wire2dMlp(width=12, depth=6, omega_0=15.0, omega=15.0, sigma=10.0), 10.0),
    ],
    ids=lambda value: str(value.kind) if isinstance(value, ModelSpec) else "",
)
def test_wire_stays_finite_and_within_its_gain(model: WireMlp | Wire2dMlp, scale: float) -> None:
    """100 seeds at omega/sigma = 1.5, also with weights ten times too large: no NaN, no |h| above exp(1.5^2 / 4)."""
    reached = 0.0
    for seed in range(100):
        network = initialised(model, seed=seed)
        with torch.no_grad():
            for tensor in network.tensors().values():
                tensor.mul_(scale)
            x = coordinates(64, seed=seed).float()
            y, pairs = gains(network, x)
        assert torch.isfinite(y).all()
        for found, allowed in pairs:
            assert found <= allowed * (1 + 1e-5)
            reached = max(reached, found)
    assert reached > 0.9


@pytest.mark.parametrize("kind", [WireMlp, Wire2dMlp])
def test_wire_stays_finite_in_training(kind: type[WireMlp] | type[Wire2dMlp]) -> None:
    """100 seeds at omega/sigma = 1.5, ten steps each of a rate at the upper end of what is published."""
    model = kind(width=12, depth=3, omega_0=15.0, omega=15.0, sigma=10.0)
    x = coordinates(64).float().numpy()
    batch = PointBatch(x, np.sign(np.sin(9 * x @ np.ones((2, 3), dtype=np.float32))))
    for seed in range(100):
        network = initialised(model, seed=seed)
        trainer = TorchBackend().trainer(*told(network), MeanSquaredError(), Adam(), "cpu")
        losses = [trainer.step(batch, 2e-2).loss for _ in range(10)]
        assert np.isfinite(losses).all()
        assert all(np.isfinite(tensor).all() for tensor in trainer.tensors().values())
        assert max(losses) < 100


@pytest.mark.parametrize(("ratio", "bound"), [(1.0, 1.284), (1.5, 1.755), (2.0, 2.718)])
def test_largest_gain_of_a_wavelet(ratio: float, bound: float) -> None:
    """It is met at z = -i omega / (2 sigma^2)."""
    layer = TorchLayer(ComplexGabor(10 * ratio, 10.0))
    z = torch.zeros(2001, 2, dtype=torch.float64)
    z[:, 1] = torch.linspace(-0.3, 0.3, 2001)
    size = torch.hypot(*layer(z).t())
    assert size.max().item() == pytest.approx(bound, abs=1e-3)
    assert z[size.argmax(), 1].item() == pytest.approx(-10 * ratio / 200, abs=1e-3)


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (WireMlp, {"omega": 40.0, "sigma": 10.0}, r"wire: omega/sigma: must be at most 2, .*; got 40/10 = 4$"),
        (WireMlp, {"omega": 10.0, "sigma": 4.9}, r"wire: omega/sigma: must be at most 2, .*; got 10/4.9 = 2.04"),
        (Wire2dMlp, {"omega": 26.0, "sigma": 10.0}, r"wire2d: omega/sigma: must be at most 2.5, .*; got 26/10 = 2.6$"),
        (WireMlp, {"width": 0}, r"wire: width: .*; got 0"),
        (WireMlp, {"sigma": 0.0}, r"wire: sigma: .*; got 0.0"),
        (WireMlp, {"omega_0": math.inf}, r"wire: omega_0: .*; got inf"),
        (Gauss, {"sigma": -1.0}, r"gauss: sigma: .*; got -1.0"),
        (Gauss, {"depth": 33}, r"gauss: depth: .*; got 33"),
        (FinerMlp, {"first_bias": -0.1}, r"finer: first_bias: .*; got -0.1"),
        (FinerMlp, {"omega": 0.0}, r"finer: omega: .*; got 0.0"),
        (Fkan, {"n_frequencies": 1025}, r"fkan: n_frequencies: .*; got 1025"),
        (Fkan, {"width": 0}, r"fkan: width: .*; got 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(cls: Any, settings: dict[str, float], message: str) -> None:
    with pytest.raises(SpecError, match=message) as info:
        cls(**settings)
    assert "\n" not in str(info.value)


def test_ratio_is_checked_wherever_settings_come_from() -> None:
    with pytest.raises(SpecError, match="omega/sigma"):
        WireMlp(omega=20.0, sigma=10.0).replace(sigma=9.0)
    with pytest.raises(SpecError, match="omega/sigma"):
        WireMlp.from_json('{"kind": "wire", "omega": 50, "sigma": 10}')
    assert WireMlp(omega_0=500.0).omega_0 == 500.0  # real numbers go into the first layer: no gain
    assert Wire2dMlp(omega=25.0, sigma=10.0).omega == 25.0


@each_wire
def test_imaginary_part_of_the_last_bias_is_zero_and_stays(model: WireMlp | Wire2dMlp) -> None:
    network = initialised(model)
    bias = list(network.tensors().values())[-1]
    assert torch.count_nonzero(bias[:3]) == 3
    assert torch.count_nonzero(bias[3:]) == 0
    (slope,) = torch.autograd.grad(network(coordinates(10).float()).sum(), bias)
    assert slope.tolist() == [10.0, 10.0, 10.0, 0.0, 0.0, 0.0]


def test_windows_have_no_denormal_numbers() -> None:
    """They would slow the next matrix product down; all smaller than 1e-20 is zero, all else as it should be."""
    z = torch.linspace(-2, 2, 10_001)[:, None]
    for layer in (Gaussian(10.0), RealGabor(10.0, 10.0), ComplexGabor(10.0, 10.0)):
        h = TorchLayer(layer)(torch.cat([z, z], dim=1)).abs()
        assert h.max() > 0.9
        assert h[0].max() == 0
    exact = torch.exp(-(10 * z.double()).square())
    found = TorchLayer(Gaussian(10.0))(z)
    torch.testing.assert_close(found.double(), torch.where(exact > 1e-20, exact, 0.0), rtol=2e-5, atol=0)


def largest(network: TorchNetwork) -> dict[str, float]:
    return {name: tensor.abs().max().item() for name, tensor in network.tensors().items()}


@pytest.mark.parametrize(
    ("model", "bounds"),
    [
        (Gauss(), {"0.weight": 0.5**0.5, "0.bias": 0.5**0.5, "2.weight": 1 / 16, "8.weight": 1 / 16}),
        (FinerMlp(), {"0.weight": 0.5, "0.bias": 0.5**0.5, "2.weight": (6 / 256) ** 0.5 / 30, "2.bias": 1 / 16}),
        (FinerMlp(first_bias=3.0, omega=20.0), {"0.bias": 3.0, "8.weight": (6 / 256) ** 0.5 / 20}),
        (WireMlp(), {"0.weight": 0.5**0.5, "2.weight": 181**-0.5, "2.bias": 181**-0.5, "8.weight": 181**-0.5}),
        (Wire2dMlp(), {"1.weight": 0.5**0.5, "3.weight": 128**-0.5, "4.bias": 128**-0.5}),
        (Fkan(), {"3.weight": (6 / 128) ** 0.5 / 30, "9.weight": (6 / 256) ** 0.5 / 30, "9.bias": 1 / 16}),
        (Fkan(omega=10.0), {"11.weight": (6 / 512) ** 0.5 / 10}),
    ],
    ids=lambda value: str(value.kind) if isinstance(value, ModelSpec) else "",
)
def test_start_has_the_bounds_of_the_papers(model: ModelSpec, bounds: dict[str, float]) -> None:
    """The largest of n uniform numbers lies within a share 1/n of the bound; 5 % leaves room for the short tensors."""
    found = largest(initialised(model))
    for name, bound in bounds.items():
        assert 0.95 * bound < found[name] <= bound


def test_fourier_series_starts_with_unit_variance() -> None:
    tensors = initialised(Fkan()).tensors()
    assert tensors["1.weight"].std().item() == pytest.approx((1 / 540) ** 0.5, rel=0.01)
    assert torch.count_nonzero(tensors["1.bias"]) == 0
    assert torch.equal(tensors["2.weight"], torch.ones(128))
    assert torch.count_nonzero(tensors["2.bias"]) == 0


def test_finer_may_start_without_first_biases() -> None:
    assert torch.count_nonzero(initialised(FinerMlp(first_bias=0.0)).tensors()["0.bias"]) == 0


def test_layer_norm_is_that_of_torch() -> None:
    layer, other = TorchLayer(LayerNorm(7)), torch.nn.LayerNorm(7)
    x = 100 * torch.randn(20, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), other(x))
    with torch.no_grad():
        for tensor in (layer.tensor("weight"), layer.tensor("bias")):
            tensor.normal_(generator=torch.Generator().manual_seed(1))
        other.load_state_dict(layer.holder.state_dict())
    torch.testing.assert_close(layer(x), other(x))


@pytest.mark.parametrize("model", [Fkan(), Fkan(width=100, n_frequencies=3), Fkan(width=3, n_frequencies=100)])
def test_fkan_of_a_budget_keeps_its_proportion_and_grows_with_it(model: Fkan) -> None:
    before = 0
    for budget in range(1, 20_000, 97):
        sized = model.sized(budget, plain(2), 3)
        found = sized.parameters(plain(2), 3)
        assert before <= found <= max(budget, model.sized(1, plain(2), 3).parameters(plain(2), 3))
        before = found
    assert Fkan().sized(436_355, plain(2), 3) == Fkan()
    assert Fkan().sized(436_354, plain(2), 3) != Fkan()
