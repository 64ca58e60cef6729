"""Normalisation of features."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Layer
from inr.layers.initial import Distribution, Fixed
from inr.layers.layout import TensorLayout
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors

EPSILON = 1e-5
"""Added to the variance, as torch does by default; part of what a file means."""


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class LayerNorm(Layer):
    """``y = weight (x - mean(x)) / sqrt(var(x) + 1e-5) + bias``, over the features of each row; both stored, `(d,)`.

    The variance is the biased one (divided by d). Before training weight is one and bias zero, so that the output has
    mean 0 and deviation 1. Source: Ba, Kiros, Hinton 2016.

    Attributes:
        d: number of features.
    """

    kind: ClassVar[str] = "layer_norm"
    d: int

    def width(self, *inputs: int) -> int:
        """That of the input."""
        del inputs
        return self.d

    def layout(self) -> tuple[TensorLayout, ...]:
        """Two vectors, one quantiser step each."""
        shape = (self.d,)
        return (TensorLayout("weight", shape, shape, bias=True), TensorLayout("bias", shape, shape, bias=True))

    def initial(self) -> dict[str, Distribution]:
        """See the base class."""
        return {"weight": Fixed(1.0), "bias": Fixed(0.0)}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("layer norm", params=("weight", "bias"))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d)` -> `(n, d)`."""
        from torch.nn.functional import layer_norm

        return layer_norm(x, (self.d,), tensors["weight"], tensors["bias"], EPSILON)


LayerNorm.EXAMPLES = ((LayerNorm(4), (4,)),)
