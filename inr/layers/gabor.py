"""Gabor wavelets, whose values are complex: real parts, then imaginary ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Layer
from inr.layers.operation import Operation
from inr.layers.window import window

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class RealGabor(Layer):
    """``h = exp(i omega z - sigma^2 (z^2 + v^2 + ...))`` of real z and, if there are more inputs, v, ...

    So ``|h| <= 1``. Source: Saragadam et al. 2023, first layer (one input) and its two-dimensional window (two).

    Attributes:
        omega: frequency, in radians per unit of z.
        sigma: inverse width of the window.
    """

    kind: ClassVar[str] = "real_gabor"
    omega: float
    sigma: float

    def width(self, *inputs: int) -> int:
        """Two real numbers for each wavelet."""
        return 2 * inputs[0]

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("real gabor", reals=(self.omega, self.sigma))

    def forward(self, tensors: "Tensors", z: "Tensor", *others: "Tensor") -> "Tensor":
        """`(n, w)`, ... -> `(n, 2 w)`."""
        import torch

        del tensors
        size = window(-(self.sigma**2) * sum((v.square() for v in others), z.square()))
        return torch.cat([size * torch.cos(self.omega * z), size * torch.sin(self.omega * z)], dim=1)


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class ComplexGabor(Layer):
    """``h = exp(i omega z - sigma^2 (|z|^2 + |v|^2 + ...))`` of complex z and, if there are more inputs, v, ...

    With z = a + i b that is ``exp(-omega b - sigma^2 (a^2 + b^2 + ...))`` times ``cos(omega a) + i sin(omega a)``. The
    factor is largest at a = 0, b = -omega/(2 sigma^2): ``|h| <= exp((omega/sigma)^2 / 4)``. Its exponent is summed
    before it is raised, so nothing overflows on the way.
    Source: Saragadam et al. 2023, hidden layers (one input) and their two-dimensional window (two).

    Attributes:
        omega: frequency, in radians per unit of Re z.
        sigma: inverse width of the window.
    """

    kind: ClassVar[str] = "complex_gabor"
    omega: float
    sigma: float

    def width(self, *inputs: int) -> int:
        """That of the input."""
        return inputs[0]

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("complex gabor", reals=(self.omega, self.sigma))

    def forward(self, tensors: "Tensors", z: "Tensor", *others: "Tensor") -> "Tensor":
        """`(n, 2 w)`, ... -> `(n, 2 w)`."""
        import torch

        del tensors
        a, b = z.chunk(2, dim=1)
        squares = [part.square() for value in (z, *others) for part in value.chunk(2, dim=1)]
        size = window(-self.omega * b - self.sigma**2 * sum(squares[1:], squares[0]))
        return torch.cat([size * torch.cos(self.omega * a), size * torch.sin(self.omega * a)], dim=1)


RealGabor.EXAMPLES = ((RealGabor(2.0, 1.5), (3,)), (RealGabor(2.0, 1.5), (3, 3)))
ComplexGabor.EXAMPLES = ((ComplexGabor(2.0, 1.5), (6,)), (ComplexGabor(2.0, 1.5), (6, 6)))
