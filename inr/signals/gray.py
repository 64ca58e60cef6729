"""The gray signal and its detail: what methods for photos look at in place of all channels."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LEVELS = 127.5
"""Gray levels, 0 to 255, in a unit of normalised values, -1 to 1."""


def luma(channels: int) -> Floats:
    """Weights of the channels in a gray picture: ITU-R BT.601 for RGB, alpha left out; else all channels alike."""
    if channels in (3, 4):
        return np.array([0.299, 0.587, 0.114, 0.0][:channels], dtype=np.float32)
    return np.full(channels, 1 / channels, dtype=np.float32)


def laplacian(values: Floats) -> Floats:
    """Sum of the second differences along all axes, zero outside; shape of `values`. Equal to its own transpose."""
    result = (-2 * values.ndim) * values
    for axis in range(values.ndim):
        along, to = np.moveaxis(values, axis, 0), np.moveaxis(result, axis, 0)
        to[1:] += along[:-1]
        to[:-1] += along[1:]
    return result
