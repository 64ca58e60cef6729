"""Which values a signal has."""

import numpy as np

from inr.meta import INTEGER_RANGE
from inr.signals.image_common import Array, Refusal
from inr.signals.signal import Samples


def check_finite(samples: Array) -> None:
    """Refuse float samples that are NaN or infinite."""
    if samples.dtype.kind != "f":
        return
    finite = np.isfinite(samples)
    if not finite.all():
        nans, first = int(np.isnan(samples).sum()), np.unravel_index(np.argmin(finite), samples.shape)
        infinite = int(samples.size - np.count_nonzero(finite)) - nans
        index = ", ".join(str(i) for i in first)
        raise Refusal(
            f"has {nans} samples that are NaN and {infinite} that are infinite; the first has index ({index})"
        )


def value_range(samples: Samples) -> tuple[float, float]:
    """What the field's [-1, 1] stands for: all of 8 bits, else the values that occur.

    A narrow range, as a CT scan has, is fitted better when it fills the interval. Constant samples get an interval
    of 1 above them, or below them at the top of the type.
    """
    if samples.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(samples.min()), float(samples.max())
    if low < high:
        return low, high
    if samples.dtype.name in INTEGER_RANGE and low == INTEGER_RANGE[samples.dtype.name][1]:
        return low - 1, low
    # Next to a very large constant, adding 1 changes nothing.
    return low, max(low + 1, float(np.nextafter(low, np.inf)))
