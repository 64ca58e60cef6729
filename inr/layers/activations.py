"""Elementwise functions."""

from typing import final

import torch
from torch import Tensor, nn

from inr.layers.base import Activation

SMALLEST_WINDOW = 1e-20


def window(exponent: Tensor) -> Tensor:
    """``exp(exponent)``, and zero where that is below 1e-20.

    Far out a Gaussian passes through the denormal numbers, which slow the matrix products of a CPU threefold.
    """
    return nn.functional.threshold(torch.exp(exponent), SMALLEST_WINDOW, 0.0)


@final
class Sine(Activation):
    """``y = sin(omega x)`` (Sitzmann et al. 2020, eq. 6, as released: omega also multiplies the bias before it)."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return torch.sin(self.omega * x)


@final
class ReLU(Activation):
    """``y = max(x, 0)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return torch.relu(x)


@final
class Gaussian(Activation):
    """``y = exp(-(sigma x)^2)`` (Ramasinghe and Lucey 2022); in the form exp(-x^2 / (2 a^2)), a = 1/(sqrt(2) sigma)."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return window(-(self.sigma * x).square())


@final
class Finer(Activation):
    """``y = sin(omega (|x| + 1) x)`` (Liu et al. 2024, eq. 6).

    As released, ``|x| + 1`` counts as a constant in the derivative, which then is ``omega (|x| + 1) cos(.)`` and not
    ``omega (2 |x| + 1) cos(.)``; derivatives of a network by its coordinates are scaled alike. With `full_gradient`
    the derivative is that of the function. Values are the same.
    """

    def __init__(self, omega: float, full_gradient: bool = False) -> None:
        super().__init__()
        self.omega = omega
        self.full_gradient = full_gradient

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        scale = self.omega * (x.abs() + 1)
        return torch.sin((scale if self.full_gradient else scale.detach()) * x)


@final
class GatedTanh(Activation):
    """``y = (x + tanh(omega x)) / (1 + exp(-x))`` (Mehrabian et al. 2025, as released)."""

    def __init__(self, omega: float) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return (x + torch.tanh(self.omega * x)) * torch.sigmoid(x)


@final
class LeakyReLU(Activation):
    """``y = x`` for x > 0, else ``slope x``."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return torch.nn.functional.leaky_relu(x, self.slope)


@final
class Tanh(Activation):
    """``y = tanh(x)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return torch.tanh(x)
