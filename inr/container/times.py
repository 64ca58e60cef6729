"""How long each frame of a video is shown, as a header holds it. See FORMAT.md, section 2."""

import math
from collections.abc import Iterable

from inr.container import limits
from inr.errors import CorruptHeaderError, LimitExceededError

Runs = tuple[tuple[int, int], ...]
"""(ticks that a frame lasts, how many frames in a row do); neighbours differ in the ticks."""

MAX_TICK = 2**31
"""Largest numerator and denominator of a tick in seconds."""
_MAX_TICKS = 2**52


def stored_times(tick: tuple[int, int], runs: Runs) -> tuple[int, ...]:
    """The numbers of header key 21; `times_of` is the inverse.

    Args:
        tick: seconds, as numerator and denominator.
        runs: of all frames.
    """
    stored, before = list(tick), 0
    for ticks, frames in runs:
        change = ticks - before
        stored.append(2 * change if change > 0 else -2 * change - 1)
        if frames > 1:
            stored.append(1 - frames)
        before = ticks
    return tuple(stored)


def times_of(stored: tuple[int, ...]) -> tuple[tuple[int, int], Runs]:
    """The tick and the runs that header key 21 stands for, in time that its length bounds.

    Raises:
        CorruptHeaderError: numbers that stand for no times, for equal ones, or not in their only form.
        LimitExceededError: far too long times.
    """
    if bytes_of(stored) > limits.MAX_TIMES_BYTES:
        raise LimitExceededError(f"header: frame_times take more than {limits.MAX_TIMES_BYTES} bytes")
    if len(stored) < 3:
        raise CorruptHeaderError("header: frame_times needs a tick and the times of frames")
    tick, runs = (stored[0], stored[1]), list[tuple[int, int]]()
    if not all(1 <= value <= MAX_TICK for value in tick) or math.gcd(*tick) != 1:
        raise CorruptHeaderError(f"header: the tick of frame_times must be a fraction in lowest terms; got {tick}")
    ticks, total, repeated = 0, 0, True
    for number in stored[2:]:
        if number < 0:
            if repeated:
                raise CorruptHeaderError("header: frame_times repeats a time twice, or none")
            runs[-1] = (ticks, 1 - number)
            total -= number * ticks
        else:
            ticks += number // 2 if number % 2 == 0 else -(number + 1) // 2
            if number == 0 or ticks < 1:
                raise CorruptHeaderError("header: frame_times must change, and stay above 0")
            runs.append((ticks, 1))
            total += ticks
        repeated = number < 0
        if total > _MAX_TICKS:
            raise LimitExceededError(f"header: the frames of frame_times last more than {_MAX_TICKS} ticks")
    if len(runs) < 2:
        raise CorruptHeaderError("header: frame_times must be left out if all are equal")
    if math.gcd(*(ticks for ticks, _ in runs)) != 1:
        raise CorruptHeaderError("header: the tick of frame_times is not the largest one")
    return tick, tuple(runs)


def frames_of(runs: Runs) -> int:
    """How many frames there are."""
    return sum(frames for _, frames in runs)


def bytes_of(stored: Iterable[int]) -> int:
    """How many bytes the numbers take in a header; at most `limits.MAX_TIMES_BYTES` are allowed."""
    bounds = (24, 2**8, 2**16, 2**32)
    sizes = (1, 2, 3, 5, 9)
    total = 0
    for number in stored:
        magnitude = number if number >= 0 else -1 - number
        total += sizes[sum(magnitude >= bound for bound in bounds)]
    return total
