"""PSNR of any signal, SSIM of pictures."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.errors import SignalError

MAX_REPORTED_PSNR = 100.0
"""What files and reports hold for identical pictures, whose PSNR is infinite."""
SSIM_BLOCK = 2**22
"""Samples whose SSIM is found at once."""

Array = npt.NDArray[Any]


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
    _check_shapes(reference, other)
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


def mean_ssim(reference: Array, other: Array, kind: str, peak: float) -> float | None:
    """SSIM of a picture, its mean over the frames of a video, None for an array."""
    if kind == "array":
        return None
    frames = zip(reference, other, strict=True) if kind == "video" else [(reference, other)]
    return float(np.mean([ssim(frame, other_frame, peak) for frame, other_frame in frames]))


def ssim(reference: Array, other: Array, peak: float) -> float:
    """Mean structural similarity (Wang et al. 2004): Gaussian window 11 x 11, sigma 1.5, K1 0.01, K2 0.03.

    Averaged over channels and over the positions where the window lies inside the picture. A picture with a
    side under 11 samples gets the largest odd window that fits.

    Args:
        reference: `(h, w, channels)`.
        other: the same shape.
        peak: largest sample value.

    Returns:
        -1 to 1; 1 for identical arrays.

    Raises:
        SignalError: the shapes differ.
    """
    _check_shapes(reference, other)
    size = min(11, *(n - 1 + n % 2 for n in reference.shape[:2]))
    offset = np.arange(size) - size // 2
    kernel = np.exp(-(offset**2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    values = [_ssim_channel(reference[..., c], other[..., c], peak, kernel) for c in range(reference.shape[-1])]
    return float(np.mean(values))


def _ssim_channel(x: Array, y: Array, peak: float, kernel: Array) -> float:
    """Mean over the positions of the window, some rows of them at a time: the sums take 70 bytes a sample."""
    margin = len(kernel) - 1
    height, width = x.shape[0] - margin, x.shape[1] - margin
    rows = max(1, SSIM_BLOCK // x.shape[1])
    total = 0.0
    for first in range(0, height, rows):
        last = min(first + rows, height) + margin
        total += float(_ssim_scores(x[first:last], y[first:last], peak, kernel).sum())
    return total / int(height * width)


def _ssim_scores(x: Array, y: Array, peak: float, kernel: Array) -> Array:
    x, y = x.astype(np.float64), y.astype(np.float64)
    mean_x, mean_y = _blur(x, kernel), _blur(y, kernel)
    var_x = _blur(x * x, kernel) - mean_x * mean_x
    var_y = _blur(y * y, kernel) - mean_y * mean_y
    cov = _blur(x * y, kernel) - mean_x * mean_y
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    score: Array = (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return score


def _blur(x: Array, kernel: Array) -> Array:
    """Separable convolution, valid positions only."""
    n = len(kernel)
    rows = np.zeros((x.shape[0] - n + 1, x.shape[1]))
    for i, weight in enumerate(kernel):
        rows += weight * x[i : i + rows.shape[0]]
    blurred = np.zeros((rows.shape[0], x.shape[1] - n + 1))
    for i, weight in enumerate(kernel):
        blurred += weight * rows[:, i : i + blurred.shape[1]]
    return blurred


def _check_shapes(reference: Array, other: Array) -> None:
    if reference.shape != other.shape:
        raise SignalError(f"cannot compare samples of shape {reference.shape} with {other.shape}")
