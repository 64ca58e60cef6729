"""Mixtures: a share of each batch has every sample in turn, the rest is chosen, and nothing is there twice."""

import numpy as np
import pytest

from inr.samplers.base import SAMPLERS
from inr.samplers.mixture import Mixture
from inr.samplers.teaching import TeachingSampler
from tests.support.sampler_drive import drive, top


def draws(mixture: Mixture, pool: list[int], steps: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [mixture.draw(step, np.array(pool, dtype=np.int64), rng).tolist() for step in range(steps)]


def test_batches_are_sorted_of_one_size_and_without_repeats() -> None:
    mixture = Mixture(100, 20, 0.25, seed=1)
    assert mixture.spread == 5
    pool = list(range(40))
    for index in draws(mixture, pool, 60):
        assert index == sorted(set(index))
        assert len(index) == 20
        assert len(set(index) & set(pool)) >= 15


def test_spread_samples_have_their_turn_once_an_epoch() -> None:
    mixture = Mixture(100, 20, 0.25, seed=1)
    first, second = ([i for step in range(20 * e, 20 * e + 20) for i in mixture.spread_of(step)] for e in (0, 1))
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second


@pytest.mark.parametrize(("share", "spread"), [(0.0, 0), (1.0, 20), (0.02, 0), (0.03, 1)])
def test_share_is_rounded(share: float, spread: int) -> None:
    mixture = Mixture(100, 20, share, seed=1)
    pool = list(range(60, 100))
    for step, index in enumerate(draws(mixture, pool, 5)):
        spreaded = mixture.spread_of(step).tolist()
        assert len(spreaded) == spread
        assert set(spreaded) <= set(index)
        assert set(index) - set(spreaded) <= set(pool)


def test_a_pool_that_is_too_small_is_taken_whole() -> None:
    mixture = Mixture(50, 20, 0.5, seed=3)
    for step, index in enumerate(draws(mixture, [1, 2, 3], 10)):
        assert set(index) == {1, 2, 3} | set(mixture.spread_of(step).tolist())


@pytest.mark.parametrize("sampler", ["teaching", "evos", "soft"])
@pytest.mark.parametrize("batch", [64, 512])
def test_every_sample_is_trained_again_and_again(sampler: str, batch: int) -> None:
    """Whatever the residuals: by default each half of a fit of 12 epochs has every sample."""
    n = 2048
    table = np.where(np.arange(n) % 16 == 0, 1.0, 1e-6)
    steps = 12 * n // batch
    spec = SAMPLERS.make({"kind": sampler, "batch": batch})
    fit = drive(spec, table, total=steps)
    fit.run(steps)
    for points in (fit.chosen[: steps // 2], fit.chosen[steps // 2 :]):
        assert len(np.unique(np.concatenate([p.index for p in points]))) == n


def test_what_is_hard_is_trained_more_often() -> None:
    table = np.arange(1, 1025) / 1024.0
    fit = drive(TeachingSampler(batch=64, schedule="constant"), table, total=400)
    counts = np.bincount(np.concatenate([p.index for p in fit.run(400)[16:]]), minlength=1024)
    hard = np.isin(np.arange(1024), top(table, 204))
    assert counts[hard].mean() > 1.5 * counts[~hard].mean()
    assert counts.min() > 0
