"""The end of rate control: symbols chosen for another lambda, until a file reaches its goal."""

from collections.abc import Callable
from typing import Final, TypeVar

from inr.coders.latent.rate import Goal

T = TypeVar("T")

TRIES: Final = 4
"""Choices that are measured at most."""
FARTHEST: Final = (-1.2, 1.6)
"""Least and largest logarithm of the factor of lambda; there J is 4 to 6 % dearer."""
STEEPEST: Final = 3.0
"""By which factor levels may answer more or less than is usual, at most."""


def dialled(first: T, choose: Callable[[float], T], level: Callable[[T], float], goal: Goal) -> T:
    """What reaches a goal, or else what does not break it and comes nearest, if there is any.

    A factor of 1.5 takes 2 to 4 % from a file, and .1 to .3 dB; J is .2 to .5 % dearer.

    Args:
        first: what there is, as if chosen with the factor 1.
        choose: makes another one, for the logarithm of a factor of lambda.
        level: of one.
        goal: what has to be reached.
    """
    place, reached, slope = 0.0, level(first), -goal.dial
    best, least = first, goal.badness(reached)
    for _ in range(TRIES):
        if goal.miss(reached) == 0:
            break
        wanted = place + (goal.aim - reached) / slope
        wanted = min(max(wanted, FARTHEST[0]), FARTHEST[1])
        if wanted == place:
            break
        found = choose(wanted)
        now = level(found)
        answer = (now - reached) / (wanted - place)
        slope = -min(max(-answer, goal.dial / STEEPEST), goal.dial * STEEPEST)
        place, reached = wanted, now
        if goal.badness(reached) < least:
            best, least = found, goal.badness(reached)
    return best
