import itertools

import numpy as np
import pytest
import torch

from inr.coders.latent.spec import SYMBOL_MAX, SYMBOL_MIN, LatentSpec
from inr.coders.latent.start import random_start
from inr.coders.latent.twin import Twin, hard_round, soft_round

SIZES = [(1, 1), (1, 7), (2, 3), (5, 4), (17, 33), (65, 31)]


def _start(spec: LatentSpec, random: np.random.Generator) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in spec.split(random_start(spec, random)).items()}


def _random(spec: LatentSpec, seed: int = 0) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(seed)
    return {
        name: tensor + 0.1 * torch.from_numpy(random.standard_normal(tensor.shape)).float()
        for name, tensor in _start(spec, random).items()
    }


def _loss(
    twin: Twin, pyramid: torch.Tensor, networks: dict[str, torch.Tensor], target: torch.Tensor, lmbda: float
) -> torch.Tensor:
    mse, bpp = twin.costs(pyramid, networks, target)
    return mse + lmbda * bpp


def _symbols(twin: Twin, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(-3, 4, twin.size)).float()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_shapes(height: int, width: int) -> None:
    spec = LatentSpec()
    twin, networks = Twin(spec, height, width), _random(spec)
    symbols = _symbols(twin)
    assert [tuple(t.shape) for t in twin.split(symbols)] == [(g.height, g.width) for g in twin.grids]
    assert twin.bits(symbols, networks).shape == (twin.size,)
    assert twin.features(symbols, networks).shape == (7, height, width)
    assert twin.synthesise(symbols, networks).shape == (3, height, width)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_counts(channels: int) -> None:
    spec = LatentSpec(channels=channels, levels=3, hyper=(), features=0, contexts=5, hidden=1, width=4, residuals=0)
    twin, networks = Twin(spec, 9, 6), _random(spec)
    assert twin.synthesise(_symbols(twin), networks).shape == (channels, 9, 6)
    assert twin.bits(_symbols(twin), networks).isfinite().all()


def test_gradients_reach_every_tensor() -> None:
    spec = LatentSpec()
    twin = Twin(spec, 33, 47)
    networks = {name: value.requires_grad_(True) for name, value in _random(spec).items()}
    pyramid = (_symbols(twin) + 0.3).requires_grad_(True)
    loss = _loss(twin, pyramid, networks, torch.rand(3, 33, 47, generator=torch.Generator().manual_seed(0)), 1e-3)
    grads = torch.autograd.grad(loss, [pyramid, *networks.values()])
    assert all(grad.isfinite().all() for grad in grads)
    dead = [name for name, grad in zip(networks, grads[1:], strict=True) if not grad.any()]
    assert not dead
    assert (grads[0] != 0).all()


def test_gradient_of_latents_is_that_of_differences() -> None:
    spec = LatentSpec(levels=3, hyper=(2,))
    twin = Twin(spec, 6, 5)
    networks = _random(spec)
    target = torch.full((3, 6, 5), 0.5)
    pyramid = (_symbols(twin) * 0.5 + 0.13).requires_grad_(True)
    (grad,) = torch.autograd.grad(_loss(twin, pyramid, networks, target, 1.0), [pyramid])
    for i in range(0, twin.size, 5):
        step = torch.zeros(twin.size)
        step[i] = 2e-3
        ends = [float(_loss(twin, pyramid.detach() + sign * step, networks, target, 1.0)) for sign in (1, -1)]
        assert (ends[0] - ends[1]) / 4e-3 == pytest.approx(float(grad[i]), rel=0.02, abs=2e-3)


@pytest.mark.parametrize(("height", "width"), [(9, 14), (16, 16)])
def test_a_later_symbol_changes_no_earlier_distribution(height: int, width: int) -> None:
    spec = LatentSpec(levels=4, hyper=(2, 3))
    twin, networks = Twin(spec, height, width), _random(spec)
    symbols = _symbols(twin)
    before = torch.stack(twin.laplace(symbols, networks))
    for i in range(twin.size):
        changed = symbols.clone()
        changed[i] += 2
        after = torch.stack(twin.laplace(changed, networks))
        assert torch.equal(before[:, : i + 1], after[:, : i + 1])


def test_symbols_of_one_front_do_not_see_each_other() -> None:
    spec = LatentSpec(levels=1, hyper=())
    twin, networks = Twin(spec, 8, 20), _random(spec)
    symbols = _symbols(twin)
    before = torch.stack(twin.laplace(symbols, networks)).view(2, 8, 20)
    front = torch.arange(20)[None] + 3 * torch.arange(8)[:, None]
    changed = torch.where(front.flatten() >= 15, symbols + 1, symbols)
    after = torch.stack(twin.laplace(changed, networks)).view(2, 8, 20)
    assert torch.equal(before[:, front <= 15], after[:, front <= 15])


def test_a_start_interpolates() -> None:
    spec = LatentSpec(hyper=())
    twin, networks = Twin(spec, 40, 24), _start(spec, np.random.default_rng(0))
    constant = twin.features(torch.ones(twin.size), networks)
    torch.testing.assert_close(constant, torch.ones_like(constant))
    # the middles of samples lie half a pixel from the corner; this cubic is out by 3/64 of a source pixel on a ramp
    ramp = torch.cat([(torch.arange(g.width) + 0.5).expand(g.height, -1).reshape(-1) * 2**g.level for g in twin.grids])
    level_1 = twin.features(ramp, networks)[1]
    torch.testing.assert_close(level_1[20, 6:18], torch.arange(6, 18) + 0.5, atol=0.1, rtol=0)


def test_bits_are_those_of_a_laplace_distribution() -> None:
    spec = LatentSpec(levels=1, hyper=())
    twin, networks = Twin(spec, 64, 64), _start(spec, np.random.default_rng(0))
    networks = {name: torch.zeros_like(value) for name, value in networks.items()}
    networks["context.out.bias"] = torch.tensor([0.0, 4.0])  # mean 0, scale 1
    symbols = torch.zeros(twin.size)
    symbols[0], symbols[1] = 1, 40
    bits = twin.bits(symbols, networks)
    assert float(bits[5]) == pytest.approx(-np.log2(1 - np.exp(-0.5)), rel=1e-5)
    assert float(bits[0]) == pytest.approx(-np.log2((np.exp(-0.5) - np.exp(-1.5)) / 2), rel=1e-5)
    assert float(bits[1]) == 16


def test_roundings() -> None:
    x = torch.linspace(-3, 3, 601)
    assert torch.allclose(soft_round(x, 1e3), x, atol=1e-4)
    away = (x - x.floor() - 0.5).abs() > 0.05
    assert torch.allclose(soft_round(x, 0.01)[away], x.round()[away], atol=1e-3)
    for a, b in itertools.pairwise((soft_round(x, 0.3)).tolist()):
        assert b >= a - 1e-6
    assert hard_round(torch.tensor([-1e3, 0.4, 1e3])).tolist() == [SYMBOL_MIN, 0, SYMBOL_MAX]
