"""Complex features in real arithmetic: `(n, 2 w)` real numbers are the real parts and then the imaginary parts.

With complex tensors every layer would need a second code path in optimisers, files and backends; here a complex
product is four real ones in a single real matrix product.
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from inr.layers.activations import window
from inr.layers.base import Layer, uniform_
from inr.layers.layout import TensorLayout
from inr.layers.linear import Linear


@final
class ComplexLinear(Layer):
    """``y = W x + b`` over the complex numbers, as ``[Wr -Wi; Wi Wr] [xr; xi] + [br; bi]`` over the real ones.

    Stored: weight `(2 d_out, d_in)`, the rows of Wr and then those of Wi, and bias `(2 d_out,)`, br and then bi.
    One quantiser step a row of the weight.

    Args:
        d_in: complex inputs.
        d_out: complex outputs.
    """

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2 * d_out, d_in))
        self.bias = nn.Parameter(torch.empty(2 * d_out))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, 2 d_in)` -> `(n, 2 d_out)`."""
        real, imaginary = self.weight.chunk(2)
        block = torch.cat([torch.cat([real, -imaginary], dim=1), torch.cat([imaginary, real], dim=1)])
        return torch.addmm(self.bias, x, block.t())

    def layout(self) -> tuple[TensorLayout, ...]:
        """Weight row by row, then the bias."""
        rows, d_in = self.weight.shape
        return (
            TensorLayout("weight", (rows, d_in), (1,) * rows),
            TensorLayout("bias", (rows,), (rows,), bias=True),
        )


@final
class RealPart(Layer):
    """``y = Re x``: the first half of the features."""

    def forward(self, x: Tensor) -> Tensor:
        """`(n, 2 w)` -> `(n, w)`."""
        return x[:, : x.shape[1] // 2]


@final
class RealGabor(Layer):
    """``h = exp(i omega z - sigma^2 (z^2 + v^2 + ...))`` of real z and, if there are more inputs, v, ...

    So ``|h| <= 1``. Source: Saragadam et al. 2023, first layer (one input) and its two-dimensional window (two).

    Args:
        omega: frequency, in radians per unit of z.
        sigma: inverse width of the window.
    """

    def __init__(self, omega: float, sigma: float) -> None:
        super().__init__()
        self.omega = omega
        self.sigma = sigma

    def forward(self, z: Tensor, *others: Tensor) -> Tensor:
        """`(n, w)`, ... -> `(n, 2 w)`."""
        size = window(-(self.sigma**2) * sum((v.square() for v in others), z.square()))
        return torch.cat([size * torch.cos(self.omega * z), size * torch.sin(self.omega * z)], dim=1)


@final
class ComplexGabor(Layer):
    """``h = exp(i omega z - sigma^2 (|z|^2 + |v|^2 + ...))`` of complex z and, if there are more inputs, v, ...

    With z = a + i b that is ``exp(-omega b - sigma^2 (a^2 + b^2 + ...))`` times ``cos(omega a) + i sin(omega a)``. The
    factor is largest at a = 0, b = -omega/(2 sigma^2): ``|h| <= exp((omega/sigma)^2 / 4)``. Its exponent is summed
    before it is raised, so nothing overflows on the way.
    Source: Saragadam et al. 2023, hidden layers (one input) and their two-dimensional window (two).

    Args:
        omega: frequency, in radians per unit of Re z.
        sigma: inverse width of the window.
    """

    def __init__(self, omega: float, sigma: float) -> None:
        super().__init__()
        self.omega = omega
        self.sigma = sigma

    def forward(self, z: Tensor, *others: Tensor) -> Tensor:
        """`(n, 2 w)`, ... -> `(n, 2 w)`."""
        a, b = z.chunk(2, dim=1)
        squares = [part.square() for value in (z, *others) for part in value.chunk(2, dim=1)]
        size = window(-self.omega * b - self.sigma**2 * sum(squares[1:], squares[0]))
        return torch.cat([size * torch.cos(self.omega * a), size * torch.sin(self.omega * a)], dim=1)


def complex_default_(layers: Sequence[Layer], generator: torch.Generator) -> None:
    """Torch's default start for the linear layers among `layers`, in place: U(+-1/sqrt(fan-in)) for each real number.

    The last complex layer is one whose real part alone is used: the imaginary part of its bias is set to zero.
    """
    for layer in layers:
        if isinstance(layer, Linear | ComplexLinear):
            bound = 1 / math.sqrt(layer.weight.shape[1])
            uniform_(layer.weight, bound, generator)
            uniform_(layer.bias, bound, generator)
    last = [layer for layer in layers if isinstance(layer, ComplexLinear)][-1]
    with torch.no_grad():
        last.bias.chunk(2)[1].zero_()
