"""Matrices as mixtures of the rows of a fixed basis."""

import math
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from inr.layers import Uniform

VANISHING = 1e-6
"""A row this much smaller than its amplitude is rounding error: the wave is zero at every sample."""


@final
class OnBasis(nn.Module):
    """``W = coefficients @ basis`` with a fixed basis, `(out, m)` and `(m, n)` -> `(out, n)`."""

    basis: Tensor

    def __init__(self, basis: Tensor) -> None:
        super().__init__()
        self.register_buffer("basis", basis, persistent=False)  # settings say it all

    def forward(self, coefficients: Tensor) -> Tensor:
        """The matrix."""
        return coefficients @ self.basis

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Coefficients of the right shape; `mix_` draws their values."""
        return weight.new_zeros(weight.shape[0], self.basis.shape[0])


def fourier_basis(n: int, n_low: int, n_high: int, phases: int, alpha: float) -> Tensor:
    """Waves ``alpha cos(f u_j + 2 pi p / phases)`` at n points over the period ``2 pi n_low`` of the slowest.

    Frequencies f: 1/n_low, 2/n_low, ..., 1, then 1, 2, ..., n_high; phases p = 0, 1, ... of each; u_j from
    ``-pi n_low`` to ``pi n_low`` with both ends. Waves that vanish at all points are left out.

    Returns:
        `(m, n)`, m at most ``(n_low + n_high) phases``.
    """
    points = np.linspace(-math.pi * n_low, math.pi * n_low, n)
    frequencies = np.concatenate([np.arange(1, n_low + 1) / n_low, np.arange(1, n_high + 1)])
    angles = 2 * math.pi * np.arange(phases) / phases
    waves = np.cos(frequencies[:, None, None] * points + angles[:, None]).reshape(-1, n)
    seen = np.abs(waves).max(axis=1) > VANISHING
    return torch.from_numpy((alpha * waves[seen]).astype(np.float32))


def mix_(layer: nn.Module, basis: Tensor, generator: np.random.Generator) -> None:
    """Train coefficients of a basis in place of the weight of a module; the weight keeps its mean square.

    Coefficient (i, k) ~ U(+-sqrt(3 n / m) s / |B_k|), s the root mean square of the weight before.
    """
    rows, n = basis.shape
    weight: Tensor = getattr(layer, "weight")  # noqa: B009 (not every module has one)
    size = weight.detach().square().mean().sqrt().item()
    basis = basis.to(weight)
    parametrize.register_parametrization(layer, "weight", OnBasis(basis))
    coefficients = getattr(layer, "parametrizations").weight.original  # noqa: B009 (torch adds it just now)
    drawn = Uniform(math.sqrt(3 * n / rows) * size).draw(generator, tuple(coefficients.shape))
    with torch.no_grad():
        coefficients.copy_(torch.from_numpy(drawn).to(basis) / basis.norm(dim=1))
