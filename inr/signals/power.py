"""The symmetric power transform of the targets.

Zhang et al., "Enhancing Implicit Neural Representations via Symmetric Power Transformation", AAAI 2025: a
reversible gamma that makes the histogram of the targets symmetric about 0, where networks fit best.

    u = (x - low)/(high - low),  y = 2 u^gamma - 1,  gamma = log(1/2)/log(median of u)

`low` and `high` lie outside the samples by a buffer that grows with the mass of the extreme values: 256/255 of the
range times the share of samples in its first and its last per cent. Gamma is drawn a little towards 1
(``gamma^(1 - beta)`` with beta 0.05) and limited to [1/5, 5]. Deviation: the percentile is always the median.
"""

import math
from dataclasses import replace

import numpy as np

from inr.errors import SignalError
from inr.meta import MAX_GAMMA, PowerTransform
from inr.signals.signal import Signal

_EDGE = 0.01
_BUFFER = 256 / 255
_CALIBRATION = 0.05
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
    part = (values - low) / span
    low -= _BUFFER * float(np.mean(part <= _EDGE)) * span
    high += _BUFFER * float(np.mean(part >= 1 - _EDGE)) * span
    if whole_range:
        low, high = min(low, signal.meta.value_range[0]), max(high, signal.meta.value_range[1])
    median = float(np.median((values - low) / (high - low)))
    gamma = math.log(0.5) / math.log(min(max(median, 1e-6), 1 - 1e-6))
    gamma = float(np.float16(gamma ** (1 - _CALIBRATION)))
    gamma = min(max(gamma, 1 / MAX_GAMMA), MAX_GAMMA)
    # Floats of 32 bits take five bytes in a header instead of nine.
    return PowerTransform(float(np.float32(low)), float(np.float32(high)), gamma)


def with_power(signal: Signal, power: PowerTransform) -> Signal:
    """The same signal, to be fitted through a power transform."""
    return replace(signal, meta=replace(signal.meta, power=power))
