"""Gaussians."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Activation
from inr.layers.operation import Operation
from inr.layers.window import window

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class Gaussian(Activation):
    """``y = exp(-(sigma x)^2)`` (Ramasinghe and Lucey 2022); in the form exp(-x^2 / (2 a^2)), a = 1/(sqrt(2) sigma)."""

    kind: ClassVar[str] = "gaussian"
    sigma: float

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("gaussian", reals=(self.sigma,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """Elementwise, any shape."""
        del tensors
        return window(-(self.sigma * x).square())


Gaussian.EXAMPLES = ((Gaussian(2.0), (4,)),)
