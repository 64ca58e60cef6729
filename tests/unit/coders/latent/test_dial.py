"""Symbols chosen for another lambda until a goal is reached."""

import math

import pytest

from inr.coders.latent.dial import FARTHEST, TRIES, dialled
from inr.coders.latent.rate import Goal


class Picture:
    """Levels that answer to the logarithm of a factor of lambda as they like."""

    def __init__(self, level: float, slope: float, bend: float = 0.0) -> None:
        self.level, self.slope, self.bend = level, slope, bend
        self.asked: list[float] = []

    def choose(self, place: float) -> float:
        self.asked.append(place)
        return self.level - self.slope * place - self.bend * abs(place) * place


@pytest.mark.parametrize("miss", [-0.3, -0.05, 0.0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize(("slope", "bend"), [(0.5, 0.0), (0.3, 0.0), (0.9, 0.1), (0.6, -0.05)])
def test_a_psnr_is_reached(miss: float, slope: float, bend: float) -> None:
    goal, picture = Goal.of_psnr(34.0), Picture(34.05 + miss, slope, bend)
    reached = dialled(picture.level, picture.choose, float, goal)
    if abs(miss) < 0.7 * slope:
        assert 34.0 <= reached <= 34.15
    assert len(picture.asked) <= TRIES
    assert all(FARTHEST[0] <= place <= FARTHEST[1] for place in picture.asked)


@pytest.mark.parametrize("size", [9_300, 9_700, 9_900, 10_000, 10_200, 10_700])
@pytest.mark.parametrize("slope", [0.05, 0.08, 0.15])
def test_a_size_is_reached(size: int, slope: float) -> None:
    picture = Picture(math.log(size), slope)
    reached = math.exp(dialled(picture.level, picture.choose, float, Goal.of_size(10_000)))
    if abs(math.log(size / 9_850)) < slope:
        assert 9_600 <= reached <= 10_000 * (1 + 1e-9)
    if 9_700 <= size <= 10_000:
        assert not picture.asked


def test_what_cannot_be_reached_comes_nearest() -> None:
    picture = Picture(40.0, 0.5)
    assert dialled(40.0, picture.choose, float, Goal.of_psnr(30.0)) == pytest.approx(40 - 0.5 * FARTHEST[1])
    stubborn = Picture(34.5, 0.0)
    assert dialled(34.5, stubborn.choose, float, Goal.of_psnr(34.0)) == 34.5
    wrong = Picture(34.5, -0.5)
    assert dialled(34.5, wrong.choose, float, Goal.of_psnr(34.0)) == 34.5


def test_what_breaks_a_goal_is_the_last_choice() -> None:
    """A PSNR that is a little too low is not taken, a larger one is."""
    steps = {True: 34.3, False: 33.99}

    def choose(place: float) -> float:
        return steps[place < 0.4]

    assert dialled(34.5, choose, float, Goal.of_psnr(34.0)) == 34.3
    assert dialled(33.5, lambda place: 33.9 if place < -0.3 else 33.5, float, Goal.of_psnr(34.0)) == 33.9
