"""Features side by side."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Layer
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class Concat(Layer):
    """The features of all inputs, one after the other."""

    kind: ClassVar[str] = "concat"

    def width(self, *inputs: int) -> int:
        """Those of all inputs together."""
        return sum(inputs)

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("concat")

    def forward(self, tensors: "Tensors", *inputs: "Tensor") -> "Tensor":
        """`(n, d_1)`, `(n, d_2)`, ... -> `(n, d_1 + d_2 + ...)`."""
        import torch

        del tensors
        return torch.cat(inputs, dim=1)


Concat.EXAMPLES = ((Concat(), (3, 2)),)
