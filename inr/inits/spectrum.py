"""Spectra of signals by the sum of their frequencies, and how far apart two of them are."""

import numpy as np
import numpy.typing as npt

from inr.meta import SignalMeta
from inr.signals.signal import Samples, normalise

Array = npt.NDArray[np.float64]

ROWS = 256
"""Rows that are normalised at once."""


def spectrum(values: Array, size: int) -> Array:
    """``S[k] = sum over u + v = k of |DFT(y)[u, v]|`` for k = 1 .. size, summed over channels.

    Only the quadrant u, v >= 0 counts; of a function of one variable, S is the amplitude spectrum. The mean (k = 0) is
    left out: the last bias of a network takes care of it.

    Args:
        values: `(s, s, channels)` or `(s, channels)`, s at least 2 size + 1, so that no index is a negative frequency.
        size: number of entries.

    Returns:
        `(size,)`. Source: Kania et al. 2025, as released.
    """
    axes = tuple(range(values.ndim - 1))
    corner = np.abs(np.fft.fftn(values, axes=axes))[tuple(slice(size + 1) for _ in axes)].sum(axis=-1)
    index = np.indices(corner.shape).sum(axis=0)
    return np.bincount(index.ravel(), weights=corner.ravel())[1 : size + 1].astype(np.float64)


def distance(one: Array, other: Array) -> float:
    """Wasserstein-1 distance of two spectra as distributions over 1 .. n; n, more than any, if one is all zero."""
    if not (one.sum() > 0 and other.sum() > 0):
        return float(len(one))
    return float(np.abs(np.cumsum(one / one.sum() - other / other.sum())).sum())


def shrinking(n: int, m: int) -> Array:
    """The matrix `(m, n)` that resamples n cells to m linearly; if m < n, with a triangle two new cells wide."""
    width = max(1.0, n / m)
    centre = (np.arange(m) + 0.5) * (n / m) - 0.5
    weight = np.maximum(0.0, 1 - np.abs(np.arange(n) - centre[:, None]) / width)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def shrunk(samples: Samples, meta: SignalMeta, side: int) -> Array:
    """Normalised values of an image `(h, w, channels)` or a sequence `(n, channels)`, each axis resampled to `side`.

    Memory is that of the result and of a few rows, whatever the size of the image.
    """
    rows = shrinking(samples.shape[0], side)
    columns = shrinking(samples.shape[1], side) if samples.ndim == 3 else None
    result = np.zeros((*[side] * (samples.ndim - 1), samples.shape[-1]))
    for first in range(0, len(samples), ROWS):
        block = normalise(samples[first : first + ROWS], meta).astype(np.float64)
        if columns is not None:
            block = np.einsum("xw,hwc->hxc", columns, block, optimize=True)
        result += np.tensordot(rows[:, first : first + ROWS], block, axes=1)
    return result
