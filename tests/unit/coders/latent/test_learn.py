"""Learning of starts: the batched model and optimiser against those of one picture, and the outer loop."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from inr.coders.latent.learn.batch import BatchTwin, copies
from inr.coders.latent.learn.inner import Inner, schedule_of
from inr.coders.latent.learn.reptile import HELD_OUT, LearnSpec, Progress, Reptile
from inr.coders.latent.learn.soap import BatchSoap, Rates, orthonormal
from inr.coders.latent.learn.tuner import Tuner
from inr.coders.latent.shipped import WARM_UP
from inr.coders.latent.soap import Soap, SoapSpec
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.start import random_start
from inr.coders.latent.training import TrainingSpec
from inr.coders.latent.twin import Twin, hard_round
from inr.errors import SpecError
from inr.rng import generator

SMALL = LatentSpec(levels=4, hyper=(2,), contexts=6, features=3, width=6)


def _networks(spec: LatentSpec, seed: int) -> dict[str, Tensor]:
    noise = torch.Generator().manual_seed(seed)
    start = spec.split(random_start(spec, generator(seed, "test")))
    return {name: torch.from_numpy(v) + 0.05 * torch.randn(v.shape, generator=noise) for name, v in start.items()}


@pytest.mark.parametrize(("height", "width"), [(52, 39), (64, 96), (7, 130)])
@pytest.mark.parametrize("spec", [LatentSpec(), SMALL, LatentSpec(channels=1, features=0, residuals=1, hidden=1)])
def test_the_batched_model_is_the_twin(spec: LatentSpec, height: int, width: int) -> None:
    """Loss and all gradients of two pictures with different networks and weights of a bit."""
    twin, batch = Twin(spec, height, width), BatchTwin(spec, height, width)
    random = torch.Generator().manual_seed(1)
    singles = [_networks(spec, seed) for seed in (1, 2)]
    stacked = {name: torch.stack([one[name] for one in singles]).requires_grad_() for name in singles[0]}
    pyramid = (1.5 * torch.randn(2, twin.size, generator=random)).requires_grad_()
    target = torch.rand(2, spec.channels, height, width, generator=random)
    losses = batch.losses(pyramid, stacked, target, torch.tensor([1e-3, 1e-2]))
    grads = torch.autograd.grad(losses.sum(), [pyramid, *stacked.values()])
    bpp, mse = batch.measure(pyramid, stacked, target)
    for i, lmbda in enumerate((1e-3, 1e-2)):
        leaves = {name: value.clone().requires_grad_() for name, value in singles[i].items()}
        alone = pyramid[i].detach().requires_grad_()
        error, rate = twin.costs(alone, leaves, target[i])
        loss = error + lmbda * rate
        torch.testing.assert_close(losses[i], loss, rtol=1e-5, atol=0)
        for found, expected in zip(grads, torch.autograd.grad(loss, [alone, *leaves.values()]), strict=True):
            assert float((found[i] - expected).norm()) <= 1e-5 * float(expected.norm())
        symbols, leaves = hard_round(alone.detach()), singles[i]
        error = (twin.synthesise(symbols, leaves).clamp(0, 1) - target[i]).square().mean()
        assert float(bpp[i]) == pytest.approx(float(twin.costs(symbols, leaves, target[i])[1]), rel=1e-5)
        assert float(mse[i]) == pytest.approx(float(error), rel=1e-5)


def test_the_batched_optimiser_is_soap() -> None:
    """The same numbers as one set of networks alone, once both have the same first bases."""
    torch.manual_seed(3)
    tensors = _networks(SMALL, 1)  # gradients of few steps fix all eigenvectors
    both = {name: torch.stack([value, value]) for name, value in tensors.items()}
    flat = SMALL.joined({name: value.numpy() for name, value in tensors.items()})
    single, batch = Soap(SoapSpec(), [t.shape for t in SMALL.layout()]), BatchSoap(SoapSpec(), both)
    for i, row in enumerate(schedule_of(TrainingSpec(), WARM_UP + 35)[WARM_UP:]):
        grads = {name: torch.randn(v.shape) * torch.linspace(0.1, 1, v.shape[-1]) for name, v in tensors.items()}
        rate = 1e-5 + (1e-2 - 1e-5) * 0.5 * (1 + math.cos(math.pi * i / 35))
        single.step(flat, SMALL.joined({name: g.numpy() for name, g in grads.items()}), rate)
        doubled = {name: torch.stack([g, g]) for name, g in grads.items()}
        (batch.step if i else batch.first)(both, doubled, Rates(row[1], row[2], row[3]))
        if i == 0:
            _share_bases(single, batch)
        elif i % SoapSpec().every == 0:
            batch.renew()
    for name, value in SMALL.split(flat).items():
        moved = float((torch.from_numpy(value) - tensors[name]).norm())
        assert moved > 0
        assert float((both[name][0] - torch.from_numpy(value)).norm()) <= 1e-3 * moved, name


def _share_bases(single: Soap, batch: BatchSoap) -> None:
    place = 0
    for tensor in SMALL.layout():
        size = single._size(tensor.shape)
        sides = single._views(single.state[place : place + size], tensor.shape)[2]
        for side, known in zip(batch._states[tensor.name].sides, sides, strict=True):
            side.basis.copy_(torch.from_numpy(known.basis.copy()))
        place += size


def test_orthonormal_factors_of_any_rank() -> None:
    """As the library's QR decomposition has them but for signs; orthonormal also for matrices that are not regular."""
    matrices = torch.randn(5, 12, 12, generator=torch.Generator().manual_seed(2)) * 1e-9
    matrices[1, :, 4:] = 0
    matrices[2] = 0
    matrices[3] = matrices[3, :, :1] @ matrices[3, :1]
    found = orthonormal(matrices)
    eye = torch.eye(12).expand(5, 12, 12)
    torch.testing.assert_close(found.transpose(1, 2) @ found, eye, rtol=0, atol=1e-5)
    expected = torch.linalg.qr(matrices[[0, 4]]).Q
    torch.testing.assert_close(found[[0, 4]].abs(), expected.abs(), rtol=1e-3, atol=1e-4)


