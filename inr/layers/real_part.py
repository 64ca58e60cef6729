"""The real part of complex features."""

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
class RealPart(Layer):
    """``y = Re x``: the first half of the features."""

    kind: ClassVar[str] = "real_part"

    def width(self, *inputs: int) -> int:
        """Half of the input's."""
        return inputs[0] // 2

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        return Operation("columns", (0, inputs[0] // 2))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, 2 w)` -> `(n, w)`."""
        del tensors
        return x[:, : x.shape[1] // 2]


RealPart.EXAMPLES = ((RealPart(), (6,)),)
