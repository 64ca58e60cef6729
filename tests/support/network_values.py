"""Values of networks and of their layers as plain float64 arrays."""

import numpy as np
import numpy.typing as npt
import torch

from inr.backends.torch import TorchNetwork
from tests.support.model_checks import coordinates

Array = npt.NDArray[np.float64]

EXACT = 1e-12
"""For float64 results of a few hundred operations on numbers around one."""


def tensors(network: TorchNetwork) -> dict[str, Array]:
    """Stored tensors by name."""
    return {name: tensor.detach().numpy() for name, tensor in network.tensors().items()}


def linear(named: dict[str, Array], layer: int, x: Array) -> Array:
    return x @ named[f"{layer}.weight"].T + named[f"{layer}.bias"]


def outputs(network: TorchNetwork, x: Array) -> Array:
    with torch.no_grad():
        values: Array = network(torch.from_numpy(x)).numpy()
    return values


def points(n: int, d_in: int) -> Array:
    found: Array = coordinates(n, d_in).numpy()
    return found
