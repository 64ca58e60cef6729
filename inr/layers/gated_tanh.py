"""The gated hyperbolic tangent of FKAN."""

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
class GatedTanh(Activation):
    """``y = (x + tanh(omega x)) / (1 + exp(-x))`` (Mehrabian et al. 2025, as released)."""

    kind: ClassVar[str] = "gated_tanh"
    omega: float

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("gated tanh", reals=(self.omega,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """Elementwise, any shape."""
        del tensors
        return (x + (self.omega * x).tanh()) * x.sigmoid()


GatedTanh.EXAMPLES = ((GatedTanh(3.0), (4,)),)
