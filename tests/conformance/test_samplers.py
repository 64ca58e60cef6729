"""Samplers: in range, without repeats, and the same for the same seed and the same answers of the fit."""

import copy
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from inr.domain import Domain
from inr.errors import SpecError
from inr.meta import SignalMeta
from inr.samplers.base import SAMPLERS, Block, Moment, Points, SamplerSpec, Selection
from inr.samplers.block import BlockSampler
from inr.samplers.full import FullSampler
from inr.samplers.uniform import Epochs, UniformSampler
from inr.signals.array.attributes import ArrayAttributes
from inr.signals.image.attributes import ImageAttributes
from inr.signals.signal import Signal
from inr.signals.video.attributes import VideoAttributes

SPECS = [SAMPLERS.make(kind) for kind in SAMPLERS.kinds()] + [
    UniformSampler(batch=1),
    UniformSampler(batch=7),
    UniformSampler(batch=64),
    UniformSampler(batch=5, jitter=0.25),
    BlockSampler(batch=20),
]
STEPS = 40
SHAPES = [(2, 2), (1, 7), (8, 8), (40, 25), (4, 5, 6), (50,)]

each_sampler = pytest.mark.parametrize("spec", SPECS, ids=repr)


def noise(shape: tuple[int, ...]) -> Signal:
    axes = {1: ("axis0",), 2: ("y", "x"), 3: ("t", "y", "x")}[len(shape)]
    rng = np.random.default_rng(len(shape))
    own = {1: ArrayAttributes(), 2: ImageAttributes(), 3: VideoAttributes(Fraction(25))}[len(shape)]
    meta = SignalMeta("uint8", (0.0, 255.0), own)
    return Signal(rng.integers(0, 256, (*shape, 3), dtype=np.uint8), Domain.of_shape(shape, axes), meta)


class Fit:
    """Answers of a made-up fit: a pure function of the sample and the step."""

    def __init__(self, spec: SamplerSpec, signal: Signal, seed: int) -> None:
        self.signal, self.step = signal, 0
        self.sampler = spec.start(signal, seed, self.residuals)

    def residuals(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        wave = np.sin(index[:, None] * 0.7 + np.arange(3) + 0.1 * self.step)
        rows: npt.NDArray[np.float32] = (wave / (1 + self.step)).astype(np.float32)
        return rows

    def next(self) -> Selection:
        moment = Moment(self.step, self.step / STEPS, STEPS)
        selection = self.sampler.select(moment)
        if self.sampler.wants != "nothing":
            index = indices(selection, self.signal)
            rows = self.residuals(index)
            slopes = np.cos(index[:, None] + np.arange(self.signal.domain.ndim)).astype(np.float32)
            self.sampler.observe(moment, selection, rows, slopes if self.sampler.wants == "gradients" else None)
        self.step += 1
        return selection


def indices(selection: Selection, signal: Signal) -> npt.NDArray[np.int64]:
    return selection.index if isinstance(selection, Points) else selection.flat_index(signal.domain.shape)


def check_same(first: Selection, second: Selection) -> None:
    if isinstance(first, Block):
        assert isinstance(second, Block)
        for a, b in zip(first.axes, second.axes, strict=True):
            np.testing.assert_array_equal(a, b)
        return
    assert isinstance(second, Points)
    np.testing.assert_array_equal(first.index, second.index)
    for mine, other in ((first.offsets, second.offsets), (first.weights, second.weights)):
        assert (mine is None) == (other is None)
        if mine is not None and other is not None:
            np.testing.assert_array_equal(mine, other)


@each_sampler
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_indices_are_in_range(spec: SamplerSpec, shape: tuple[int, ...]) -> None:
    signal = noise(shape)
    n = signal.domain.size
    fit = Fit(spec, signal, seed=1)
    for _ in range(STEPS):
        selection = fit.next()
        index = indices(selection, signal)
        assert index.dtype == np.int64
        assert index.ndim == 1
        assert 1 <= len(index) <= n
        assert index.min() >= 0
        assert index.max() < n
        if isinstance(selection, Points):
            for array, columns in ((selection.offsets, (len(shape),)), (selection.weights, ())):
                if array is not None:
                    assert array.dtype == np.float32
                    assert array.shape == (len(index), *columns)
                    assert np.isfinite(array).all()


@each_sampler
def test_same_seed_and_answers_give_the_same_choices(spec: SamplerSpec) -> None:
    first, second = (Fit(spec, noise((20, 15)), seed=5) for _ in range(2))
    for _ in range(STEPS):
        check_same(first.next(), second.next())


@each_sampler
@pytest.mark.parametrize("stop", [1, 7, 23])
def test_goes_on_from_its_state(spec: SamplerSpec, stop: int) -> None:
    """A fit resumed from a checkpoint sees the batches that it would have seen."""
    whole = Fit(spec, noise((20, 15)), seed=5)
    for _ in range(stop):
        whole.next()
    state = copy.deepcopy(whole.sampler.state())
    resumed = Fit(spec, noise((20, 15)), seed=5)
    resumed.step = stop
    resumed.sampler.restore(state)
    for _ in range(stop, STEPS):
        check_same(whole.next(), resumed.next())


def epochs(n: int, batch: int, seed: int) -> Epochs:
    return Epochs(n, batch, seed)


@pytest.mark.parametrize(("n", "batch"), [(64, 64), (64, 16), (1000, 100), (7, 1)])
def test_every_sample_once_an_epoch(n: int, batch: int) -> None:
    sampler = epochs(n, batch, seed=2)
    steps = n // batch
    for epoch in range(3):
        seen = np.concatenate([sampler.indices(epoch * steps + step) for step in range(steps)])
        np.testing.assert_array_equal(np.sort(seen), np.arange(n))


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (1000, 300), (100, 99)])
def test_batch_that_does_not_divide_the_signal(n: int, batch: int) -> None:
    """All batches have the same size; the rest of an epoch waits for the next, so nothing is left out for good."""
    sampler = epochs(n, batch, seed=3)
    steps = n // batch
    seen = []
    for epoch in range(40):
        batches = [sampler.indices(epoch * steps + step) for step in range(steps)]
        assert {len(index) for index in batches} == {batch}
        together = np.concatenate(batches)
        assert len(np.unique(together)) == steps * batch
        seen.append(together)
    np.testing.assert_array_equal(np.unique(np.concatenate(seen)), np.arange(n))


