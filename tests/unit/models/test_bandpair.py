"""The pair of a low-pass and a band-pass network, and first layers that start at edges."""

import numpy as np
import pytest
import torch

import inr
from inr.backends.torch import TorchNetwork
from inr.errors import SpecError
from inr.fitting.steps import fit
from inr.inits import singular
from inr.inits.singular import SingularInit, gradient_magnitude, windowed
from inr.layers import Linear
from inr.models.bandpair import BandPair
from inr.models.base import ModelSpec
from inr.models.gauss import Gauss
from inr.models.hashgrid import HashGridMlp
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.models.wire import WireMlp
from inr.models.wire2d import Wire2dMlp
from inr.rng import generator
from inr.signals.signal import Signal
from tests.support.domains import plain
from tests.support.model_checks import coordinates, initialised, randomised
from tests.support.small_fits import photo, signal_of, spec
from tests.support.torch_layers import part_of, tensor_of

PAIR = BandPair(low=Siren(width=8, depth=1, omega_0=5.0, omega=10.0), band=WireMlp(width=10, depth=1))
WINDOWED = (Gauss.EXAMPLES[0], WireMlp.EXAMPLES[0], Wire2dMlp.EXAMPLES[0], PAIR)


def edge(side: int = 24, column: int = 15) -> Signal:
    """Black to the left of a column, white from it on."""
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    pixels[:, column:] = 255
    return inr.load(pixels)


def started(model: ModelSpec, signal: Signal, seed: int = 0) -> TorchNetwork:
    network = model.build(signal.domain, 3)
    return TorchNetwork(network, SingularInit().apply(model, network, signal, generator(seed, "init")))


def lines(module: TorchNetwork, layer: Linear) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of a layer."""
    return tensor_of(module, layer, "weight"), tensor_of(module, layer, "bias")


def test_value_is_the_sum_of_both() -> None:
    network = randomised(PAIR)
    x = coordinates(50).float()
    with torch.no_grad():
        low, band = (part_of(network, i)(x) for i in (0, 1))
        torch.testing.assert_close(network(x), low + band)
    assert low.std() > 1e-3
    assert band.std() > 1e-3
    assert PAIR.parameters(plain(2), 3) == PAIR.low.parameters(plain(2), 3) + PAIR.band.parameters(plain(2), 3)


def test_each_network_starts_as_it_would_alone() -> None:
    network = initialised(PAIR, seed=3)
    draw = generator(3, "init")
    for i, model in enumerate((PAIR.low, PAIR.band)):
        alone = model.initial(model.build(plain(2), 3), draw)
        for name, tensor in part_of(network, i).arrays().items():
            np.testing.assert_array_equal(tensor, alone[name])


def test_default_networks_start_in_different_bands() -> None:
    """Mean radial frequency of the power, over 8 seeds' pictures of 64 x 64; the band is narrower."""
    model = BandPair(low=BandPair().low, band=WireMlp(width=40))
    x = torch.linspace(-1, 1, 65)[:-1]
    grid = torch.cartesian_prod(x, x)
    frequency = torch.fft.fftfreq(64) * 64
    radius = torch.sqrt(frequency[:, None] ** 2 + frequency**2)
    power = [torch.zeros(64, 64), torch.zeros(64, 64)]
    for seed in range(8):
        network = initialised(model, seed=seed)
        with torch.no_grad():
            for i in (0, 1):
                picture = part_of(network, i)(grid)[:, 0].reshape(64, 64)
                window = torch.hann_window(64)
                power[i] += torch.fft.fft2((picture - picture.mean()) * window * window[:, None]).abs() ** 2
    low, band = ((total * radius).sum() / total.sum() for total in power)
    assert band > 1.5 * low


def test_budget_is_split() -> None:
    model = BandPair().sized(40_000, plain(2), 3)
    assert 4_000 <= model.low.parameters(plain(2), 3) <= 5_000
    assert 39_000 <= model.parameters(plain(2), 3) <= 40_000


@pytest.mark.parametrize("name", ["low", "band"])
@pytest.mark.parametrize("model", [PAIR, IterativeInr.EXAMPLES[0]], ids=lambda model: str(model.kind))
def test_wrapper_as_a_part_is_refused(name: str, model: ModelSpec) -> None:
    with pytest.raises(SpecError, match=f"bandpair: {name}: must be a model of its own.*; got {model.kind}"):
        BandPair(**{name: model})


