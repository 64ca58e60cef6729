"""Networks as torch modules: the specification does the arithmetic, the modules hold the numbers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from inr.layers import Layer
from inr.layers.layout import FloatTensor
from inr.layers.network import Network


class Held(nn.Module, ABC):
    """A module that holds the tensors of one layer."""

    @abstractmethod
    def held(self) -> dict[str, Tensor]:
        """All of them by name; one that is reparameterised is multiplied out."""


@final
class LayerTensors(Held):
    """The stored tensors of a layer as parameters, and its fixed arrays as buffers that no state has."""

    def __init__(self, layer: Layer, tensors: Mapping[str, FloatTensor]) -> None:
        super().__init__()
        self.names = (*(tensor.name for tensor in layer.layout()), *layer.fixed())
        for tensor in layer.layout():
            self.register_parameter(tensor.name, nn.Parameter(torch.tensor(tensors[tensor.name], dtype=torch.float32)))
        for name, array in layer.fixed().items():
            self.register_buffer(name, torch.tensor(array), persistent=False)

    def held(self) -> dict[str, Tensor]:
        """See the base class."""
        return {name: getattr(self, name) for name in self.names}


@final
class TorchNetwork(nn.Module):
    """A network with its parameters.

    Attributes:
        network: the specification.
        layers: for each layer that holds something the module that holds it, by the number of its first place.

    Args:
        network: the layers.
        tensors: parameters at the start, by name; copied.
        shared: modules of another network to use for its layers instead.
    """

    def __init__(
        self, network: Network, tensors: Mapping[str, FloatTensor], shared: Mapping[Layer, Held] | None = None
    ) -> None:
        super().__init__()
        self.network = network
        modules = dict(shared or {})
        for layer, i in network.numbers.items():
            if layer not in modules:
                own = {tensor.name: tensors[f"{i}.{tensor.name}"] for tensor in layer.layout()}
                modules[layer] = LayerTensors(layer, own)
        self.layers = nn.ModuleDict({str(i): modules[layer] for layer, i in network.numbers.items()})
        lesson = network.training_graph
        if lesson is not None:
            only = {layer: i for layer, i in lesson.numbers.items() if layer not in network.numbers}
            self.lesson = nn.ModuleDict(
                {str(i): modules.get(layer) or LayerTensors(layer, {}) for layer, i in only.items()}
            )

    def modules_by_layer(self) -> dict[Layer, Held]:
        """The module of each layer."""
        return {layer: self._module(self.layers, number) for layer, number in self.network.numbers.items()}

    @staticmethod
    def _module(modules: nn.ModuleDict, number: int) -> Held:
        module: Held = modules[str(number)]  # type: ignore[assignment]
        return module

    def held(self) -> list[dict[str, Tensor]]:
        """The tensors of the layer at each place."""
        return [self._at(self.network.numbers[layer]) for layer in self.network.layers]

    def _at(self, number: int) -> dict[str, Tensor]:
        return self._module(self.layers, number).held()

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, d_out)`, the finest output."""
        return self.outputs(x)[-1]

    def outputs(self, x: Tensor) -> list[Tensor]:
        """`(n, d_in)` -> one `(n, d_out)` for each head, coarse to fine."""
        return self.network.outputs(self.held(), x)

    def lesson_outputs(self, rows: Tensor) -> list[Tensor]:
        """The outputs of the training graph, whose rows are those of `inr.backends.base.lesson_rows`."""
        graph = self.network.training_graph
        if graph is None:
            return self.outputs(rows)
        own = self.network.numbers
        held = [
            self._at(own[layer]) if layer in own else self._module(self.lesson, graph.numbers[layer]).held()
            for layer in graph.layers
        ]
        return graph.outputs(held, rows)

    def grid(self, axes: Sequence[Tensor]) -> Tensor:
        """All points of a grid; see `Network.grid`."""
        return self.network.grid(self.held(), axes)

    def factor(self, axis: int, x: Tensor) -> Tensor:
        """The factor of one axis; see `Network.factor`."""
        return self.network.factor(self.held(), axis, x)

    def join(self, factors: Sequence[Tensor]) -> Tensor:
        """All combinations of factors; see `Network.join`."""
        return self.network.join(self.held(), factors)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained by name: stored tensors, or what they are made of."""
        return {name.removeprefix("layers."): parameter for name, parameter in self.named_parameters()}

    def tensors(self) -> dict[str, Tensor]:
        """Stored tensors by the names that files use: ``<layer>.<tensor>``."""
        held = {number: self._at(number) for number in self.network.numbers.values()}
        return {
            f"{number}.{tensor.name}": held[number][tensor.name]
            for layer, number in self.network.numbers.items()
            for tensor in layer.layout()
        }

    def arrays(self) -> dict[str, FloatTensor]:
        """Copies of the stored tensors as numpy arrays."""
        return {
            name: np.array(tensor.detach().cpu().numpy(), dtype=np.float32) for name, tensor in self.tensors().items()
        }
