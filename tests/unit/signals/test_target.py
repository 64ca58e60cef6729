"""What a decoder is asked for, and what is made of it."""

from dataclasses import fields
from fractions import Fraction

import pytest

from inr.domain import Domain
from inr.errors import LimitExceededError, SpecError
from inr.signals.target import Target, TargetOptions


def test_keywords_are_the_fields() -> None:
    assert TargetOptions.__annotations__.keys() == {item.name for item in fields(Target)}
    assert not TargetOptions.__required_keys__


def test_what_is_given() -> None:
    assert Target().given() == set()
    assert Target(scale=1.0, time=(0, 1)).given() == {"scale", "time"}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(), (10, 7)),
        (Target(scale=0.5), (5, 4)),
        (Target(scale=0.001), (1, 1)),
        (Target(size=(3, 4)), (3, 4)),
    ],
)
def test_scaled(target: Target, expected: tuple[int, ...]) -> None:
    assert target.scaled((10, 7), target.size, "two numbers") == expected


def test_sides_beyond_all_measure_are_refused() -> None:
    with pytest.raises(LimitExceededError, match=r"scale 1e\+09 gives a side of 1e\+10 samples"):
        Target(scale=1e9).scaled((10, 7), None, "two numbers")
    with pytest.raises(SpecError, match="size: needs two numbers, at least 1 each; got 3"):
        Target(size=(3,)).scaled((10, 7), (3,), "two numbers")


def test_timed() -> None:
    line = Domain.of_shape((100,), ("t",))
    assert Target().timed(line, Fraction(50)) == (line, Fraction(50))
    part, rate = Target(time=(0.5, 1.5)).timed(line, Fraction(50))
    assert (part.shape, part.box, rate) == ((50,), ((-0.5, 0.5),), Fraction(50))
    part, rate = Target(time=(0.5, float("inf")), frame_rate=10).timed(line, Fraction(50))
    assert (part.shape, part.box, rate) == ((15,), ((-0.5, 1.0),), Fraction(10))
    with pytest.raises(SpecError, match="time: needs 0 <= start < end <= 2 seconds; got 3 to 4"):
        Target(time=(3.0, 4.0)).timed(line, Fraction(50))
    with pytest.raises(SpecError, match="frame rate: must be more than 0"):
        Target(frame_rate=0).timed(line, Fraction(50))