@pytest.mark.parametrize("model", WINDOWED, ids=lambda model: str(model.kind))
def test_windows_are_centred_on_the_edge(model: ModelSpec) -> None:
    """W x + b is zero at one sample beside the edge, for all that a window reads; other tensors are the model's own."""
    signal = edge()
    network = started(model, signal)
    beside = torch.from_numpy(signal.domain.coordinates(np.arange(24 * 24))).reshape(24, 24, 2)[:, 14:16].reshape(-1, 2)
    moved = set()
    for layers in windowed(network.network):
        pairs = [lines(network, layer) for layer in layers]
        distance = torch.stack([(weight @ beside.T + bias[:, None]).abs() for weight, bias in pairs]).sum(dim=0)
        assert (distance.min(dim=1).values < 1e-6).all()
        assert len(set(distance.argmin(dim=1).tolist())) > 3
        moved |= {f"{network.network.numbers[layer]}.bias" for layer in layers}
    plain = initialised(model).tensors()
    for name, tensor in network.tensors().items():
        assert torch.equal(tensor, plain[name]) == (name not in moved)
    assert len(moved) == (2 if model is WINDOWED[2] else 1)


def test_centres_follow_the_gradient() -> None:
    """A weak edge of a third of the strong one's height gets a quarter of the centres: 300 +- 5 x 15 of 1,200."""
    pixels = np.zeros((30, 30, 1), dtype=np.uint8)
    pixels[:, 10:] = 60
    pixels[:, 20:] = 240
    model = Gauss(width=1200, depth=0)
    signal = inr.load(pixels)
    network = started(model, signal)
    ((layer,),) = windowed(network.network)
    weight, bias = lines(network, layer)
    with torch.no_grad():
        columns = []
        for column in (9, 10, 19, 20):
            points = torch.from_numpy(signal.domain.coordinates(np.arange(900))).reshape(30, 30, 2)[:, column]
            columns.append((weight @ points.T + bias[:, None]).abs().min(dim=1).values < 1e-6)
    weak = (columns[0] | columns[1]).sum().item()
    assert len(network.tensors()) == 4
    assert 225 <= weak <= 375


@pytest.mark.parametrize("candidates", [100, 2**16])
def test_seed_determines_the_centres(candidates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the signal has more samples than are looked at."""
    monkeypatch.setattr(singular, "CANDIDATES", candidates)
    signal = signal_of(photo())
    first, again, other = (started(PAIR, signal, seed).tensors() for seed in (1, 1, 2))
    for name, tensor in first.items():
        assert torch.isfinite(tensor).all()
        assert torch.equal(tensor, again[name])
    assert not all(torch.equal(tensor, other[name]) for name, tensor in first.items())


def test_flat_picture_has_centres_everywhere() -> None:
    flat = inr.load(np.full((16, 16, 3), 77, dtype=np.uint8))
    network = started(Gauss(width=400, depth=0), flat)
    ((layer,),) = windowed(network.network)
    weight, bias = lines(network, layer)
    points = torch.from_numpy(flat.domain.coordinates(np.arange(256)))
    nearest = (weight @ points.T + bias[:, None]).abs().argmin(dim=1)
    assert len(set(nearest.tolist())) > 150


def test_gradient_is_that_of_the_formula() -> None:
    """A ramp in both directions: 8 and 4 levels a sample, on three channels; half of it at the borders is one-sided."""
    y, x = np.mgrid[:9, :9]
    pixels = np.repeat((20 + 8 * y + 4 * x).astype(np.uint8)[..., None], 3, axis=-1)
    found = gradient_magnitude(inr.load(pixels), np.arange(81))
    width = 2 / 9
    np.testing.assert_allclose(found, np.sqrt(3) * np.hypot(8, 4) * 2 / 255 / width, rtol=1e-5)
    assert gradient_magnitude(inr.load(pixels[:1, :1]), np.zeros(1, dtype=np.int64)) == 0


@pytest.mark.parametrize("model", [Siren.EXAMPLES[0], HashGridMlp.EXAMPLES[0]], ids=lambda model: str(model.kind))
def test_models_without_windows_are_refused(model: ModelSpec) -> None:
    with pytest.raises(SpecError, match=f"singular: model {model.kind} has no window.*; it fits .*gauss, wire, wire2d"):
        started(model, edge())


def test_pair_learns_from_edges() -> None:
    fitted = fit(signal_of(photo()), spec(PAIR, 80, init="singular"))
    psnr = [point.psnr for point in fitted.report.curve]
    assert psnr[-1] > psnr[0] + 1.5
