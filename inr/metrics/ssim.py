"""Structural similarity of pictures."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inr.metrics.base import Array, Metric, Tally, check_shapes

SSIM_BLOCK = 2**22
"""Samples whose SSIM is found at once."""


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
    check_shapes(reference, other)
    size = min(11, *(n - 1 + n % 2 for n in reference.shape[:2]))
    kernel = window(size)
    values = [_ssim_channel(reference[..., c], other[..., c], peak, kernel) for c in range(reference.shape[-1])]
    return float(np.mean(values))


def window(size: int) -> Array:
    """Gaussian of sigma 1.5 at so many positions, with the sum 1."""
    offset = np.arange(size) - size // 2
    kernel: Array = np.exp(-(offset**2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    return kernel


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
    luminance, structure = similarities(x.astype(np.float64), y.astype(np.float64), peak, kernel)
    score: Array = luminance * structure
    return score


def similarities(x: Array, y: Array, peak: float, kernel: Array) -> tuple[Array, Array]:
    """Luminance, and contrast with structure, at each position of the window."""
    mean_x, mean_y = _blur(x, kernel), _blur(y, kernel)
    var_x = _blur(x * x, kernel) - mean_x * mean_x
    var_y = _blur(y * y, kernel) - mean_y * mean_y
    cov = _blur(x * y, kernel) - mean_x * mean_y
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    return (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1), (2 * cov + c2) / (var_x + var_y + c2)


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


@dataclass(frozen=True)
class Ssim(Metric):
    """SSIM of a picture, or its mean over frames; of parts, the mean weighted by their lengths.

    Attributes:
        frames: the first axis counts pictures.
    """

    name: ClassVar[str] = "ssim"
    frames: bool = False

    def tally(self, reference: Array, other: Array, peak: float) -> Tally:
        """Frames or rows, and as often the SSIM."""
        check_shapes(reference, other)
        if self.frames:
            return Tally(sum(ssim(a, b, peak) for a, b in zip(reference, other, strict=True)), len(reference))
        return Tally(len(reference) * ssim(reference, other, peak), len(reference))
