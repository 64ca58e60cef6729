"""Which values a signal has."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from inr.meta import INTEGER_RANGE
from inr.signals.refusal import Refusal
from inr.signals.signal import Array, Samples


def check_finite(samples: Array) -> None:
    """Refuse float samples that are NaN or infinite."""
    if samples.dtype.kind != "f":
        return
    finite = np.isfinite(samples)
    if not finite.all():
        nans, bad = int(np.isnan(samples).sum()), int(samples.size - np.count_nonzero(finite))
        raise _not_finite(nans, bad - nans, int(np.argmin(finite)), samples.shape)


def _not_finite(nans: int, infinite: int, first: int, shape: tuple[int, ...], fortran: bool = False) -> Refusal:
    index = ", ".join(str(i) for i in np.unravel_index(first, shape, order="F" if fortran else "C"))
    return Refusal(f"has {nans} samples that are NaN and {infinite} that are infinite; the first has index ({index})")


def value_range(samples: Samples) -> tuple[float, float]:
    """What the field's [-1, 1] stands for: all of 8 bits, else the values that occur.

    A narrow range, as a CT scan has, is fitted better when it fills the interval. Constant samples get an interval
    of 1 above them, or below them at the top of the type.
    """
    if samples.dtype == np.uint8:
        return 0.0, 255.0
    return _interval(float(samples.min()), float(samples.max()), samples.dtype)


def value_range_of(pieces: Iterable[Array], shape: tuple[int, ...], fortran: bool = False) -> tuple[float, float]:
    """As `value_range`, of samples that come in flat pieces one after another; refuses them as `check_finite` does.

    Args:
        pieces: in the order of memory.
        shape: of the whole.
        fortran: that the first index changes fastest.
    """
    low, high, nans, bad, seen = math.inf, -math.inf, 0, 0, 0
    first, dtype = -1, np.dtype(np.uint8)
    for piece in pieces:
        dtype = piece.dtype
        finite = np.isfinite(piece)
        if not finite.all():
            first = seen + int(np.argmin(finite)) if first < 0 else first
            nans += int(np.isnan(piece).sum())
            bad += int(piece.size - np.count_nonzero(finite))
        elif piece.size:
            low, high = min(low, float(piece.min())), max(high, float(piece.max()))
        seen += piece.size
    if bad:
        raise _not_finite(nans, bad - nans, first, shape, fortran)
    return _interval(low, high, dtype)


def _interval(low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, float]:
    if low < high:
        return low, high
    if dtype.name in INTEGER_RANGE and low == INTEGER_RANGE[dtype.name][1]:
        return low - 1, low
    # Next to a very large constant, adding 1 changes nothing.
    return low, max(low + 1, float(np.nextafter(low, np.inf)))
