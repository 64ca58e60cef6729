"""The hyperbolic tangent."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Activation
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class Tanh(Activation):
    """``y = tanh(x)``."""

    kind: ClassVar[str] = "tanh"

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("tanh")

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """Elementwise, any shape."""
        del tensors
        return x.tanh()


Tanh.EXAMPLES = ((Tanh(), (4,)),)