def _pictures(count: int = 20, side: int = 40) -> npt.NDArray[np.uint8]:
    """Smooth colours with a little noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(6 * (a * y + b * x) + c) for a, b, c in random.uniform(0, 1, (count * 3, 3))]
    values = 128 + 80 * np.stack(waves).reshape(count, 3, side, side) + random.normal(0, 3, (count, 3, side, side))
    return values.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def _spec(**settings: object) -> LearnSpec:
    base = {"latents": SMALL, "lmbdas": (1e-3, 1e-2), "each": 2, "side": 32, "inner": (40, 60), "outers": 6}
    return LearnSpec.model_validate(base | settings)


def test_a_learned_start_is_better_than_a_random_one() -> None:
    """On pictures that it has not seen, for every lambda."""
    torch.set_num_threads(1)
    learner = Reptile(_spec(outers=10), _pictures())
    while learner.share < 1:
        learner.advance()
    found: dict[str, list[float]] = {}
    learner.validate([45], lambda name, length, costs: found.update({name: costs}))
    assert all(a < 0.8 * b for a, b in zip(found["learned"], found["random"], strict=True))


def test_the_inner_loops_are_alike() -> None:
    """On the compiled engine and in torch, whose noise is another, costs agree within some percent."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    crops = torch.from_numpy(_pictures(4, 32)).permute(0, 3, 1, 2).float() / 255
    lmbda = torch.tensor([1e-3, 1e-3, 1e-2, 1e-2])
    networks = copies({name: value[None] for name, value in _networks(SMALL, 1).items()}, [4])
    settings = TrainingSpec(warm_up=((1, WARM_UP),), last_share=0)
    loops = Tuner(SMALL, lmbda, settings), Inner(BatchTwin(SMALL, 32, 32), lmbda, networks, TrainingSpec())
    early, late = ([loop.run(crops, networks, length) for loop in loops] for length in (40, 150))
    costs = [[tuned.mse / lmbda + tuned.bpp for tuned in both] for both in (early, late)]
    for start, end in zip(costs[0], costs[1], strict=True):
        assert bool((end < 0.7 * start).all())
    assert float((costs[1][0] / costs[1][1]).log().mean().abs()) < 0.1
    assert all(not torch.equal(late[1].networks[name], value) for name, value in networks.items())


def test_goes_on_from_a_state_to_the_same_networks(tmp_path: Path) -> None:
    """Bit for bit."""
    torch.set_num_threads(1)
    whole, half = Reptile(_spec(), _pictures()), Reptile(_spec(), _pictures())
    for _ in range(4):
        whole.advance()
    for _ in range(2):
        half.advance()
    half.progress.save(tmp_path / "state.npz")
    rest = Reptile(_spec(), _pictures())
    rest.progress = Progress.load(tmp_path / "state.npz", "cpu")
    for _ in range(2):
        rest.advance()
    assert rest.progress.history == whole.progress.history
    for name, value in whole.progress.shared.items():
        assert torch.equal(rest.progress.shared[name], value)


def test_copies_follow_their_groups() -> None:
    """Every picture of a lambda has that lambda's networks."""
    shared = {"a": torch.arange(6.0).view(2, 3)}
    assert copies(shared, [1, 2])["a"].tolist() == [[0, 1, 2], [3, 4, 5], [3, 4, 5]]


def test_refuses_too_small_pictures() -> None:
    """One line that says both sizes."""
    with pytest.raises(SpecError, match=r"crops of 64 .*\(40, 40\)"):
        Reptile(_spec(side=64), _pictures())


def test_the_command_writes_starts_and_compares(tmp_path: Path) -> None:
    """From files to ``starts.npz``; a second call has nothing to do but to compare again."""
    for i, picture in enumerate(_pictures(HELD_OUT + 2)):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "inr.coders.latent.learn", str(tmp_path), str(out), "--device", "cpu"]
    command += ["--validate", "35", "--spec", _spec(outers=2, inner=(33, 33)).to_json()]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.splitlines()
    second = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.splitlines()
    assert len(first) == 4
    assert [line.split()[:2] for line in second] == [["learned", "35"], ["random", "35"]]
    with np.load(out / "starts.npz") as found:
        assert int(found["done"]) == 2
        assert found["history"].shape == (2, 2)
        assert {tensor.name for tensor in SMALL.layout()} <= set(found)
