"""One coordinate of all."""

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
class Axis(Layer):
    """One coordinate of all: ``y = x[:, axis]``. What reads the coordinates only through these is separable."""

    kind: ClassVar[str] = "axis"
    axis: int

    def width(self, *inputs: int) -> int:
        """One."""
        del inputs
        return 1

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("columns", (self.axis, self.axis + 1))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` -> `(n, 1)`."""
        del tensors
        return x[:, self.axis : self.axis + 1]


Axis.EXAMPLES = ((Axis(1), (3,)),)
