import copy

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr.coders.latent.network_bits import golomb_bits, quantise
from inr.coders.latent.soap import Soap, SoapSpec
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.training import LatentTraining, Trained, TrainingSpec
from inr.coders.latent.twin import Twin

SPEC = LatentSpec(levels=4, hyper=(2, 3), width=8)


def _picture(height: int, width: int, channels: int = 3) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[:height, :width] / 8
    waves = [np.sin(x + c) * np.cos(0.7 * y - c) for c in range(channels)]
    return (0.5 + 0.4 * np.stack(waves)).astype(np.float32)


def _train(settings: TrainingSpec, spec: LatentSpec = SPEC, size: tuple[int, int] = (24, 20)) -> Trained:
    return LatentTraining(_picture(*size, spec.channels), spec, settings).run()


def test_training_lowers_the_cost() -> None:
    settings = TrainingSpec(iterations=80, warm_up=((1, 10),), validate_every=10)
    costs: list[float] = []
    training = LatentTraining(_picture(24, 20), SPEC, settings)
    trained = training.run(lambda done, measured: costs.append(measured.cost))
    assert trained.measured.cost == min(costs)
    assert trained.measured.cost < 0.6 * costs[0]
    assert trained.measured.psnr > 20
    assert training.done == 80


def test_a_result_is_what_was_measured() -> None:
    settings = TrainingSpec(iterations=40, warm_up=((2, 5),), validate_every=10)
    trained = _train(settings)
    twin = Twin(SPEC, 24, 20)
    networks = {name: torch.from_numpy(value) for name, value in trained.networks.items()}
    symbols = torch.from_numpy(trained.symbols).float()
    assert twin.measure(symbols, networks, torch.from_numpy(_picture(24, 20)), settings.lmbda) == trained.measured


@pytest.mark.parametrize("warm_up", [(), ((1, 4),), ((2, 2), (2, 1))])
def test_the_same_seed_gives_the_same_bits(warm_up: tuple[tuple[int, int], ...]) -> None:
    settings = TrainingSpec(iterations=14, warm_up=warm_up, validate_every=5)
    first, again, other = _train(settings), _train(settings), _train(settings.replace(seed=1))
    assert np.array_equal(first.symbols, again.symbols)
    assert all(np.array_equal(value, again.networks[name]) for name, value in first.networks.items())
    assert first.measured == again.measured
    assert first.measured != other.measured


@pytest.mark.parametrize("after", [1, 5, 9])
def test_a_copied_state_goes_on_to_the_same_bits(after: int) -> None:
    settings = TrainingSpec(iterations=14, warm_up=((2, 2), (2, 1)), validate_every=3)
    training = LatentTraining(_picture(24, 20), SPEC, settings)
    while training.done < after:
        training.step()
    copied = copy.deepcopy(training)
    first, second = training.run(), copied.run()
    assert np.array_equal(first.symbols, second.symbols)
    assert all(np.array_equal(value, second.networks[name]) for name, value in first.networks.items())


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 3)])
def test_small_pictures(size: tuple[int, int]) -> None:
    trained = _train(TrainingSpec(iterations=20, warm_up=((1, 4),), validate_every=5), LatentSpec(channels=1), size)
    assert np.isfinite(trained.measured.cost)


def test_the_last_phase_moves_only_the_networks() -> None:
    settings = TrainingSpec(iterations=30, warm_up=((1, 5),), validate_every=5, last_share=0.5)
    training = LatentTraining(_picture(24, 20), SPEC, settings)
    while training.done < 16:
        training.step()
    symbols = training.candidates[0].latents.clone()
    networks = {name: value.clone() for name, value in training.candidates[0].networks.items()}
    while not training.finished:
        training.step()
    assert torch.equal(symbols, training.candidates[0].latents)
    moved = [name for name, value in networks.items() if not torch.equal(value, training.candidates[0].networks[name])]
    assert len(moved) > len(networks) // 2


@pytest.mark.parametrize("shape", [(6,), (4, 6), (3, 3, 3, 3), (1, 5)])
def test_soap_lowers_a_quadratic(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    mixed = torch.from_numpy(random.standard_normal((int(np.prod(shape)),) * 2)).float()
    x, goal = {"x": torch.zeros(shape)}, torch.from_numpy(random.standard_normal(shape)).float()
    soap, losses = Soap(SoapSpec(weight_decay=0.0), x), []
    for i in range(200):
        leaf = x["x"].detach().requires_grad_(True)
        loss = (mixed @ (leaf - goal).flatten()).square().mean()
        (grad,) = torch.autograd.grad(loss, [leaf])
        soap.step(x, {"x": grad}, 0.05 * (1 - i / 200))
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def test_golomb_bits() -> None:
    assert golomb_bits(np.zeros(10, dtype=np.int64)) == 4 + 10
    assert golomb_bits(np.array([1, -1, 0], dtype=np.int64)) == 4 + 3 + 3 + 1  # codes 1, 2, 0
    assert golomb_bits(np.full(10, 1000, dtype=np.int64)) < 10 * 14 + 4


def test_quantising_networks_costs_little() -> None:
    settings = TrainingSpec(iterations=60, warm_up=((1, 10),), validate_every=20)
    trained = _train(settings, size=(24, 20))
    twin, target = Twin(SPEC, 24, 20), torch.from_numpy(_picture(24, 20))
    networks = {name: torch.from_numpy(value) for name, value in trained.networks.items()}
    symbols = torch.from_numpy(trained.symbols).float()
    # as if many pixels shared the networks, fine steps are worth their bits
    fine = quantise(twin, symbols, networks, target, settings.lmbda, pixels=10**7)
    coarse = quantise(twin, symbols, networks, target, settings.lmbda)
    assert coarse.bits < fine.bits
    assert fine.measured.cost < 1.03 * trained.measured.cost
    values = {name: torch.from_numpy(value) for name, value in fine.networks.values(SPEC).items()}
    assert twin.measure(symbols, values, target, settings.lmbda) == fine.measured
