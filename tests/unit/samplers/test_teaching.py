"""INT: schedules and intervals as published, exact choice of the largest residuals, and a cache that forgets nobody."""

import math
from typing import Any

import numpy as np
import pytest

from inr.errors import SpecError
from inr.samplers.teaching import Interval, Schedule, TeachingSampler, interval_at, ratio_at
from tests.support.sampler_drive import Drive, distinct, drive, gray_signal, top

INTERVALS: list[Interval] = ["dense", "dense2", "incremental", "reverse_incremental", "void"]
SCHEDULES: list[Schedule] = ["constant", "linear", "step", "cosine", "reverse_cosine"]


def hard_only(**settings: Any) -> TeachingSampler:
    """Without the share of mini-batches that is spread over all samples, as published."""
    return TeachingSampler(random=0.0, **settings)


def selections(interval: Interval, total: int) -> list[int]:
    """The steps in which a fit selects, by the rule that a step is a multiple of its interval."""
    intervals = [interval_at(interval, step, total) for step in range(total)]
    return [step for step, every in enumerate(intervals) if every and step % every == 0]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.2, 0.2, 0.2, 0.2]),
        ("linear", [0.2, 0.4, 0.6, 0.9992]),
        ("step", [0.2, 0.36, 0.6, 0.92]),
        ("cosine", [0.2, 1 - 0.4 * (1 + math.sqrt(0.5)), 0.6, 1.0]),
        ("reverse_cosine", [0.2, 0.2, 0.2, 0.2]),
    ],
)
def test_ratio_follows_its_formula(schedule: Schedule, expected: list[float]) -> None:
    """At 0, 1/4, 1/2 and just before the end of 1,000 steps."""
    ratios = [ratio_at(schedule, 0.2, step, 1000) for step in (0, 250, 500, 999)]
    assert ratios == pytest.approx(expected, abs=1e-5)


def test_reverse_cosine_falls_to_a_fifth() -> None:
    ratios = [ratio_at("reverse_cosine", 0.8, step, 100) for step in (0, 50, 100)]
    assert ratios == pytest.approx([0.8, 0.5, 0.2])


def test_steps_of_the_ratio_are_ten_and_end_below_one() -> None:
    ratios = [ratio_at("step", 0.2, step, 5000) for step in range(5000)]
    assert sorted(set(ratios)) == pytest.approx([0.2 + 0.08 * stage for stage in range(10)])
    assert np.mean(ratios) == pytest.approx(0.56)
    assert [t for t in range(1, 70) if ratio_at("step", 0.2, t, 70) != ratio_at("step", 0.2, t - 1, 70)] == list(
        range(7, 70, 7)
    )


