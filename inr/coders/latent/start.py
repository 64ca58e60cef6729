"""Networks before training."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.coders.latent.spec import UP_TAPS, LatentSpec


def random_start(spec: LatentSpec, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Filters that interpolate, residual layers that do nothing, the rest random, ``(parameters,)``."""
    networks = {}
    for tensor in spec.layout():
        value: npt.NDArray[Any] = np.zeros(tensor.shape)
        if tensor.name.startswith("upsampling.up"):
            value[:] = [_cubic(0.25 + 0.5 * i) for i in range(UP_TAPS)]
        elif tensor.name.startswith("upsampling.pre"):
            value[0] = 1
        elif tensor.bias or ".hidden" in tensor.name or ".residual" in tensor.name:
            pass
        elif tensor.module in ("context", "parents"):
            value[:] = random.standard_normal(tensor.shape) / tensor.shape[0] ** 2
        else:
            bound = 1 / math.sqrt(tensor.shape[1]) / tensor.shape[0] ** 2
            value[:] = random.uniform(-bound, bound, tensor.shape)
        networks[tensor.name] = value
    return spec.joined(networks)


def _cubic(distance: float, a: float = -0.75) -> float:
    """The cubic convolution kernel (Keys 1981)."""
    d = abs(distance)
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0
