"""Trainings that begin with a copy of half the side."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skimage import data

import inr
from inr.coders.latent.coarse import GAIN, HalfSize, brought_down, brought_up, detailed, halved, shorter, steps_of_copy
from inr.coders.latent.guess import guessed_details
from inr.coders.latent.schedule import TrainingSpec
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.training import LatentTraining
from inr.errors import FitCancelledError
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.run import Hooks

SPEC = LatentSpec(levels=4, hyper=(2, 3), width=8)


def _photo(height: int, width: int) -> npt.NDArray[np.float32]:
    picture: npt.NDArray[Any] = data.astronaut()[100 : 100 + height, 150 : 150 + width]  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(picture.transpose(2, 0, 1) / np.float32(255))


def test_half_the_size_of_an_odd_picture() -> None:
    picture = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    assert halved(picture).tolist() == [[[3, 5, 6.5], [10.5, 12.5, 14]]]


@pytest.mark.parametrize(
    ("spec", "short"),
    [
        (LatentSpec(), LatentSpec(levels=6, hyper=(3, 4, 5))),
        (LatentSpec(levels=3, hyper=(0, 1)), LatentSpec(levels=2, hyper=(0,))),
    ],
)
def test_the_pyramid_without_its_finest_level(spec: LatentSpec, short: LatentSpec) -> None:
    assert shorter(spec) == short
    for height, width in ((64, 65), (1, 7), (33, 2)):
        of_copy = short.grids(-(-height // 2), -(-width // 2))
        coarse = [grid for grid in spec.grids(height, width) if grid.level > 0]
        assert [(g.level + 1, g.hyper, g.height, g.width) for g in of_copy] == [
            (g.level, g.hyper, g.height, g.width) for g in coarse
        ]


def test_small_pictures_and_short_trainings_have_no_copy() -> None:
    side = 400
    assert steps_of_copy((127, 128), 7, 1000) == 0
    assert steps_of_copy((side, side), 7, 119) == steps_of_copy((side, side), 1, 500) == 0
    assert (steps_of_copy((128, 128), 7, 350), steps_of_copy((side, side), 7, 7500)) == (59, 100)


@pytest.mark.parametrize("spec", [SPEC, LatentSpec(), LatentSpec(levels=3, hyper=(0, 1), features=0, hidden=0)])
def test_the_picture_starts_where_the_copy_ends(spec: LatentSpec) -> None:
    """It shows what the copy showed, and all that was learnt is where it belongs."""
    picture = _photo(80, 66)
    training = LatentTraining(picture, spec, TrainingSpec())
    copy = HalfSize(picture, training, 30)
    while copy.left:
        copy.step()
    symbols, networks = copy.start()
    engine = training.engine
    finest = sum(grid.size for grid in spec.grids(80, 66) if grid.level == 0)
    assert symbols.size == engine.size
    assert not symbols[-finest:].any()
    zeros = np.zeros_like(networks)
    started, nothing = (engine.mse(np.rint(symbols), some) for some in (networks, zeros))
    assert started < 0.15 * nothing
    _, latents, networks_of_copy = copy._training.settled()
    assert np.array_equal(symbols[:-finest], latents * np.float32(GAIN))
    found, given = spec.split(networks), shorter(spec).split(networks_of_copy)
    assert np.array_equal(found["synthesis.mix0.weight"][:, 1:], given["synthesis.mix0.weight"])
    assert np.array_equal(found["upsampling.up1.weight"], given["upsampling.up0.weight"])
    if spec.features:
        assert np.array_equal(found["parents.level1.weight"], given["parents.level0.weight"])
        assert np.array_equal(found["parents.level0.weight"][:, -3:], given["parents.level0.weight"][:, -3:])


def test_detailed_pictures_have_no_copy() -> None:
    """Noise has details, a ramp has none; where bits cost more there are fewer."""
    noise = np.random.default_rng(0).normal(0.5, 0.1, (3, 64, 80)).astype(np.float32)
    ramp = np.broadcast_to(np.linspace(0, 1, 80, dtype=np.float32), (3, 64, 80))
    assert [detailed(picture, 1e-3) for picture in (noise, ramp)] == [True, False]
    assert not detailed(noise, 0.1)
    assert guessed_details(noise, 1e-3) > guessed_details(noise, 1e-2) > 0 == guessed_details(ramp, 1e-3)


@pytest.mark.parametrize("spec", [SPEC, LatentSpec(), LatentSpec(levels=3, hyper=(0, 1), features=0, hidden=0)])
def test_learnt_networks_go_down_and_up_again(spec: LatentSpec) -> None:
    """What a copy starts from is all that it can use of them, and the picture gets it back where it was."""
    learnt = np.random.default_rng(1).normal(size=spec.parameters).astype(np.float32)
    below = brought_down(learnt, spec, shorter(spec))
    assert below.size == shorter(spec).parameters
    assert np.array_equal(brought_up(below, shorter(spec), spec, learnt, learnt=True), learnt)
    again = spec.split(brought_up(below, shorter(spec), spec, np.zeros_like(learnt), learnt=False))
    for name in ("context.out.weight", "upsampling.pre1.weight", "synthesis.residual0.weight"):
        assert np.array_equal(again[name], spec.split(learnt)[name])
    assert np.array_equal(again["synthesis.bypass.weight"][:, 1:], spec.split(learnt)["synthesis.bypass.weight"][:, 1:])
    assert not again["upsampling.up0.weight"].any()


def test_a_copy_starts_where_the_picture_would() -> None:
    """From the same networks, without a choice among random ones."""
    picture, start = _photo(80, 66), np.full(SPEC.parameters, 0.01, np.float32)
    training = LatentTraining(picture, SPEC, TrainingSpec(), start)
    copy = HalfSize(picture, training, 30)
    assert np.array_equal(copy.start()[1], start)
    assert len(copy._training.candidates) == 1


def test_a_copy_pays() -> None:
    """At equal cost, on a photo."""
    picture = _photo(192, 160)
    settings = TrainingSpec(lmbda=1e-3, iterations=160, warm_up=((2, 8), (1, 8)), last_share=0.1, betas=(0.9, 0.95))
    alone = LatentTraining(picture, LatentSpec(), settings).run()
    training = LatentTraining(picture, LatentSpec(), settings.replace(iterations=133, warm_up=()))
    copy = HalfSize(picture, training, 27)
    while copy.left:
        copy.step()
    copy.begin()
    assert training.run().measured.cost < alone.measured.cost


@pytest.mark.parametrize("after", [3, 21, 30])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(after: int, tmp_path: Path) -> None:
    """During the copy, just after it, and later."""
    picture = data.astronaut()[:256].copy()  # type: ignore[no-untyped-call]
    request: dict[str, Any] = {"coder": "latent", "lmbda": 3e-3, "steps": 125}
    whole = inr.compress(picture, **request)
    calls = 0

    def cancelled() -> bool:
        nonlocal calls
        calls += 1
        return calls > after

    policy = CheckpointPolicy(tmp_path / "checkpoint")
    with pytest.raises(FitCancelledError):
        inr.compress(picture, None, Hooks(cancelled=cancelled, checkpoint=policy), **request)
    assert inr.compress(picture, None, Hooks(checkpoint=policy), **request).data == whole.data
