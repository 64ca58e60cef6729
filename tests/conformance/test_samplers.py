"""Samplers: in range, without repeats, and a pure function of seed and step."""

import numpy as np
import pytest

from inr.errors import SpecError
from inr.samplers.base import SAMPLERS, SamplerSpec
from inr.samplers.full import FullSampler
from inr.samplers.uniform import UniformSampler

SPECS = [SAMPLERS.make(kind) for kind in SAMPLERS.kinds()] + [
    UniformSampler(batch=1),
    UniformSampler(batch=7),
    UniformSampler(batch=64),
]

each_sampler = pytest.mark.parametrize("spec", SPECS, ids=repr)


@each_sampler
@pytest.mark.parametrize("n", [1, 2, 7, 64, 1000])
def test_indices_are_in_range_and_without_repeats(spec: SamplerSpec, n: int) -> None:
    sampler = spec.start(n, seed=1)
    for step in range(30):
        index = sampler.select(step)
        assert index.dtype == np.int64
        assert index.ndim == 1
        assert len(index) >= 1
        assert index.min() >= 0
        assert index.max() < n
        assert len(np.unique(index)) == len(index)


@each_sampler
def test_step_and_seed_say_it_all(spec: SamplerSpec) -> None:
    """Steps in any order, from a fresh sampler or a used one: a resumed fit sees the same batches."""
    expected = [spec.start(300, seed=5).select(step) for step in range(40)]
    used = spec.start(300, seed=5)
    for step in (*range(40), 39, 0, 17, 5, 5, 38):
        np.testing.assert_array_equal(used.select(step), expected[step])


@pytest.mark.parametrize(("n", "batch"), [(64, 64), (64, 16), (1000, 100), (7, 1)])
def test_every_sample_once_an_epoch(n: int, batch: int) -> None:
    sampler = UniformSampler(batch=batch).start(n, seed=2)
    steps = n // batch
    for epoch in range(3):
        seen = np.concatenate([sampler.select(epoch * steps + step) for step in range(steps)])
        np.testing.assert_array_equal(np.sort(seen), np.arange(n))


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (1000, 300), (100, 99)])
def test_batch_that_does_not_divide_the_signal(n: int, batch: int) -> None:
    """All batches have the same size; the rest of an epoch waits for the next, so nothing is left out for good."""
    sampler = UniformSampler(batch=batch).start(n, seed=3)
    steps = n // batch
    seen = []
    for epoch in range(40):
        batches = [sampler.select(epoch * steps + step) for step in range(steps)]
        assert {len(index) for index in batches} == {batch}
        together = np.concatenate(batches)
        assert len(np.unique(together)) == steps * batch
        seen.append(together)
    np.testing.assert_array_equal(np.unique(np.concatenate(seen)), np.arange(n))


def test_epochs_and_seeds_differ() -> None:
    sampler = UniformSampler(batch=50).start(100, seed=1)
    assert not np.array_equal(sampler.select(0), sampler.select(2))
    assert not np.array_equal(sampler.select(0), UniformSampler(batch=50).start(100, seed=2).select(0))


@pytest.mark.parametrize("n", [1, 5, 100])
def test_batch_larger_than_the_signal_is_all_of_it(n: int) -> None:
    sampler = UniformSampler(batch=101).start(n, seed=1)
    for step in range(3):
        np.testing.assert_array_equal(np.sort(sampler.select(step)), np.arange(n))


def test_batches_are_spread_evenly() -> None:
    """The mean index of many batches is the middle, as it is for independent draws."""
    sampler = UniformSampler(batch=100).start(10_000, seed=4)
    means = [float(sampler.select(step).mean()) for step in range(500)]
    assert abs(np.mean(means) - 4999.5) < 50
    assert 200 < np.std(means) < 400


def test_signal_too_large_for_a_permutation() -> None:
    """Above 2^24 samples batches are drawn independently, and cost nothing to start."""
    sampler = UniformSampler(batch=1000).start(2**34, seed=1)
    first, again, second = sampler.select(0), sampler.select(0), sampler.select(1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert len(first) == 1000
    assert 2**33 < first.max() < 2**34
    assert first.min() >= 0


def test_full_sampler_takes_everything_in_order() -> None:
    sampler = FullSampler().start(9, seed=0)
    for step in range(3):
        np.testing.assert_array_equal(sampler.select(step), np.arange(9))


@pytest.mark.parametrize("batch", [0, -1, 2**24 + 1])
def test_batch_out_of_range_is_refused(batch: int) -> None:
    with pytest.raises(SpecError, match=f"uniform: batch: .*got {batch}"):
        UniformSampler(batch=batch)
