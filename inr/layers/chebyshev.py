"""Chebyshev polynomials of the coordinates."""

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
class Chebyshev(Layer):
    """``T_0(x_k) ... T_(n-1)(x_k)`` for one axis k after the other, by ``T_(j+1) = 2 x T_j - T_(j-1)``.

    On [-1, 1] that is ``cos(j arccos x)``; the recurrence also has derivatives at the ends, and goes on beyond them.

    Attributes:
        n_polynomials: n, at least 1.
    """

    kind: ClassVar[str] = "chebyshev"
    n_polynomials: int

    def width(self, *inputs: int) -> int:
        """One for each axis and polynomial."""
        return inputs[0] * self.n_polynomials

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("chebyshev", (self.n_polynomials,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` -> `(n, d_in * n_polynomials)`."""
        import torch

        del tensors
        values = [torch.ones_like(x), x]
        double = 2 * x
        while len(values) < self.n_polynomials:
            values.append(double * values[-1] - values[-2])
        return torch.stack(values[: self.n_polynomials], dim=2).flatten(1)


Chebyshev.EXAMPLES = ((Chebyshev(9), (2,)),)
