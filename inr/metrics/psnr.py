"""Peak signal-to-noise ratio."""

import math
from typing import ClassVar

import numpy as np

from inr.metrics.base import Array, Metric, Tally, check_shapes

MAX_REPORTED_PSNR = 100.0
"""What files and reports hold for identical pictures, whose PSNR is infinite."""


def psnr(reference: Array, other: Array, peak: float) -> float:
    """Peak signal-to-noise ratio ``10 log10(peak^2 / MSE)`` over all samples and channels.

    Args:
        reference: any shape.
        other: the same shape.
        peak: largest sample value, 255 for 8-bit.

    Returns:
        Decibels; infinite for identical arrays.

    Raises:
        SignalError: the shapes differ.
    """
    return psnr_of(squared_error(reference, other), reference.size, peak)


def squared_error(reference: Array, other: Array) -> float:
    """Sum of the squared differences of two arrays; raises `SignalError` if their shapes differ."""
    check_shapes(reference, other)
    total = 0.0
    for row, other_row in zip(reference, other, strict=True):  # a row at a time: no full-size float copy
        difference = row.astype(np.float64) - other_row.astype(np.float64)
        total += float(np.vdot(difference, difference))
    return total


def psnr_of(squared: float, values: int, peak: float) -> float:
    """PSNR in dB of a sum of squared differences over so many values."""
    mse = squared / max(values, 1)
    return math.inf if mse == 0 else 10 * math.log10(peak * peak / mse)


def reported(decibels: float) -> float:
    """A PSNR as files and JSON hold it: finite, 0 to 100."""
    return min(max(decibels, 0.0), MAX_REPORTED_PSNR)


class Psnr(Metric):
    """PSNR in dB of all samples and channels together, as reports hold it: 0 to 100."""

    name: ClassVar[str] = "psnr"
    decibels: ClassVar[bool] = True

    def tally(self, reference: Array, other: Array, peak: float) -> Tally:
        """The squared error and the number of values."""
        del peak
        return Tally(squared_error(reference, other), reference.size)

    def value(self, tally: Tally, peak: float) -> float:
        """Decibels."""
        return reported(psnr_of(tally.total, round(tally.weight), peak))
