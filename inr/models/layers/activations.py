"""Elementwise functions."""

from typing import final

import torch
from torch import Tensor

from inr.models.layers.base import Activation


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
