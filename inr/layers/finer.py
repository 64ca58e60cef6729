"""Sines whose period depends on their argument."""

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
class Finer(Activation):
    """``y = sin(omega (|x| + 1) x)`` (Liu et al. 2024, eq. 6).

    As released, ``|x| + 1`` counts as a constant in the derivative, which then is ``omega (|x| + 1) cos(.)`` and not
    ``omega (2 |x| + 1) cos(.)``; derivatives of a network by its coordinates are scaled alike. With `full_gradient`
    the derivative is that of the function. Values are the same.
    """

    kind: ClassVar[str] = "finer"
    omega: float
    full_gradient: bool = False

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("finer", (int(self.full_gradient),), (self.omega,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """Elementwise, any shape."""
        del tensors
        scale = self.omega * (x.abs() + 1)
        return ((scale if self.full_gradient else scale.detach()) * x).sin()


Finer.EXAMPLES = ((Finer(3.0, full_gradient=True), (4,)),)
