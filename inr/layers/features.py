"""Fixed functions of the coordinates: Fourier features, Chebyshev polynomials, sine filters."""

import math
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from inr.layers.base import Layer
from inr.layers.layout import TensorLayout


@final
class Fourier(Layer):
    """``y = [sin(2 pi B x), cos(2 pi B x)]``, B fixed (Tancik et al. 2020, eq. 5, all amplitudes one).

    Args:
        frequencies: B in cycles per unit, `(n, d_in)`; rounded to float32 and not stored.
    """

    def __init__(self, frequencies: npt.NDArray[np.float64]) -> None:
        super().__init__()
        fixed = torch.as_tensor(frequencies.astype(np.float32))
        self.frequencies: Tensor
        self.register_buffer("frequencies", fixed, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, 2 * len(B))`, all sines before all cosines."""
        angle = 2 * math.pi * (x @ self.frequencies.t())
        return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)


@final
class Chebyshev(Layer):
    """``T_0(x_k) ... T_(n-1)(x_k)`` for one axis k after the other, by ``T_(j+1) = 2 x T_j - T_(j-1)``.

    On [-1, 1] that is ``cos(j arccos x)``; the recurrence also has derivatives at the ends, and goes on beyond them.

    Args:
        n_polynomials: n, at least 1.
    """

    def __init__(self, n_polynomials: int) -> None:
        super().__init__()
        self.n_polynomials = n_polynomials

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, d_in * n_polynomials)`."""
        values = [torch.ones_like(x), x]
        double = 2 * x
        while len(values) < self.n_polynomials:
            values.append(double * values[-1] - values[-2])
        return torch.stack(values[: self.n_polynomials], dim=2).flatten(1)


@final
class SineFilter(Layer):
    """``y = sin(pi K x + phase)``, K fixed and integer, phase stored: periodic in every coordinate, with period 2.

    Lindell et al. 2022, eq. 3, with whole numbers of cycles over [-1, 1]. One quantiser step for all phases.

    Args:
        frequencies: K in cycles over [-1, 1], `(width, d_in)`; not stored.
    """

    def __init__(self, frequencies: npt.NDArray[np.int64]) -> None:
        super().__init__()
        fixed = torch.as_tensor(frequencies.astype(np.float32))
        self.frequencies: Tensor
        self.register_buffer("frequencies", fixed, persistent=False)
        self.phase = nn.Parameter(torch.empty(len(frequencies)))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, width)`."""
        return torch.sin(math.pi * (x @ self.frequencies.t()) + self.phase)

    def layout(self) -> tuple[TensorLayout, ...]:
        """The phases."""
        width = len(self.phase)
        return (TensorLayout("phase", (width,), (width,), bias=True),)
