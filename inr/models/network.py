"""A network: layers applied one after the other."""

from collections.abc import Iterable
from dataclasses import replace
from typing import final

from torch import Tensor, nn

from inr.models.base import TensorLayout
from inr.models.layers import Layer


@final
class Network(nn.Module):
    """Maps coordinates `(n, d_in)` to values `(n, d_out)` through a list of layers."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, d_out)`."""
        for layer in self.layers:
            x = layer(x)
        return x

    def layer_list(self) -> list[Layer]:
        """The layers with their static type."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def tensors(self) -> dict[str, nn.Parameter]:
        """Parameters by the names that files and checkpoints use: ``<layer>.<tensor>``."""
        return {name.removeprefix("layers."): tensor for name, tensor in self.named_parameters()}

    def layout(self) -> tuple[TensorLayout, ...]:
        """Layout of all stored tensors, in file order."""
        return tuple(
            replace(tensor, name=f"{i}.{tensor.name}")
            for i, layer in enumerate(self.layer_list())
            for tensor in layer.layout()
        )