def test_epochs_and_seeds_differ() -> None:
    sampler = epochs(100, 50, seed=1)
    assert not np.array_equal(sampler.indices(0), sampler.indices(2))
    assert not np.array_equal(sampler.indices(0), epochs(100, 50, seed=2).indices(0))


@pytest.mark.parametrize("n", [1, 5, 100])
def test_batch_larger_than_the_signal_is_all_of_it(n: int) -> None:
    sampler = epochs(n, 101, seed=1)
    for step in range(3):
        np.testing.assert_array_equal(np.sort(sampler.indices(step)), np.arange(n))


def test_batches_are_spread_evenly() -> None:
    """The mean index of many batches is the middle, as it is for independent draws."""
    sampler = epochs(10_000, 100, seed=4)
    means = [float(sampler.indices(step).mean()) for step in range(500)]
    assert abs(np.mean(means) - 4999.5) < 50
    assert 200 < np.std(means) < 400


def test_signal_too_large_for_a_permutation() -> None:
    """Above 2^24 samples batches are drawn independently, and cost nothing to start."""
    sampler = epochs(2**34, 1000, seed=1)
    first, again, second = sampler.indices(0), sampler.indices(0), sampler.indices(1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert len(first) == 1000
    assert 2**33 < first.max() < 2**34
    assert first.min() >= 0


def test_full_sampler_takes_everything_in_order() -> None:
    fit = Fit(FullSampler(), noise((3, 3)), seed=0)
    for _ in range(3):
        np.testing.assert_array_equal(indices(fit.next(), fit.signal), np.arange(9))


def test_blocks_are_sorted_grids_without_repeats() -> None:
    """A block that fits is everything; a smaller one thins all axes alike and moves with every step."""
    signal = noise((4, 5, 6))
    np.testing.assert_array_equal(indices(Fit(BlockSampler(batch=120), signal, seed=0).next(), signal), np.arange(120))
    fit = Fit(BlockSampler(batch=15), signal, seed=0)
    seen = []
    for _ in range(60):
        block = fit.next()
        assert isinstance(block, Block)
        assert [len(axis) for axis in block.axes] == [2, 2, 3]
        assert all((np.diff(axis) > 0).all() for axis in block.axes)
        seen.append(block.flat_index(signal.domain.shape))
    np.testing.assert_array_equal(np.unique(np.concatenate(seen)), np.arange(120))


@pytest.mark.parametrize("batch", [0, -1, 2**24 + 1])
def test_batch_out_of_range_is_refused(batch: int) -> None:
    with pytest.raises(SpecError, match=f"uniform: batch: .*got {batch}"):
        UniformSampler(batch=batch)
