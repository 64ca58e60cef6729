"""Samplers that look at residuals in real fits: they learn, are deterministic, and go on from a checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inr.errors import FitCancelledError
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.run import Hooks
from inr.fitting.spec import Budget
from inr.fitting.steps import fit
from inr.optimisers.adam import Adam
from inr.samplers.base import SamplerSpec
from inr.samplers.evos import EvosSampler
from inr.samplers.full import FullSampler
from inr.samplers.soft import SoftSampler
from inr.samplers.teaching import TeachingSampler
from tests.support.small_fits import GRID, SIREN, course, photo, same_bits, signal_of, spec

SAMPLERS: list[SamplerSpec] = [
    TeachingSampler(batch=128),
    TeachingSampler(cache="full", batch=None),
    TeachingSampler(interval="dense", batch=128),
    EvosSampler(batch=128, interval=20),
    EvosSampler(cache="full", batch=None, interval=20),
    EvosSampler(cache="full", batch=128, ratio=0.2, schedule="step", interval=20),
    SoftSampler(batch=128),
    SoftSampler(batch=128, cache="full"),
]
STEPS = 60
RISE = 3.0
"""Decibels in that many steps; plain mini-batches of 128 give 5.4."""
RATE = Adam(learning_rate=5e-3)

each_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)


def stop_after(steps: int) -> Callable[[], bool]:
    remaining = iter(range(steps - 1))
    return lambda: next(remaining, None) is None


@each_sampler
def test_fit_learns_and_resumed_is_uninterrupted(sampler: SamplerSpec, tmp_path: Path) -> None:
    """Stopped in the first epoch and long after it; that a second fit gives the same bits shows determinism as well."""
    signal, wanted = signal_of(photo(32)), spec(SIREN, STEPS, sampler=sampler, optimiser=RATE, seed=1)
    whole = fit(signal, wanted)
    assert whole.report.curve[-1].psnr > whole.report.curve[0].psnr + RISE
    policy = CheckpointPolicy(tmp_path / "fit.ckpt")
    for stop in (3, 28):
        with pytest.raises(FitCancelledError):
            fit(signal, wanted, Hooks(cancelled=stop_after(stop), checkpoint=policy))
    resumed = fit(signal, wanted, Hooks(checkpoint=policy))
    assert same_bits(whole, resumed)
    assert course(whole) == course(resumed)


@each_sampler
def test_seed_decides_the_batches(sampler: SamplerSpec) -> None:
    signal, wanted = signal_of(photo(16)), spec(SIREN, 12, sampler=sampler)
    first = fit(signal, wanted)
    assert same_bits(first, fit(signal, wanted))
    assert not same_bits(first, fit(signal, wanted.replace(seed=1)))


@pytest.mark.parametrize("cache", ["full", "rolling"])
def test_teaching_everything_is_the_full_batch(cache: Any) -> None:
    """Bit for bit: the same samples in the same order, whether residuals are kept or not."""
    signal = signal_of(photo(32))
    teaching = TeachingSampler(ratio=1.0, batch=None, cache=cache)
    full, taught = (fit(signal, spec(SIREN, 20, sampler=sampler)) for sampler in (FullSampler(), teaching))
    assert same_bits(full, taught)
    assert course(full) == course(taught)


@each_sampler
def test_fit_that_only_time_limits(sampler: SamplerSpec) -> None:
    fitted = fit(signal_of(photo(16)), spec(SIREN, 1, sampler=sampler, budget=Budget(seconds=0.2)))
    assert fitted.report.steps > 3
    assert all(np.isfinite(tensor).all() for tensor in fitted.tensors.values())


def test_hash_grid_gives_gradients_by_coordinates() -> None:
    fitted = fit(signal_of(photo(32)), spec(GRID, STEPS, sampler=SoftSampler(batch=128)))
    assert fitted.report.curve[-1].psnr > fitted.report.curve[0].psnr + RISE
