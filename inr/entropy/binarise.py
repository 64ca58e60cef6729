"""Integers as binary decisions, for models that give each decision a probability.

A magnitude m with 2^e <= m < 2^(e+1) is its exponent e in unary, then the e bits below the leading one, highest first.
Every decision has a place, by which a model tells it from others:

- 0 to 30: the exponent that is asked about (a 1: it is larger);
- then for each exponent three for the two highest bits below the leading one: the first, the second behind a 0, the
  second behind a 1;
- then for each exponent 31 for all other bits, by their position.
"""

from collections.abc import Callable

MAX_BITS = 31
"""Magnitudes are below 2^31."""
PLACES = MAX_BITS * (1 + 3 + MAX_BITS)

_HIGHEST = MAX_BITS
_OTHERS = 4 * MAX_BITS


def write_magnitude(magnitude: int, put: Callable[[int, int], None]) -> None:
    """Hand over the decisions about a magnitude, 1 to 2^31 - 1, in order: `put(place, bit)`."""
    exponent = magnitude.bit_length() - 1
    for k in range(exponent):
        put(k, 1)
    if exponent < MAX_BITS - 1:
        put(exponent, 0)
    place = _HIGHEST + 3 * exponent
    for position in range(exponent - 1, -1, -1):
        bit = (magnitude >> position) & 1
        if exponent - position > 2:
            put(_OTHERS + MAX_BITS * exponent + position, bit)
        else:
            put(place, bit)
            place += 1 + bit


def read_magnitude(get: Callable[[int], int]) -> int:
    """The magnitude that answers to the decisions, asked for in order, make: `get(place)`."""
    exponent = 0
    while exponent < MAX_BITS - 1 and get(exponent):
        exponent += 1
    magnitude = 1
    place = _HIGHEST + 3 * exponent
    for position in range(exponent - 1, -1, -1):
        if exponent - position > 2:
            bit = get(_OTHERS + MAX_BITS * exponent + position)
        else:
            bit = get(place)
            place += 1 + bit
        magnitude = 2 * magnitude + bit
    return magnitude
