"""Which values a signal has."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from inr.meta import INTEGER_RANGE
from inr.signals.refusal import Refusal
from inr.signals.signal import Array, Samples

_HUGE = 1e36
"""Floats from here on are no measurement, if several are the same and others are smaller."""
_FILL = "a field has a value everywhere: fill them, or cut them off"


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
    return Refusal(
        f"has {nans} samples that are NaN and {infinite} that are infinite; the first has index ({index}); {_FILL}"
    )


class Marks:
    """Counts samples that stand for none: those equal to `missing`, and a huge number that several floats share.

    8-bit samples are shades whatever else they are, so none of them counts.
    """

    def __init__(self, missing: float | None) -> None:
        self._missing, self._marked, self._total = missing, 0, 0
        self._huge: set[float] = set()
        self._huge_count = 0

    def add(self, samples: Array) -> None:
        """Count finite samples."""
        self._total += samples.size
        if samples.dtype.itemsize == 1:
            return
        if self._missing is not None:
            with np.errstate(over="ignore"):  # a file says a float32 with the digits of a float64
                mark = np.float64(self._missing).astype(samples.dtype if samples.dtype.kind == "f" else np.float64)
            self._marked += int(np.count_nonzero(samples == mark))
        if samples.dtype.kind == "f" and samples.dtype.itemsize > 2 and len(self._huge) < 2:
            huge = samples[np.abs(samples) >= _HUGE]
            self._huge_count += huge.size
            self._huge |= {float(huge.min()), float(huge.max())} if huge.size else set()

    def check(self) -> None:
        """Refuse the signal if there are any."""
        count, value = self._marked, self._missing
        if not count and len(self._huge) == 1 and 1 < self._huge_count < self._total:
            count, value = self._huge_count, *self._huge
        if count:
            raise Refusal(f"has {count} of {self._total} samples without data, marked as {value:g}; {_FILL}")


def check_missing(samples: Array, missing: float | None = None) -> None:
    """Refuse samples of which some stand for none, see `Marks`."""
    marks = Marks(missing)
    marks.add(samples)
    marks.check()


def value_range(samples: Samples) -> tuple[float, float]:
    """What the field's [-1, 1] stands for: all of 8 bits, else the values that occur.

    A narrow range, as a CT scan has, is fitted better when it fills the interval. Constant samples get an interval
    of 1 above them, or below them at the top of the type.
    """
    if samples.dtype == np.uint8:
        return 0.0, 255.0
    return _interval(float(samples.min()), float(samples.max()), samples.dtype)


def value_range_of(
    pieces: Iterable[Array], shape: tuple[int, ...], fortran: bool = False, missing: float | None = None
) -> tuple[float, float]:
    """As `value_range`, of samples that come in flat pieces one after another.

    Refuses them as `check_finite` and `check_missing` do.

    Args:
        pieces: in the order of memory.
        shape: of the whole.
        fortran: that the first index changes fastest.
        missing: value of samples that are none.
    """
    marks = Marks(missing)
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
            marks.add(piece)
        seen += piece.size
    if bad:
        raise _not_finite(nans, bad - nans, first, shape, fortran)
    marks.check()
    return _interval(low, high, dtype)


def _interval(low: float, high: float, dtype: np.dtype[Any]) -> tuple[float, float]:
    if low < high:
        return low, high
    if dtype.name in INTEGER_RANGE and low == INTEGER_RANGE[dtype.name][1]:
        return low - 1, low
    # Next to a very large constant, adding 1 changes nothing.
    return low, max(low + 1, float(np.nextafter(low, np.inf)))
