"""The rectified linear function with a slope on the left."""

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
class LeakyReLU(Activation):
    """``y = x`` for x > 0, else ``slope x``."""

    kind: ClassVar[str] = "leaky_relu"
    slope: float

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("leaky relu", reals=(self.slope,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """Elementwise, any shape."""
        del tensors
        from torch.nn.functional import leaky_relu

        return leaky_relu(x, self.slope)


LeakyReLU.EXAMPLES = ((LeakyReLU(0.2), (4,)),)
