"""The rolling cache of residuals: what is never trained has its turn; the helpers around it."""

import numpy as np
import pytest

from inr.errors import SpecError
from inr.samplers import cache
from inr.samplers.base import Moment
from inr.samplers.cache import NO_TOTAL, ResidualCache, check_size, largest, place, turn
from inr.signals.gray import luma
from tests.support.sampler_drive import Floats, Index


class Field:
    """A field whose residual at sample i is i + `shift`; it counts the samples that it was asked for."""

    def __init__(self) -> None:
        self.shift, self.asked = 0.0, 0

    def __call__(self, index: Index) -> Floats:
        self.asked += len(index)
        return (index[:, None] + self.shift).astype(np.float32)


def cache_of(field: Field, n: int) -> ResidualCache:
    return ResidualCache(n, 1, field, lambda index, rows: np.abs(rows).sum(axis=1)[None])


def test_samples_never_seen_come_first_and_then_all_in_turn() -> None:
    field = Field()
    known = cache_of(field, 100)
    known.store(np.arange(90), np.arange(90, dtype=np.float32)[:, None])
    known.refresh(7)
    assert field.asked == 10 + 7
    np.testing.assert_array_equal(known.values[0], np.arange(100))
    field.shift = 1000.0
    for count in (30, 30, 30):
        known.refresh(count)
    assert (known.values[0] >= 1000).sum() == 90
    known.refresh(10)
    np.testing.assert_array_equal(known.values[0], 1000 + np.arange(100))
    assert field.asked == 17 + 100


@pytest.mark.parametrize("count", [100, 1000])
def test_full_refresh_asks_for_each_sample_once(count: int) -> None:
    field = Field()
    known = cache_of(field, 100)
    known.refresh(count)
    assert field.asked == 100
    np.testing.assert_array_equal(known.values[0], np.arange(100))


def test_large_signals_are_evaluated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CHUNK", 7)
    sizes: list[int] = []
    field = Field()

    def residuals(index: Index) -> Floats:
        sizes.append(len(index))
        return field(index)

    known = ResidualCache(20, 1, residuals, lambda index, rows: rows.T)
    known.refresh(20)
    assert sizes == [7, 7, 6]
    np.testing.assert_array_equal(known.values[0], np.arange(20))


def test_what_is_not_a_number_is_infinitely_wrong() -> None:
    known = cache_of(Field(), 3)
    known.store(np.arange(3), np.array([[1.0], [np.nan], [-np.inf]], dtype=np.float32))
    assert known.values[0].tolist() == [1.0, np.inf, np.inf]


def test_turns_cover_the_signal_within_the_epochs() -> None:
    """4 % of a step: 1,024 forward samples against 8,192 forward and backward."""
    assert turn(1, 8192, 8) == 1024
    assert turn(1, 8192, 8) / (3 * 8192) < 0.05
    assert turn(384, 8192, 8) == 768 * 512
    assert turn(50, 8192, 8) == 50 * 1024
    assert turn(0, 8192, 8) == 0
    assert turn(1, 5, 8) == 1


@pytest.mark.parametrize("count", [0, 1, 2, 50, 99, 100, 101])
def test_largest_are_those_of_a_sort(count: int) -> None:
    scores = np.random.default_rng(count).permutation(100).astype(np.float32)
    expected = np.sort(np.argsort(scores)[100 - min(count, 100) :])
    np.testing.assert_array_equal(largest(scores, count), expected)
    assert largest(scores, count).dtype == np.int64


@pytest.mark.parametrize("count", range(1, 9))
def test_largest_of_equal_scores_are_as_many_as_asked_for(count: int) -> None:
    scores = np.array([1, np.inf, 1, 0, 1, np.inf, 1, 2], dtype=np.float32)
    chosen = largest(scores, count)
    assert len(chosen) == count == len(np.unique(chosen))
    assert sorted(scores[chosen]) == sorted(scores)[8 - count :]


def test_place_in_a_fit() -> None:
    assert all(place(Moment(t, t / total, total)) == (t, total) for total in (1, 3, 7, 97, 5000) for t in range(total))
    assert place(Moment(17, 0.25)) == (NO_TOTAL // 4, NO_TOTAL)
    assert place(Moment(10, 0.5, 1000)) == (500, 1000)


def test_gray_is_that_of_pictures() -> None:
    assert luma(3).tolist() == pytest.approx([0.299, 0.587, 0.114])
    assert luma(4).tolist() == pytest.approx([0.299, 0.587, 0.114, 0])
    assert luma(1).tolist() == [1.0]
    assert all(luma(channels).sum() == pytest.approx(1) for channels in range(1, 8))


def test_too_many_samples_are_refused() -> None:
    check_size("evos", 2**26)
    with pytest.raises(SpecError, match=r"evos: signal: .* at most 67108864 are allowed; got 67108865; use .* uniform"):
        check_size("evos", 2**26 + 1)
