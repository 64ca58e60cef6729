"""Trainings that begin with a copy of half the side."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skimage import data

import inr
from inr.coders.latent.coarse import HalfSize, halved, shorter, steps_of_copy
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.training import LatentTraining, TrainingSpec
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
    assert steps_of_copy((255, 512), 7, 1000) == 0
    assert steps_of_copy((side, side), 7, 119) == steps_of_copy((side, side), 1, 500) == 0
    assert (steps_of_copy((256, 512), 7, 350), steps_of_copy((side, side), 7, 7500)) == (59, 100)


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
    assert np.array_equal(symbols[:-finest], latents * np.float32(32))
    found, given = spec.split(networks), shorter(spec).split(networks_of_copy)
    assert np.array_equal(found["synthesis.mix0.weight"][:, 1:], given["synthesis.mix0.weight"])
    assert np.array_equal(found["upsampling.up1.weight"], given["upsampling.up0.weight"])
    if spec.features:
        assert np.array_equal(found["parents.level1.weight"], given["parents.level0.weight"])
        assert np.array_equal(found["parents.level0.weight"][:, -3:], given["parents.level0.weight"][:, -3:])


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
