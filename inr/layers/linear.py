"""Affine maps."""

import math
from typing import final

import torch
from torch import Tensor, nn

from inr.layers.base import Layer
from inr.layers.layout import TensorLayout


@final
class Linear(Layer):
    """``y = W x + b``; weight `(d_out, d_in)`, bias `(d_out,)`. One quantiser step a row of the weight."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_out, d_in))
        self.bias = nn.Parameter(torch.empty(d_out))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, d_out)`."""
        return torch.addmm(self.bias, x, self.weight.t())

    def layout(self) -> tuple[TensorLayout, ...]:
        """Weight row by row, then the bias."""
        d_out, d_in = self.weight.shape
        return (
            TensorLayout("weight", (d_out, d_in), (1,) * d_out),
            TensorLayout("bias", (d_out,), (d_out,), bias=True),
        )


@final
class Matrix(Layer):
    """``y = W x``; weight `(d_out, d_in)`. One quantiser step a row."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_out, d_in))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, d_out)`."""
        return x @ self.weight.t()

    def layout(self) -> tuple[TensorLayout, ...]:
        """Weight row by row."""
        d_out, d_in = self.weight.shape
        return (TensorLayout("weight", (d_out, d_in), (1,) * d_out),)


def fan_in_bound(layer: Linear | Matrix) -> float:
    """1/sqrt(fan-in), torch's default bound for the weights and biases of a linear layer."""
    return 1 / math.sqrt(layer.weight.shape[1])
