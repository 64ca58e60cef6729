"""Normalisation of features."""

from typing import final

import torch
from torch import Tensor, nn

from inr.layers.base import Layer
from inr.layers.layout import TensorLayout

EPSILON = 1e-5
"""Added to the variance, as torch does by default; part of what a file means."""


@final
class LayerNorm(Layer):
    """``y = weight (x - mean(x)) / sqrt(var(x) + 1e-5) + bias``, over the features of each row; both stored, `(d,)`.

    The variance is the biased one (divided by d). Start: `reset_`. Source: Ba, Kiros, Hinton 2016.

    Args:
        d: number of features.
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d))
        self.bias = nn.Parameter(torch.empty(d))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d)` -> `(n, d)`."""
        return nn.functional.layer_norm(x, self.weight.shape, self.weight, self.bias, EPSILON)

    def layout(self) -> tuple[TensorLayout, ...]:
        """Two vectors, one quantiser step each."""
        shape = tuple(self.weight.shape)
        return (TensorLayout("weight", shape, shape, bias=True), TensorLayout("bias", shape, shape, bias=True))

    def reset_(self) -> None:
        """Weight one and bias zero, so that the output has mean 0 and deviation 1."""
        with torch.no_grad():
            self.weight.fill_(1.0)
            self.bias.zero_()
