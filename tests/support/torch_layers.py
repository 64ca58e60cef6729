"""Layers and networks as torch modules, and the other way round."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inr.backends.torch import TorchNetwork
from inr.layers import Layer
from inr.layers.network import Network
from inr.rng import generator

Arrays = dict[str, npt.NDArray[np.float32]]


class TorchLayer(nn.Module):
    """One layer with its own tensors, drawn from its distributions; called with its inputs."""

    def __init__(self, layer: Layer, seed: int = 0) -> None:
        super().__init__()
        self.layer = layer
        self.holder = module_of(Network([layer], [(0,)]), seed).modules_by_layer()[layer]

    def tensor(self, name: str) -> nn.Parameter:
        """A stored tensor."""
        return self.holder.get_parameter(name)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self.layer.forward(self.holder.held(), *inputs)
        return value


def module_of(network: Network, seed: int = 0) -> TorchNetwork:
    """A network with the parameters that its layers start with."""
    return TorchNetwork(network, network.initial(generator(seed, "test")))


def tensor_of(module: TorchNetwork, layer: Layer, name: str) -> torch.Tensor:
    """A stored tensor of a layer of a network."""
    return module.tensors()[f"{module.network.numbers[layer]}.{name}"]


def part_of(module: TorchNetwork, number: int) -> TorchNetwork:
    """One of the networks inside a network, over the same parameters."""
    return TorchNetwork(module.network.parts[number], {}, module.modules_by_layer())


def told(module: TorchNetwork) -> tuple[Network, Arrays]:
    """A network and its parameters as backends take them."""
    return module.network, module.arrays()


def chain(layers: Sequence[Layer]) -> TorchNetwork:
    """Layers one after the other, with the parameters that they start with."""
    return module_of(Network(layers))
