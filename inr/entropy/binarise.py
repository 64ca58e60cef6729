"""Integers as binary decisions, for models that give each decision a probability.

A magnitude m with 2^e <= m < 2^(e+1) is its exponent e in unary, then the e bits below the leading one, highest first.
"""

from collections.abc import Callable
from typing import NamedTuple

MAX_BITS = 31
"""Magnitudes are below 2^31."""


class Place(NamedTuple):
    """Which decision about a magnitude this is.

    Attributes:
        exponent: in the unary part the one that is asked about (1: it is larger); below the leading one, that of m.
        position: the bit of weight 2^position below the leading one; -1 in the unary part.
        node: of the two highest of these bits, 0 for the first and 1 + the first for the second; -1 for all else.
    """

    exponent: int
    position: int = -1
    node: int = -1


def write_magnitude(magnitude: int, put: Callable[[Place, int], None]) -> None:
    """Hand over the decisions about a magnitude, 1 to 2^31 - 1, in order."""
    exponent = magnitude.bit_length() - 1
    for k in range(exponent):
        put(Place(k), 1)
    if exponent < MAX_BITS - 1:
        put(Place(exponent), 0)
    for position in range(exponent - 1, -1, -1):
        put(_below(magnitude >> (position + 1), exponent, position), (magnitude >> position) & 1)


def read_magnitude(get: Callable[[Place], int]) -> int:
    """The magnitude that answers to the decisions, asked for in order, make."""
    exponent = 0
    while exponent < MAX_BITS - 1 and get(Place(exponent)):
        exponent += 1
    magnitude = 1
    for position in range(exponent - 1, -1, -1):
        magnitude = 2 * magnitude + get(_below(magnitude, exponent, position))
    return magnitude


def _below(higher: int, exponent: int, position: int) -> Place:
    """The place of a bit below the leading one; `higher` are the bits above it."""
    depth = exponent - position
    if depth > 2:
        return Place(exponent, position)
    return Place(exponent, position, 0 if depth == 1 else 1 + (higher & 1))
