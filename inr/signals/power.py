"""The symmetric power transform of the targets.

Zhang et al., "Enhancing Implicit Neural Representations via Symmetric Power Transformation", AAAI 2025: a
reversible gamma that makes the histogram of the targets symmetric about 0, where networks fit best.

    u = (x - low)/(high - low),  y = 2 u^gamma - 1

As released, all is taken from a histogram of 256 equal bins between the least and the greatest sample. With h the
number of the bin in which half of all samples are reached, from 0:

    gamma_0 = log(1/2)/log(h/256),  d = |gamma_0 - 1| for gamma_0 > 1, else 1/gamma_0 - 1
    g = (share of u^gamma_0 in the 12 bins of the end that it moves samples to - that of u)/0.05, at most 1
    gamma = gamma_0 - d g for gamma_0 > 1, else 1/(1/gamma_0 - d g)

so an exponent that would crowd samples at an end is drawn towards 1, as far as that end. It is limited to [1/5, 5].
`low` and `high` lie outside of the samples by buffers: 256/255 of the range times the share of samples in the first
and in the last two bins.

Deviations: the released buffers are 256 times these shares in gray levels, whatever the range of the picture; for a
picture with black and white in it that is the same. Above 4 million samples every n-th is taken.
"""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from inr.errors import SignalError
from inr.meta import MAX_GAMMA, PowerTransform
from inr.signals.signal import Signal

_BINS = 256
_EDGE_BINS = 2
"""Bins at each end whose mass decides a buffer, 1 % of all."""
_BUFFER = 256 / 255
_CALIBRATION = 0.05
"""Share of the range at an end, and of the samples, that the calibration looks at."""
_SUBSET = 2**22


def symmetric_power(signal: Signal, whole_range: bool = False) -> PowerTransform:
    """The symmetric power transform that suits a signal.

    Args:
        signal: what will be fitted.
        whole_range: cover the value range of the signal's type, for other parts of it that the transform serves too.

    Raises:
        SignalError: all samples are equal, so there is no histogram.
    """
    flat = signal.samples.reshape(-1)
    values = flat[:: max(1, flat.size // _SUBSET)].astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if not low < high:
        raise SignalError(f"power transform: all samples are {low:g}; it needs different values")
    span = high - low
    unit = (values - low) / span
    shares = _shares(unit)
    gamma = float(np.float16(_calibrated(unit, shares)))
    low -= _BUFFER * float(shares[:_EDGE_BINS].sum()) * span
    high += _BUFFER * float(shares[-_EDGE_BINS:].sum()) * span
    if whole_range:
        low, high = min(low, signal.meta.value_range[0]), max(high, signal.meta.value_range[1])
    # Floats of 32 bits take five bytes in a header instead of nine.
    return PowerTransform(float(np.float32(low)), float(np.float32(high)), min(max(gamma, 1 / MAX_GAMMA), MAX_GAMMA))


def _shares(unit: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Share of the values in [0, 1] that lie in each bin, `(256,)`."""
    counts, _ = np.histogram(unit, bins=_BINS, range=(0.0, 1.0))
    return counts / unit.size


def _calibrated(unit: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> float:
    """The exponent for values in [0, 1], before it is limited."""
    half = max(1, int(np.searchsorted(np.cumsum(shares), 0.5)))
    plain = math.log(0.5) / math.log(half / _BINS)
    bins = int(_CALIBRATION * _BINS)
    end = slice(None, bins) if plain > 1 else slice(-bins, None)
    moved = float(_shares(unit**plain)[end].sum() - shares[end].sum())
    drawn = min(max(moved, 0.0) / _CALIBRATION, 1.0)
    if plain > 1:
        return plain - (plain - 1) * drawn
    return 1 / (1 / plain - (1 / plain - 1) * drawn)


def with_power(signal: Signal, power: PowerTransform) -> Signal:
    """The same signal, to be fitted through a power transform."""
    return replace(signal, meta=replace(signal.meta, power=power))
