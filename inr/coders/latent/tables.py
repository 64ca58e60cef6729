"""Probabilities of quantised symbols as frozen integers, looked up by indices.

A symbol x follows a Laplace distribution of mean mu and scale b, summed over [x - 1/2, x + 1/2). It is told by binary
decisions around the centre m, the integer nearest to mu, with d = mu - m:

- x = m or not;
- then on which side of m;
- then, as both tails are geometric, whether |x - m| = 1, and the bits of |x - m| - 2, which are independent.

Means are multiples of 1/256, logarithms of scales multiples of 1/32 in [-5, 5]. The exponential is evaluated in
integers, so the tables are the same on every machine; a test holds their hash.
"""

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.uint16]
"""Of a 1, in 1/65536; never 0."""

MEAN_BITS: Final = 8
"""A mean is an integer over 2^8."""
SCALE_BITS: Final = 5
"""The logarithm of a scale is (index - 160) / 2^5."""
SCALES: Final = 321
TAIL_BITS: Final = 7
"""|x - m| - 2 is at most 125."""

MIN_SYMBOL_BITS: Final = 2.2e-5
"""Below log2(65536 / 65535): what a symbol costs at least."""

_HALF: Final = 1 << (MEAN_BITS - 1)
_ONE: Final = 1 << 16
_Q: Final = 30
"""Fractional bits of intermediate results."""
_X: Final = 24
"""Fractional bits of exponents."""
_FLOOR: Final = 1 << 8
"""Least probability of every decision but the first: no symbol costs much more than a training believes that floors
the probability of a symbol, and a decision costs at most 0.006 bits more."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Probabilities of a 1.

    Attributes:
        away: that x is not m, `(129, 321)` by |d| in 1/256 and the index of the scale.
        up: that x is above m, if it is not m, `(257, 321)` by d in 1/256 plus 128.
        more: that |x - m| is above 1, if it is not 0, `(321,)`.
        tail: of the bits of |x - m| - 2, lowest first, if it is not negative, `(321, 7)`.
    """

    away: Probabilities
    up: Probabilities
    more: Probabilities
    tail: Probabilities


@functools.cache
def tables() -> Tables:
    """The tables of the format; they are read-only."""
    inverse = _inverse_scales()
    distance = np.arange(2 * _HALF + 1, dtype=np.int64)[:, None]
    decay = _exp_minus((distance * inverse) >> MEAN_BITS)  # e^(-t/b), t = 0..1 in 1/256
    d = np.arange(_HALF + 1)
    away = _clipped(_rounded(decay[_HALF - d] + decay[_HALF + d], 1 + _Q - 16), 1)
    odds = decay[2 * d]  # e^(-2d/b): of a step down against a step up
    upper = _clipped((1 << (_Q + 16)) // ((1 << _Q) + odds), _FLOOR)
    up = np.concatenate([_ONE - upper[:0:-1], upper])
    ratio = decay[-1]
    more = _clipped(_rounded(ratio, _Q - 16), _FLOOR)
    tail = np.empty((SCALES, TAIL_BITS), dtype=np.int64)
    for bit in range(TAIL_BITS):
        tail[:, bit] = _clipped((ratio << 16) // ((1 << _Q) + ratio), _FLOOR)
        ratio = (ratio * ratio) >> _Q
    return Tables(_frozen(away), _frozen(up), _frozen(more), _frozen(tail))


def centre(mean: Integers) -> tuple[Integers, Integers]:
    """The integers m nearest to means in 1/256, and the distances mean - m, -128 to 127 in 1/256."""
    nearest = (mean + _HALF) >> MEAN_BITS
    return nearest, mean - (nearest << MEAN_BITS)


def costs() -> npt.NDArray[np.float64]:
    """Bits of a decision by the probability of what happens, in 1/65536, `(65536,)`; the first is infinite."""
    with np.errstate(divide="ignore"):
        found: npt.NDArray[np.float64] = 16.0 - np.log2(np.arange(_ONE, dtype=np.float64))
    return found


def _inverse_scales() -> Integers:
    """1/b of all scales, from e^5 down to e^-5, with `_X` fractional bits, `(321,)`."""
    step, unit = _exact_exp(1, 1 << SCALE_BITS), 1 << 96
    found, value = [], _exact_exp(-5 << SCALE_BITS, 1 << SCALE_BITS)
    for _ in range(SCALES):
        found.append(((value << _X) + unit // 2) // unit)
        value = value * step // unit
    return np.array(found[::-1], dtype=np.int64)


def _exact_exp(numerator: int, denominator: int) -> int:
    """e^(numerator / denominator) with 96 fractional bits, by its series; |exponent| at most 32."""
    guard = 160
    total = term = 1 << guard
    n = 1
    while term:
        term = abs(term) * abs(numerator) // (denominator * n)
        total += term
        n += 1
    return total >> (guard - 96) if numerator >= 0 else (1 << (guard + 96)) // total


def _exp_minus(x: Integers) -> Integers:
    """e^-x with `_Q` fractional bits, of x >= 0 with `_X`: the product of the exponentials of its binary digits."""
    result = np.full(x.shape, 1 << _Q, dtype=np.int64)
    for digit in range(_X + 5):
        power = digit - _X
        exact = _exact_exp(-(1 << max(power, 0)), 1 << max(-power, 0))
        factor = (exact + (1 << (95 - _Q))) >> (96 - _Q)
        product = _rounded(result * factor, _Q)
        result = np.where((x >> digit) & 1 == 1, product, result)
    return np.where(x >> (_X + 5) > 0, 0, result)


def _rounded(value: Integers, bits: int) -> Integers:
    """A value over 2^bits, to the nearest integer."""
    return (value + (1 << (bits - 1))) >> bits


def _clipped(probability: Integers, least: int) -> Integers:
    return np.clip(probability, least, _ONE - least)


def _frozen(values: Integers) -> Probabilities:
    found = np.ascontiguousarray(values, dtype=np.uint16)
    found.setflags(write=False)
    return found
