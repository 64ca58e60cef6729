"""VI3NR: moments and fixed points against closed forms, and variances through deep networks."""

import math
from typing import Any, Self, final

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.backends.torch import TorchNetwork
from inr.domain import Domain
from inr.errors import SpecError
from inr.fitting.steps import fit
from inr.inits.moments import Function, fixed_point, growth, is_homogeneous, linear_width, quadrature, second_moments
from inr.inits.vi3nr import Vi3nrInit
from inr.layers import Activation, Finer, GatedTanh, Gaussian, Layer, Linear, ReLU, Sine, Uniform
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec
from inr.models.gauss import Gauss
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.rng import generator
from tests.conformance.test_samplers import noise
from tests.support.domains import plain
from tests.support.small_fits import photo, signal_of, spec

SIGNAL = noise((64, 64))


@final
class Laplacian(Activation):
    """``exp(-|z|)``, whose fixed point is 1 exactly: E[f^2] = E[f'^2]."""

    def forward(self, tensors: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.exp(-x.abs())


@pytest.mark.parametrize("sigma", [0.003, 0.05, 1.0, 4.0])
def test_moments_agree_with_closed_forms(sigma: float) -> None:
    """Sine: F = (1 - e^(-2q))/2, G = w^2 (1 + e^(-2q))/2, q = (w s)^2. Gaussian: F = (1 + 4 t)^(-1/2), t = (c s)^2."""
    q, t = (30 * sigma) ** 2, (10 * sigma) ** 2
    laplacian = math.exp(2 * sigma**2) * math.erfc(math.sqrt(2) * sigma)
    expected: list[tuple[Function, float, float]] = [
        (Sine(30.0), -math.expm1(-2 * q) / 2, 450 * (1 + math.exp(-2 * q))),
        (Gaussian(10.0), (1 + 4 * t) ** -0.5, 4 * 100 * t * (1 + 4 * t) ** -1.5),
        (ReLU(), sigma**2 / 2, 0.5),
        (Laplacian(), laplacian, laplacian),
    ]
    for f, value, slope in expected:
        assert second_moments(f, sigma) == pytest.approx((value, slope), rel=1e-6)
        assert quadrature(f, sigma) == pytest.approx((value, slope), rel=1e-6)


@pytest.mark.parametrize("a", [2e-6, 0.0002, 0.003, 0.05, 1.0, 30.0, 200.0])
def test_gaussian_fixed_point_is_known(a: float) -> None:
    """sigma_p = a sqrt(1 + sqrt 2), gain^2 = sigma_p^2 / F = (1 + sqrt 2)^2 a^2."""
    f = Gaussian(1 / (math.sqrt(2) * a))
    sigma = fixed_point(f)
    assert sigma == pytest.approx(1.55377 * a, rel=1e-5)
    assert sigma is not None
    assert sigma**2 / second_moments(f, sigma)[0] == pytest.approx(5.82843 * a**2, rel=1e-5)


@pytest.mark.parametrize(
    ("f", "sigma", "gain"),
    [
        (Laplacian(), 1.0, 2.9744),
        (lambda z: torch.sin(z) / z, 2.2233, 10.687),
        (lambda z: torch.cos(z) * torch.exp(-z * z), 0.8705, 1.804),
        (lambda z: 1 / (1 + z * z), 1.458, 5.641),
        (torch.sigmoid, 6.755, 103.0),
    ],
    ids=["exp(-|z|)", "sinc", "wavelet", "rational", "sigmoid"],
)
def test_fixed_points_of_other_functions(f: Function, sigma: float, gain: float) -> None:
    found = fixed_point(f)
    assert found == pytest.approx(sigma, rel=1e-3)
    assert found is not None
    assert found**2 / second_moments(f, found)[0] == pytest.approx(gain, rel=1e-3)
    assert not is_homogeneous(f)


@pytest.mark.parametrize(
    ("f", "width"),
    [
        (Sine(30.0), 1 / 30),
        (torch.tanh, 1.0),
        (torch.nn.functional.gelu, 2.0),
        (Finer(30.0, full_gradient=True), 1 / 30),
        (GatedTanh(30.0), 2 / 31),
    ],
    ids=["sine", "tanh", "gelu", "finer", "gated"],
)
def test_functions_that_are_linear_around_zero_have_none(f: Function, width: float) -> None:
    assert fixed_point(f) is None
    assert not is_homogeneous(f)
    assert linear_width(f) == pytest.approx(width)


def test_homogeneous_functions_keep_every_variance() -> None:
    for f in (ReLU(), torch.nn.functional.leaky_relu, torch.abs, lambda z: -2 * z):
        assert is_homogeneous(f)
        assert fixed_point(f) is None
    assert 1 / second_moments(ReLU(), 1.0)[0] == pytest.approx(2, rel=1e-9)


def test_sine_solves_for_biases_that_carry_a_quarter() -> None:
    """C = q coth q = 4/3."""
    sigma = fixed_point(Sine(10.0), 4 / 3)
    assert sigma is not None
    q = (10 * sigma) ** 2
    assert q / math.tanh(q) == pytest.approx(4 / 3, rel=1e-9)


def test_finer_is_solved_for_the_derivative_it_is_trained_with() -> None:
    released, full = Finer(1.0), Finer(1.0, full_gradient=True)
    sigma = fixed_point(released)
    assert sigma is not None
    z = sigma * np.random.default_rng(0).standard_normal(10**6)
    value = np.sin((np.abs(z) + 1) * z)
    slope = (np.abs(z) + 1) * np.cos((np.abs(z) + 1) * z)
    assert sigma**2 * (slope**2).mean() / (value**2).mean() == pytest.approx(1, rel=0.01)
    assert growth(full, sigma) > 1.3


@final
class Stack(ModelSpec):
    """Twenty layers of one width and one function; no more than an initialiser asks for."""

    width: int
    function: Any

    def build(self, domain: Domain, channels: int) -> Network:
        start = Uniform(0.1)
        layers: list[Layer] = [Linear(domain.ndim, self.width, start, start), self.function]
        for _ in range(19):
            layers += [Linear(self.width, self.width, start, start), self.function]
        return Network([*layers, Linear(self.width, channels, start, start)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        return self


def variances(network: TorchNetwork) -> tuple[list[float], list[float]]:
    """Deviation of the pre-activations of each layer, and mean square of the gradients of a random output by them."""
    x = torch.from_numpy(SIGNAL.domain.coordinates(np.arange(0, SIGNAL.domain.size, 11)))
    kept = []
    for layer, held in zip(network.network.layers, network.held(), strict=True):
        x = layer.forward(held, x)
        if isinstance(layer, Linear):
            x.retain_grad()
            kept.append(x)
    kept.pop()
    # Independent directions for all samples: gradients of one output of all samples would share the last weights.
    start = torch.randn(len(x), kept[-1].shape[1], generator=torch.Generator().manual_seed(6))
    kept[-1].backward(start)
    gradients = [float(z.grad.square().mean()) for z in kept if z.grad is not None]
    return [float(z.detach().square().mean().sqrt()) for z in kept], gradients


GAUSS_SIGMA = math.sqrt((1 + math.sqrt(2)) / 2) / 30


NETWORKS = 6


@pytest.mark.parametrize(
    ("function", "width", "sigma", "settings", "tolerance"),
    [
        (Gaussian(30.0), 1024, GAUSS_SIGMA, {}, 0.03),
        (Sine(30.0), 512, 1.01687 / 30, {"bias": "matched", "distribution": "normal"}, 0.04),
    ],
    ids=["gaussian", "sine-matched"],
)
def test_variances_through_twenty_layers(
    function: Activation, width: int, sigma: float, settings: dict[str, Any], tolerance: float
) -> None:
    """Deviations as the theory says at every layer: within 3 % at width 1024.

    Over n neurons one network's deviation is known to 1/sqrt(2 n), 2 % at 1024, since what an input has in common with
    all others (its mean) reaches each neuron through one random number. So several networks are averaged.
    """
    model = Stack(width=width, function=function)
    init = Vi3nrInit(sigma_first=sigma, **{"bias": "zero", **settings})
    found = []
    for seed in range(NETWORKS):
        network = model.build(plain(2), 3)
        start = init.apply(model, network, SIGNAL, generator(seed, "init"))
        found.append(variances(TorchNetwork(network, start)))
    deviations = np.mean([own for own, _ in found], axis=0)
    gradients = np.mean([own for _, own in found], axis=0)
    assert deviations.shape == (20,)
    np.testing.assert_allclose(deviations, sigma, rtol=tolerance)
    ratios = gradients[:-1] / gradients[1:]
    assert 0.8 <= ratios.min() <= ratios.max() <= 1.25


@final
class Mixed(ModelSpec):
    """Sine, then ReLU, then the output; arguments of several radians, so that the sines have a mean square of 1/2."""

    width: int = 400
    frequency: float = 9.0

    def build(self, domain: Domain, channels: int) -> Network:
        start = Uniform(1.0)
        first, second = Linear(domain.ndim, self.width, start, start), Linear(self.width, self.width, start, start)
        return Network([first, Sine(self.frequency), second, ReLU(), Linear(self.width, channels, start, start)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        return self


def started(model: ModelSpec, init: Vi3nrInit, seed: int = 1) -> dict[str, Tensor]:
    network = model.build(SIGNAL.domain, 3)
    return as_tensors(init.apply(model, network, SIGNAL, generator(seed, "init")))


def own(model: ModelSpec, seed: int = 1) -> dict[str, Tensor]:
    return as_tensors(model.initial(model.build(SIGNAL.domain, 3), generator(seed, "init")))


def as_tensors(arrays: dict[str, FloatTensor]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def deviation(tensor: Tensor) -> float:
    return float(tensor.detach().square().mean().sqrt())


def test_siren_keeps_its_first_layer_and_gets_the_gain_of_its_activation() -> None:
    """sigma_p = 1/omega: gain^2 = 2 sigma^2 / (1 - e^-2) = 2.313 / omega^2. After the first layer F is 1/2."""
    model = Siren(width=256, depth=3)
    tensors, before = started(model, Vi3nrInit()), own(model)
    for name in ("0.weight", "0.bias"):
        assert torch.equal(tensors[name], before[name])
    gain = math.sqrt(2 / (1 - math.exp(-2)))
    assert deviation(tensors["2.weight"]) == pytest.approx(math.sqrt(2 / 256) / 30, rel=0.02)
    without_biases = started(model, Vi3nrInit(bias="zero"))["4.weight"]
    assert deviation(without_biases) == pytest.approx(gain / 16 / 30, rel=0.05)  # measured
    for name in ("6.weight", "8.weight"):
        assert deviation(tensors[name]) == pytest.approx(gain / 16 / 30, rel=0.05)
    assert tensors["6.weight"].abs().max().item() <= math.sqrt(3) * gain / 16 / 30


def test_biases() -> None:
    model = Siren(width=256, depth=1)
    before = own(model)
    zero, default, matched = (started(model, Vi3nrInit(bias=bias)) for bias in ("zero", "default", "matched"))
    assert torch.count_nonzero(zero["2.bias"]) == 0
    assert torch.equal(default["2.bias"], before["2.bias"])
    sigma = 1.01687 / 30
    assert deviation(matched["2.bias"]) == pytest.approx(sigma / 2, rel=0.1)
    assert deviation(matched["2.weight"]) == pytest.approx(math.sqrt(0.75 * 2) * sigma / 16, rel=0.02)


def test_given_deviations_are_met() -> None:
    """The pre-activations of the first layer and of a hidden one, over samples of the signal."""
    model = Siren(width=1024, depth=1)
    tensors = started(model, Vi3nrInit(sigma_p=0.2, sigma_first=0.05, bias="zero"))
    index = torch.arange(SIGNAL.domain.size)[::7].numpy()
    x = torch.from_numpy(SIGNAL.domain.coordinates(index))
    first = x @ tensors["0.weight"].t()
    hidden = torch.sin(30 * first) @ tensors["2.weight"].t()
    assert deviation(first) == pytest.approx(0.05, rel=0.05)
    assert deviation(hidden) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("scale", [1e-4, 1.0])
def test_relu_layers_get_he_weights_whatever_their_input(scale: float) -> None:
    """Tables of a grid start near zero and grow: weights that made up for it would be thousands of times too large."""
    tensors = started(Mixed(frequency=scale), Vi3nrInit())
    assert deviation(tensors["2.weight"]) == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    tensors = started(HashGridMlp(width=128, depth=2, log2_hashmap_size=8, n_levels=4), Vi3nrInit())
    for name in ("3.weight", "5.weight"):
        assert deviation(tensors[name]) == pytest.approx(math.sqrt(2 / 128), rel=0.06)


def test_each_layer_goes_by_the_function_before_it() -> None:
    """Sine, then ReLU, then the output: the ReLU layer gets 2/M, the last one the second moment that ReLU leaves."""
    tensors = started(Mixed(), Vi3nrInit())
    assert deviation(tensors["2.weight"]) == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert deviation(tensors["4.weight"]) == pytest.approx(math.sqrt(2 / 400), rel=0.05)
    given = started(Mixed(), Vi3nrInit(sigma_p=3.0, bias="zero"))
    assert deviation(given["2.weight"]) == pytest.approx(3 * math.sqrt(2 / 400), rel=0.05)
    assert deviation(given["4.weight"]) == pytest.approx(math.sqrt(2 / 400), rel=0.05)


def test_models_without_a_real_activation_are_refused() -> None:
    """The message names models that it fits."""
    for kind in {"wire", "wire2d", "bacon"} & set(MODELS.kinds()):
        with pytest.raises(SpecError, match=f"vi3nr: model {kind} has no .* activation.* it fits siren, hashgrid"):
            started(MODELS.get(kind).EXAMPLES[0], Vi3nrInit())


@pytest.mark.parametrize(
    "settings", [{"sigma_p": 0}, {"sigma_first": -1}, {"bias": "none"}, {"distribution": "cauchy"}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=f"vi3nr: {next(iter(settings))}"):
        Vi3nrInit(**settings)


def test_deep_gaussian_networks_learn_from_it_alone() -> None:
    """Where it helps: nine layers, of which the model's own start makes nothing."""

    def psnr(init: str) -> float:
        wanted = spec(Gauss(width=32, depth=8), 200, init=init)
        return fit(signal_of(photo(32)), wanted).report.curve[-1].psnr

    assert psnr("vi3nr") > psnr("default") + 5
