"""Harmonics of the coordinates."""

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
class FourierSeries(Layer):
    """``cos(k x_i), sin(k x_i)`` for k = 1 .. n_frequencies of every coordinate x_i, in radians, no factor of pi.

    Order of the features: coordinate by coordinate, first all cosines, then all sines, k rising. With a linear layer
    behind it this is a Fourier series with learnable coefficients for each pair of output and input; its features
    are shared by all outputs, so nothing of size (n, outputs, inputs, frequencies) is ever needed.

    Attributes:
        n_frequencies: highest k.
    """

    kind: ClassVar[str] = "fourier_series"
    n_frequencies: int

    def width(self, *inputs: int) -> int:
        """Two for each coordinate and frequency."""
        return 2 * inputs[0] * self.n_frequencies

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("fourier series", (self.n_frequencies,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` -> `(n, 2 d_in n_frequencies)`."""
        import torch

        del tensors
        k = torch.arange(1, self.n_frequencies + 1, device=x.device, dtype=x.dtype)
        angles = x[:, :, None] * k
        return torch.cat([torch.cos(angles), torch.sin(angles)], dim=2).flatten(1)


FourierSeries.EXAMPLES = ((FourierSeries(5), (2,)),)
