"""Sines."""

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
class Sine(Activation):
    """``y = sin(omega x)`` (Sitzmann et al. 2020, eq. 6, as released: omega also multiplies the bias before it)."""

    kind: ClassVar[str] = "sine"
    omega: float

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("sine", reals=(self.omega,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """Elementwise, any shape."""
        del tensors
        return (self.omega * x).sin()


Sine.EXAMPLES = ((Sine(3.0), (4,)),)
