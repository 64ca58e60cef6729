"""Symbols that take their second nearest integer."""

import numpy as np
import numpy.typing as npt
import pytest

from inr.coders.latent.engine import Engine
from inr.coders.latent.kernels import engine_of
from inr.coders.latent.rdoq import SPACING, Trial, improve, passes_of, trials
from inr.coders.latent.shipped import SPEC, shipped
from inr.coders.latent.spec import SYMBOL_MAX, SYMBOL_MIN

NETWORKS = shipped(8).values()


def _picture(height: int, width: int) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[:height, :width] / 8
    return (0.5 + 0.4 * np.stack([np.sin(x + c) * np.cos(0.7 * y - c) for c in range(3)])).astype(np.float32)


def _latents(engine: Engine, spread: float = 1.0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(3).normal(0, spread / 16, engine.size).astype(np.float32)


def _cost(engine: Engine, latents: npt.NDArray[np.float32]) -> float:
    return engine.measure(latents, NETWORKS, 16.0, 1e-3).cost


def test_every_symbol_of_the_two_finest_grids_is_tried_in_turn() -> None:
    found = trials(4, 7)
    assert [found[i * SPACING**2].level for i in range(4)] == [1, 0, 1, 0]
    assert len(found) == len(set(found)) * 2 == 4 * SPACING**2
    assert [trial.level for trial in trials(1, 7)] == [0] * SPACING**2
    assert trials(0, 7) == []
    assert {trial.level for trial in trials(4, 1)} == {0}
    assert [passes_of(steps) for steps in (1, 4, 5, 9, 17, 1000)] == [0, 0, 1, 2, 4, 4]


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2), (37, 52)])
def test_every_trial_lowers_the_cost(shape: tuple[int, int]) -> None:
    engine = engine_of(SPEC, _picture(*shape))
    latents = _latents(engine)
    start = cost = _cost(engine, latents)
    for trial in trials(4, SPEC.levels):
        before = np.rint(16 * latents)
        moved = improve(engine, latents, NETWORKS, 16.0, 1e-3, [trial])
        assert np.count_nonzero(np.rint(16 * latents) != before) == moved
        after = _cost(engine, latents)
        assert after <= cost + 1e-3 * start
        cost = after
    if shape == (37, 52):
        assert cost < 0.8 * start


def test_trials_together_are_those_one_by_one() -> None:
    """But for what cells know of what happened in others, which is measured anew in each call."""
    engine = engine_of(SPEC, _picture(37, 52))
    every, one_by_one = _latents(engine), _latents(engine)
    some = trials(4, SPEC.levels)
    improve(engine, every, NETWORKS, 16.0, 1e-3, some)
    for trial in some:
        improve(engine, one_by_one, NETWORKS, 16.0, 1e-3, [trial])
    assert _cost(engine, every) == pytest.approx(_cost(engine, one_by_one), rel=0.02)


def test_a_trial_finds_what_trying_each_symbol_finds() -> None:
    engine = engine_of(SPEC, _picture(20, 25))
    latents = _latents(engine, 0.4)
    found = latents.copy()
    improve(engine, found, NETWORKS, 16.0, 1e-3, [Trial(0, 2, 3)])
    moved = SPEC.split_grids(np.rint(16 * found) != np.rint(16 * latents), 20, 25)["latent0"]
    agree = 0
    places = [(y, x) for y in range(2, 20, SPACING) for x in range(3, 25, SPACING)]
    for y, x in places:
        other = latents.copy()
        value = SPEC.split_grids(other, 20, 25)["latent0"]
        nearest = np.rint(16 * value[y, x])
        value[y, x] = (nearest + (1 if 16 * value[y, x] > nearest else -1)) / 16
        agree += bool(moved[y, x]) == (_cost(engine, other) < _cost(engine, latents))
    assert agree >= 0.9 * len(places)
    assert not np.delete(moved, np.s_[2::SPACING], axis=0).any()


def test_a_symbol_that_moved_can_move_back() -> None:
    engine = engine_of(SPEC, _picture(37, 52))
    latents = _latents(engine)
    before = np.rint(16 * latents)
    improve(engine, latents, NETWORKS, 16.0, 1e-3, trials(4, SPEC.levels)[-(SPACING**2) :])
    moved = np.rint(16 * latents) != before
    assert moved.any()
    values, symbols = 16 * latents[moved], np.rint(16 * latents[moved])
    assert np.array_equal(symbols + np.where(values > symbols, 1, -1), before[moved])


def test_symbols_stay_in_their_range() -> None:
    engine = engine_of(SPEC, _picture(20, 20))
    ends = np.array([SYMBOL_MIN, SYMBOL_MAX], np.float32) / 16
    latents = np.resize(ends, engine.size).astype(np.float32)
    beyond = (1.3 * latents).astype(np.float32)
    improve(engine, beyond, NETWORKS, 16.0, 1e-3, trials(4, SPEC.levels))
    assert np.array_equal(np.sign(beyond), np.sign(latents))
    assert np.abs(16 * beyond).min() > SYMBOL_MAX
    improve(engine, latents, NETWORKS, 16.0, 1e-3, trials(4, SPEC.levels))
    assert (16 * latents).min() >= SYMBOL_MIN
    assert (16 * latents).max() <= SYMBOL_MAX
