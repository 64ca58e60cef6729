"""Structural similarity of pictures over several scales."""

import numpy as np

from inr.errors import SignalError
from inr.metrics.base import Array, check_shapes
from inr.metrics.ssim import similarities, window

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, fine to coarse."""
SMALLEST_SIDE = 11 * 2 ** (len(WEIGHTS) - 1)
"""Samples, of which the coarsest scale has one window left."""


def ms_ssim(reference: Array, other: Array, peak: float) -> float:
    """Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003), averaged over channels.

    The window is that of `ssim`, at positions where it lies inside the picture; each of the five scales is the mean of
    2 x 2 samples of the one before. The mean contrast and structure of each scale, and at the coarsest the mean of
    luminance, contrast and structure, are raised to `WEIGHTS`; a mean below 0 counts as 0.

    Args:
        reference: `(h, w, channels)`, sides of at least `SMALLEST_SIDE`.
        other: the same shape.
        peak: largest sample value.

    Returns:
        0 to 1; 1 for identical arrays.

    Raises:
        SignalError: the shapes differ, or a side is too short.
    """
    check_shapes(reference, other)
    height, width = reference.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise SignalError(f"MS-SSIM: sides of at least {SMALLEST_SIDE} samples; got {width} x {height}")
    return float(np.mean([_channel(reference[..., c], other[..., c], peak) for c in range(reference.shape[-1])]))


def _channel(x: Array, y: Array, peak: float) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    product, kernel = 1.0, window(11)
    for scale, weight in enumerate(WEIGHTS):
        if scale > 0:
            x, y = _halved(x), _halved(y)
        luminance, structure = similarities(x, y, peak, kernel)
        scores = luminance * structure if scale == len(WEIGHTS) - 1 else structure
        product *= max(float(scores.mean()), 0.0) ** weight
    return product


def _halved(x: Array) -> Array:
    """Means of 2 x 2 samples; the last one of an odd side is left out."""
    height, width = x.shape[0] // 2, x.shape[1] // 2
    return np.asarray(x[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3)))
