"""What joins one factor for each axis.

In all formats of F-INR (Vemuri et al. 2026) the channels sit in the last axis's factor or in the core, so the other
axes are shared by all channels.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING

from inr.layers.base import Layer

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


class Contraction(Layer):
    """Combines one factor for each axis, `(n, m_a)` each, to `(n, d_out)`; knows a faster way for whole grids."""

    channels: int

    def width(self, *inputs: int) -> int:
        """The channels."""
        del inputs
        return self.channels

    @abstractmethod
    def grid(self, tensors: "Tensors", *factors: "Tensor") -> "Tensor":
        """`(n_a, m_a)` for each axis -> `(prod n_a, d_out)`, all combinations in C order."""
