"""Harmonics of the coordinates."""

from typing import final

import torch
from torch import Tensor

from inr.layers.base import Layer


@final
class FourierSeries(Layer):
    """``cos(k x_i), sin(k x_i)`` for k = 1 .. n_frequencies of every coordinate x_i, in radians, no factor of pi.

    Order of the features: coordinate by coordinate, first all cosines, then all sines, k rising. With a linear layer
    behind it this is a Fourier series with learnable coefficients for each pair of output and input; its features
    are shared by all outputs, so nothing of size (n, outputs, inputs, frequencies) is ever needed.

    Args:
        n_frequencies: highest k.
    """

    def __init__(self, n_frequencies: int) -> None:
        super().__init__()
        self.n_frequencies = n_frequencies

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, 2 d_in n_frequencies)`."""
        k = torch.arange(1, self.n_frequencies + 1, device=x.device, dtype=x.dtype)
        angles = x[:, :, None] * k
        return torch.cat([torch.cos(angles), torch.sin(angles)], dim=2).flatten(1)