def test_incremental_selects_1422_times_in_5000_steps() -> None:
    chosen = selections("incremental", 5000)
    assert len(chosen) == 1422
    assert chosen[:1250] == list(range(1250))
    for phase in range(5):
        first = 1250 + 750 * phase
        inside = [step for step in chosen if first <= step < first + 750]
        assert all(step % (10 * (phase + 1)) == 0 for step in inside)
        assert len(inside) in (750 // (10 * (phase + 1)), 750 // (10 * (phase + 1)) + 1)


def test_other_intervals() -> None:
    assert selections("dense", 30) == list(range(30))
    assert selections("dense2", 30) == list(range(0, 30, 2))
    assert selections("void", 30) == []
    chosen = selections("reverse_incremental", 5000)
    assert chosen[-500:] == list(range(4500, 5000))
    assert [step for step in chosen if step < 500] == list(range(0, 500, 90))


@pytest.mark.parametrize("interval", INTERVALS)
def test_fits_of_few_steps_have_phases_too(interval: Interval) -> None:
    for total in range(1, 25):
        assert all(interval_at(interval, step, total) in (0, 1, 2, *range(10, 100, 10)) for step in range(total + 1))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_full_cache_trains_the_largest_residuals(schedule: Schedule) -> None:
    table = distinct(500)
    fit = drive(hard_only(schedule=schedule, interval="dense", cache="full", batch=None), table, total=40)
    for step, points in enumerate(fit.run(40)):
        count = int(ratio_at(schedule, 0.2, step, 40) * 500)
        np.testing.assert_array_equal(points.index, top(table, count))
    assert set(fit.asked) == {500}


def test_residuals_of_all_channels_count() -> None:
    signal = gray_signal(3)
    rows = np.array([[0.5, -0.5], [0.8, 0.0], [-0.2, 0.7]], dtype=np.float32)
    points = Drive(hard_only(ratio=0.4, cache="full"), signal, rows, 10).run(1)[0]
    assert points.index.tolist() == [0]


def test_subset_is_kept_with_its_size_until_the_next_selection() -> None:
    """The ratio grows at steps 100, 200, ...; in phases of intervals 30 and 50 it takes effect later."""
    table = distinct(1000)
    fit = drive(hard_only(cache="full", batch=None), table, total=1000)
    sizes = [len(points.index) for points in fit.run(1000)]
    assert sizes[99:101] == [200, 280]
    assert [step for step in range(1, 1000) if sizes[step] != sizes[step - 1]] == [
        100, 200, 300, 400, 500, 600, 720, 800, 900,
    ]  # fmt: skip
    assert [step for step, asked in enumerate(fit.asked) if asked] == selections("incremental", 1000)


@pytest.mark.parametrize("total", [200, None])
def test_rolling_cache_of_a_static_field_finds_the_same_as_a_full_one(total: int | None) -> None:
    table = distinct(960)
    fit = drive(hard_only(schedule="constant", batch=50), table, total=total, ends=200)
    points = fit.run(200)
    first_epoch = np.concatenate([p.index for p in points[:19]])
    assert len(np.unique(first_epoch)) == 19 * 50
    assert sum(fit.asked[:20]) == 10
    hard = set(top(table, 192).tolist())
    counts = np.bincount(np.concatenate([p.index for p in points[19:]]), minlength=960)
    assert {int(i) for i in np.flatnonzero(counts)} == hard
    drawn = counts[sorted(hard)]
    assert drawn.sum() == 181 * 50
    assert 0.5 < drawn.var() / (drawn.mean() * (1 - 50 / 192)) < 2  # of uniform draws, 1
    np.testing.assert_array_equal(fit.sampler.state()["values"][0], np.abs(table))


@pytest.mark.parametrize("interval", ["dense", "incremental"])
def test_no_sample_starves(interval: Interval) -> None:
    """What is never hard is evaluated anew within 8 epochs of steps, and 50 steps until the next selection."""
    table = distinct(800)
    fit = drive(hard_only(batch=40, interval=interval), table, total=1000)
    epoch = 20
    for _ in range(40):
        fit.run(25)
        if fit.step > 8 * epoch + 50:
            assert fit.fresh.min() >= fit.step - 8 * epoch - 50
    assert sum(fit.asked) <= 1000 * 40 / 8 + 20


def test_easy_sample_that_becomes_hard_is_found() -> None:
    table = distinct(800)
    easy = int(np.argmin(np.abs(table)))
    fit = drive(hard_only(batch=40, schedule="constant", interval="dense"), table, total=1000)
    assert all(easy not in points.index for points in fit.run(200)[20:])
    fit.table[easy] = 10.0
    assert any(easy in points.index for points in fit.run(8 * 20 + 20))


def test_rolling_costs_an_eighth_of_a_batch_of_forward_passes() -> None:
    fit = drive(hard_only(interval="dense", batch=64), distinct(4096), total=300)
    fit.run(300)
    assert set(fit.asked[:64]) == {0}
    assert fit.asked[64] == 0
    assert set(fit.asked[65:]) == {8}


def test_rolling_without_a_cap_trains_the_whole_subset() -> None:
    table = distinct(500)
    fit = drive(hard_only(batch=None, schedule="constant", interval="dense"), table, total=40)
    for points in fit.run(40)[5:]:
        np.testing.assert_array_equal(points.index, top(table, 100))
    assert set(fit.asked[6:]) == {math.ceil(100 / 8)}


@pytest.mark.parametrize("changes", [{"cache": "rolling"}, {"cache": "full"}, {"ratio": 0.3, "interval": "void"}])
def test_all_samples_in_order_cost_no_forward_pass(changes: dict[str, Any]) -> None:
    fit = drive(hard_only(**{"ratio": 1.0, "batch": None, **changes}), distinct(60), total=20)
    for points in fit.run(20):
        np.testing.assert_array_equal(points.index, np.arange(60))
    assert sum(fit.asked) == 0


def test_capped_batches_are_sorted_and_differ() -> None:
    first, second = drive(hard_only(batch=10, cache="full"), distinct(500)).run(2)
    assert len(first.index) == 10
    assert (np.diff(first.index) > 0).all()
    assert not np.array_equal(first.index, second.index)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ratio": 0.0}, "teaching: ratio: .*greater than 0; got 0.0"),
        ({"ratio": 1.5}, "teaching: ratio: .*less than or equal to 1; got 1.5"),
        ({"schedule": "sine"}, "teaching: schedule: .*'constant'.*'reverse_cosine'; got 'sine'"),
        ({"interval": "exponential"}, "teaching: interval: .*'dense'.*; got 'exponential'"),
        ({"cache": "none"}, "teaching: cache: .*'full' or 'rolling'; got 'none'"),
        ({"refresh": 0}, "teaching: refresh: .*greater than or equal to 1; got 0"),
        ({"batch": 0}, "teaching: batch: .*greater than or equal to 1; got 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        TeachingSampler(**settings)
