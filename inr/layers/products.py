"""Layers that combine earlier features."""

from typing import final

import torch
from torch import Tensor

from inr.layers.base import Layer


@final
class Multiply(Layer):
    """``y = x_1 x_2 ...``, elementwise, of two or more inputs `(n, d)`."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """`(n, d)`, ... -> `(n, d)`."""
        product = inputs[0]
        for factor in inputs[1:]:
            product = product * factor
        return product


@final
class Add(Layer):
    """``y = x_1 + x_2 + ...``, elementwise, of two or more inputs `(n, d)`."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """`(n, d)`, ... -> `(n, d)`."""
        total = inputs[0]
        for term in inputs[1:]:
            total = total + term
        return total


@final
class Concat(Layer):
    """The features of all inputs, one after the other."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """`(n, d_1)`, `(n, d_2)`, ... -> `(n, d_1 + d_2 + ...)`."""
        return torch.cat(inputs, dim=1)


@final
class Axis(Layer):
    """One coordinate of all: ``y = x[:, axis]``. What reads the coordinates only through these is separable."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, 1)`."""
        return x[:, self.axis : self.axis + 1]


class Contraction(Layer):
    """Combines one factor for each axis, `(n, m_a)` each, to `(n, d_out)`; knows a faster way for whole grids."""

    def grid(self, *factors: Tensor) -> Tensor:
        """`(n_a, m_a)` for each axis -> `(prod n_a, d_out)`, all combinations in C order."""
        raise NotImplementedError
