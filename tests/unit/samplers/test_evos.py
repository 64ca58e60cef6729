"""EVOS: crossover, Laplacian and mutation by their formulas, and evaluations when they are due."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage  # type: ignore[import-untyped]

from inr.errors import SpecError
from inr.samplers.evos import EvosSampler, crossover, interval_at
from inr.signals.gray import laplacian
from inr.signals.signal import Signal
from tests.support.sampler_drive import Drive, Floats, distinct, drive, gray_signal, signal_of_samples, top


def published(**changes: Any) -> EvosSampler:
    return EvosSampler(**{"cache": "full", "batch": None, **changes})


def due(total: int) -> list[int]:
    """The steps e = 1.. of the evaluations: after each, int(100 - 50 e/T) steps pass."""
    found = [1]
    for e in range(2, total + 1):
        if e - found[-1] >= int(100 - 50 * e / total):
            found.append(e)
    return found


def floats(*values: float) -> Floats:
    return np.array(values, dtype=np.float32)


def test_crossover_by_hand() -> None:
    """A = {0, 1, 2, 3}, B = {0, 4, 5, 6}; one of both, and 3 free places, of which error has 3 * 20/(20 + 10) = 2."""
    error = floats(40, 36, 34, 30, 8, 6, 4, 2)
    detail = floats(19, 3, 2, 1, 15, 17, 21, 2)
    assert crossover(error, detail, 4).tolist() == [0, 1, 2, 6]


def test_crossover_shares_the_places_by_the_means() -> None:
    error = floats(0, 0, 0, 0, 1, 1.25, 1.5, 1.75)
    for factor, expected in ((1.0, [2, 3, 6, 7]), (3.0, [1, 2, 3, 7]), (100.0, [0, 1, 2, 3]), (0.0, [4, 5, 6, 7])):
        assert crossover(error, factor * error[[4, 5, 6, 7, 0, 1, 2, 3]], 4).tolist() == expected


@pytest.mark.parametrize("count", range(7))
def test_crossover_gives_as_many_as_asked_for(count: int) -> None:
    rng = np.random.default_rng(count)
    for error in (rng.random(6, dtype=np.float32), np.zeros(6, dtype=np.float32), floats(0, 0, np.inf, 0, np.inf, 1)):
        chosen = crossover(error, rng.random(6, dtype=np.float32), count)
        assert len(chosen) == count
        assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize("shape", [(9,), (1,), (7, 5), (1, 6), (4, 3, 5), (2, 3, 4, 2)], ids=str)
def test_laplacian_is_that_of_scipy(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    np.testing.assert_allclose(laplacian(values), ndimage.laplace(values, mode="constant"), atol=2e-6)
    assert laplacian(values).dtype == np.float32


def test_interval_halves() -> None:
    assert [interval_at(100, step, 5000) for step in (0, 2499, 4999)] == [99, 75, 50]
    assert [interval_at(1, step, 10) for step in range(10)] == [1] * 10


def test_published_form_evaluates_in_steps_on_all_samples() -> None:
    """Every 100th to 50th: T/50 log 2 = 69.3 times. The others train int((r - m) N) survivors and int(m N) mutants."""
    fit = drive(published(), distinct(42), total=5000)
    sizes = [len(points.index) for points in fit.run(5000)]
    assert [step + 1 for step, size in enumerate(sizes) if size == 42] == due(5000)
    assert len(due(5000)) in (69, 70, 71)
    assert set(sizes) == {42, 10 + 10}
    assert sum(fit.asked) == 0


def test_growing_ratio_takes_more_survivors_at_once() -> None:
    """The share of mutants stays 0.1; the ratio grows by 0.08 with each tenth of the fit."""
    fit = drive(published(ratio=0.2, schedule="step"), distinct(1000), total=400)
    sizes = [len(points.index) for points in fit.run(400)]
    for step, size in enumerate(sizes):
        ratio = 0.2 + 0.08 * (step // 40)
        assert size == 1000 if step + 1 in due(400) else abs(size - 1000 * ratio) <= 1


def test_survivors_by_error_are_the_worst() -> None:
    table = distinct(400)
    fit = drive(published(detail=0.0), table, total=50)
    hard = top(table, 100)
    for points in fit.run(50)[1:]:
        assert len(points.index) == 200
        assert np.isin(hard, points.index).all()


def test_mutants_are_drawn_from_all_others_alike() -> None:
    """100 of 300 in each step: a sample is drawn 199/3 times on average, with the variance of independent draws."""
    table = distinct(400)
    fit = drive(published(detail=0.0, interval=1000), table, total=200)
    counts = np.bincount(np.concatenate([p.index for p in fit.run(200)[1:]]), minlength=400)
    hard = np.isin(np.arange(400), top(table, 100))
    assert (counts[hard] == 199).all()
    others = counts[~hard]
    assert others.mean() == pytest.approx(199 / 3)
    assert 0.75 < others.var() / (199 / 3 * 2 / 3) < 1.25  # standard error of the ratio: sqrt(2/299) = 0.08
    assert abs(np.corrcoef(others, np.abs(table[~hard]))[0, 1]) < 0.2  # 3 standard errors


@pytest.mark.parametrize("cache", ["full", "rolling"])
def test_batches_have_survivors_and_mutants_in_proportion(cache: Any) -> None:
    table = distinct(400)
    fit = drive(EvosSampler(detail=0.0, batch=30, cache=cache, mutation=0.2), table, total=60)
    hard = top(table, 160)
    for points in fit.run(60)[13:]:
        assert len(points.index) == 30
        assert 24 <= np.isin(points.index, hard).sum() <= 30


def picture(left: npt.ArrayLike, right: npt.ArrayLike) -> Floats:
    """Residuals of 16 x 16 samples: `left` in columns 0 to 7, `right` in the others; arrays or numbers."""
    column = np.mgrid[:16, :16][1]
    return np.where(column < 8, left, right).astype(np.float32).reshape(-1)


def survivors_of(spec: EvosSampler, signal: Signal, rows: Floats) -> str:
    """Whether the inner samples of the left, the right, or neither half are in every step after an evaluation.

    `spec` has to have survivors for half of the picture.
    """
    always = np.bincount(np.concatenate([p.index for p in Drive(spec, signal, rows, 40).run(30)[1:]])) == 29
    inner = always.reshape(16, 16)[2:14]
    found = [name for name, part in (("left", inner[:, 2:6]), ("right", inner[:, 10:14])) if part.all()]
    return " and ".join(found) or "neither"


CHECKERS = (-1.0) ** np.add(*np.mgrid[:16, :16])
HALF: dict[str, Any] = {"ratio": 0.75, "mutation": 1 / 3, "interval": 1000}
"""Half of the samples survive, half of the others are mutants."""


def test_survivors_by_detail_are_where_the_laplacian_is_wrong() -> None:
    """A large smooth error on the left, a weak checkerboard on the right."""
    rows = picture(0.4, 0.1 * CHECKERS)[:, None]
    signal = gray_signal(16, 16)
    assert survivors_of(published(**HALF, detail=0.0), signal, rows) == "left"
    assert survivors_of(published(**HALF, detail=1.0), signal, rows) == "right"


def test_detail_beyond_the_range_of_the_samples_does_not_count() -> None:
    """On white, checkers above white are white once they are decoded; below it they are not."""
    rows = picture(0.4, 0.1 + 0.1 * CHECKERS)[:, None]
    spec = published(**HALF, detail=1.0)
    gray, white = (gray_signal(16, 16, value=value) for value in (128, 255))
    assert survivors_of(spec, gray, rows) == "right"
    assert survivors_of(spec, white, -rows) == "right"
    assert survivors_of(spec, white, rows) == "left"


def test_detail_is_that_of_the_gray_picture() -> None:
    """Red and blue checkers of opposite luma are no detail, red ones are; the left is wrong in colour alone."""
    signal = signal_of_samples(np.full((16, 16, 3), 128, dtype=np.uint8))
    for red, blue, expected in ((0.1, 0.0, "right"), (0.114 * 0.2, -0.299 * 0.2, "left")):
        rows = np.stack([picture(0.114, red * CHECKERS), picture(0, 0), picture(-0.299, blue * CHECKERS)], axis=-1)
        assert survivors_of(published(**HALF, detail=1.0), signal, rows) == expected


@pytest.mark.parametrize("total", [900, None])
def test_rolling_cache_of_a_static_field_finds_the_same_as_a_full_one(total: int | None) -> None:
    table = distinct(1000)
    spec = EvosSampler(batch=100)
    rolling, full = (
        drive(s, table, total=total, ends=900) for s in (spec, spec.replace(cache="full", batch=100, interval=100))
    )
    for fit in (rolling, full):
        fit.run(100)
    np.testing.assert_array_equal(rolling.sampler.state()["values"], full.sampler.state()["values"])
    np.testing.assert_array_equal(rolling.sampler.state()["order"], full.sampler.state()["order"])
    assert sum(rolling.asked[:10]) == 0
    assert sorted(set(full.asked)) == [0, 1000]


def test_rolling_evaluations_cost_an_eighth_of_the_batches() -> None:
    fit = drive(EvosSampler(batch=32), distinct(8192), total=2000)
    fit.run(2000)
    assert sum(fit.asked) <= 2000 * 32 / 8
    assert max(fit.asked) <= 100 * 32 / 8
    assert sum(fit.asked) > 0.9 * (2000 - 256 - 100) * 32 / 8


def test_no_sample_starves() -> None:
    """Trained or evaluated anew within 8 epochs of steps and an interval, whatever the draws."""
    fit = drive(EvosSampler(batch=10, mutation=0.02), distinct(1000), total=3000)
    for _ in range(30):
        fit.run(100)
        if fit.step > 900:
            assert fit.fresh.min() >= fit.step - 8 * 100 - 100


def test_all_samples_are_trained_now_and_then_by_mutation() -> None:
    """With half of each batch random, a sample is missed in 60 epochs with probability e^-30."""
    fit = drive(EvosSampler(batch=100), distinct(1000), total=600)
    seen = np.concatenate([points.index for points in fit.run(600)[10:]])
    assert len(np.unique(seen)) == 1000


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_tiny_signals_train_at_least_one_sample(n: int) -> None:
    changes: list[dict[str, Any]] = [{}, {"mutation": 0}, {"mutation": 1}, {"ratio": 0.01}, {"ratio": 1}, {"batch": 1}]
    for settings in changes:
        for cache in ("full", "rolling"):
            fit = drive(EvosSampler(**{"cache": cache, **settings}), distinct(n), total=30)
            assert all(1 <= len(np.unique(p.index)) == len(p.index) <= n for p in fit.run(30))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ratio": 0.0}, "evos: ratio: .*greater than 0; got 0.0"),
        ({"ratio": 2}, "evos: ratio: .*less than or equal to 1; got 2"),
        ({"schedule": "linear"}, "evos: schedule: .*'constant' or 'step'; got 'linear'"),
        ({"mutation": -0.1}, "evos: mutation: .*greater than or equal to 0; got -0.1"),
        ({"detail": -1.0}, "evos: detail: .*greater than or equal to 0; got -1.0"),
        ({"interval": 0}, "evos: interval: .*greater than or equal to 1; got 0"),
        ({"cache": "half"}, "evos: cache: .*'full' or 'rolling'; got 'half'"),
        ({"batch": 2**25}, "evos: batch: .*less than or equal to 16777216; got 33554432"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        EvosSampler(**settings)
