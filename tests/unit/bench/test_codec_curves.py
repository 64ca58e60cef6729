"""Curves of rate over quality: PCHIP against scipy, differences whose values are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator  # type: ignore[import-untyped]

from inr.bench.codec.curves import Curve, Pchip, bd_rate
from inr.errors import SpecError

PSNR = (24.0, 27.5, 29.0, 33.0, 36.5, 41.0)


def exponential(factor: float = 1.0, slope: float = 0.16) -> list[tuple[float, float]]:
    """Points of a curve whose logarithm is a straight line."""
    return [(factor * 0.1 * math.exp(slope * (quality - 27)), quality) for quality in PSNR]


def bent(factor: float = 1.0, shift: float = 0.0) -> list[tuple[float, float]]:
    return [(factor * (0.02 + 0.001 * (q - 20) ** 2.2), q + shift) for q in PSNR]


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.0, 1.6])
def test_a_factor_in_rate_is_the_difference(factor: float) -> None:
    found = bd_rate(Curve(bent(factor)), Curve(bent()))
    assert found is not None
    assert found.percent == pytest.approx(100 * (factor - 1), abs=1e-9)
    assert (found.low, found.high, found.share) == (24.0, 41.0, 1.0)


def test_a_shift_in_quality_of_a_straight_line_is_a_factor() -> None:
    shifted = [(rate, quality + 1.5) for rate, quality in exponential()]
    found = bd_rate(Curve(shifted), Curve(exponential()))
    assert found is not None
    assert found.percent == pytest.approx(100 * (math.exp(-0.16 * 1.5) - 1), abs=1e-9)
    assert (found.low, found.high) == (25.5, 41.0)
    assert found.share == pytest.approx(15.5 / 17)


def test_lines_of_other_slopes_differ_by_the_mean_of_their_logarithms() -> None:
    found = bd_rate(Curve(exponential(slope=0.2)), Curve(exponential(slope=0.16)))
    assert found is not None
    assert found.percent == pytest.approx(100 * (math.exp(0.04 * ((24 + 41) / 2 - 27)) - 1), abs=1e-9)


def test_swapping_the_curves_gives_the_reciprocal() -> None:
    one, other = Curve(bent(1.3, 0.7)), Curve(exponential())
    there, back = bd_rate(one, other), bd_rate(other, one)
    assert there is not None
    assert back is not None
    assert (1 + there.percent / 100) * (1 + back.percent / 100) == pytest.approx(1)


def test_no_common_quality_is_no_difference() -> None:
    assert bd_rate(Curve([(0.1, 20.0), (0.2, 22.0)]), Curve([(0.1, 22.0), (0.2, 25.0)])) is None


def test_points_that_another_one_beats_are_left_out() -> None:
    points = bent()
    worse = [(points[2][0] * 1.01, points[2][1]), (points[3][0] * 1.2, points[3][1] - 2)]
    found = bd_rate(Curve([*worse, *points]), Curve(points[::-1]))
    assert found is not None
    assert found.percent == pytest.approx(0, abs=1e-9)


def test_rate_at_a_quality() -> None:
    curve = Curve(exponential())
    assert curve.rate_at(30.0) == pytest.approx(0.1 * math.exp(0.16 * 3))
    assert curve.rate_at(PSNR[0]) == pytest.approx(exponential()[0][0])
    assert curve.rate_at(PSNR[-1]) == pytest.approx(exponential()[-1][0])
    assert curve.rate_at(23.9) is None
    assert curve.rate_at(41.1) is None


@pytest.mark.parametrize("points", [[], [(0.1, 30.0)], [(0.1, 30.0), (0.2, 30.0)], [(0.1, 30.0), (0.2, 29.0)]])
def test_too_few_points_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(SpecError, match="at least 2 points of different quality are needed; got"):
        Curve(points)


def steps(smallest: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(smallest, 10), min_size=1, max_size=9)


@given(steps(0.01), st.data())
def test_pchip_is_that_of_scipy_also_where_it_is_not_monotone(widths: list[float], data: st.DataObject) -> None:
    x = np.cumsum([0.0, *widths])
    y = 1 / 64 * np.array(data.draw(st.lists(st.integers(-320, 320), min_size=len(x), max_size=len(x))))
    own, reference = Pchip(x, y), PchipInterpolator(x, y)
    for place in np.linspace(x[0], x[-1], 23):
        assert own(float(place)) == pytest.approx(float(reference(place)), abs=1e-9, rel=1e-9)
    low, high = x[0] + 0.1 * x[-1], 0.8 * x[-1]
    assert own.mean(low, high) == pytest.approx(float(reference.integrate(low, high)) / (high - low), abs=1e-8)


@given(steps(0.01), st.data())
def test_pchip_is_monotone(widths: list[float], data: st.DataObject) -> None:
    rises = data.draw(st.lists(st.floats(0, 5), min_size=len(widths), max_size=len(widths)))
    curve = Pchip(np.cumsum([0.0, *widths]), np.cumsum([0.0, *rises]))
    values = [curve(float(place)) for place in np.linspace(0, sum(widths), 101)]
    assert min(np.diff(values)) >= -1e-9
    assert values[0] == 0
    assert values[-1] == pytest.approx(sum(rises))
