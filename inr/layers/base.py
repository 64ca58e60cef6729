"""What a layer is."""

import torch
from torch import Tensor, nn

from inr.layers.layout import TensorLayout


class Layer(nn.Module):
    """Base of the vocabulary: a map from one or more tensors `(n, d)` to `(n, d_out)`, each row for itself.

    A layer is final; its ``forward`` is the reference that every faster backend is compared with.
    """

    def layout(self) -> tuple[TensorLayout, ...]:
        """Stored tensors, named as the attributes that hold them; none by default."""
        return ()


class Activation(Layer):
    """An elementwise real function; what is defined for one number works on any shape."""


def uniform_(tensor: Tensor, bound: float, generator: torch.Generator) -> None:
    """Fill in place with U(-bound, bound)."""
    with torch.no_grad():
        tensor.uniform_(-bound, bound, generator=generator)


def normal_(tensor: Tensor, deviation: float, generator: torch.Generator) -> None:
    """Fill in place with N(0, deviation^2)."""
    with torch.no_grad():
        tensor.normal_(0.0, deviation, generator=generator)
