"""The elementwise sum."""

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
class Add(Layer):
    """``y = x_1 + x_2 + ...``, elementwise, of two or more inputs `(n, d)`."""

    kind: ClassVar[str] = "add"

    def width(self, *inputs: int) -> int:
        """That of each input."""
        return inputs[0]

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        return Operation("add", reals=[1.0] * len(inputs))

    def forward(self, tensors: "Tensors", *inputs: "Tensor") -> "Tensor":
        """`(n, d)`, ... -> `(n, d)`."""
        del tensors
        total = inputs[0]
        for term in inputs[1:]:
            total = total + term
        return total


Add.EXAMPLES = ((Add(), (3, 3, 3)),)
