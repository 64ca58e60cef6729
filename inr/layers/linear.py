"""Real affine maps."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Layer
from inr.layers.initial import Distribution, Fixed, Uniform
from inr.layers.layout import TensorLayout
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class Linear(Layer):
    """``y = W x + b``; weight `(d_out, d_in)`, bias `(d_out,)`. One quantiser step a row of the weight.

    Attributes:
        d_in: features of the input.
        d_out: features of the output.
        weights: their distribution before training; None: `fan_in_bound`.
        biases: the same of the biases.
    """

    kind: ClassVar[str] = "linear"
    d_in: int
    d_out: int
    weights: Distribution | None = None
    biases: Distribution | None = None

    def width(self, *inputs: int) -> int:
        """That of the bias."""
        del inputs
        return self.d_out

    def layout(self) -> tuple[TensorLayout, ...]:
        """Weight row by row, then the bias."""
        return (
            TensorLayout("weight", (self.d_out, self.d_in), (1,) * self.d_out),
            TensorLayout("bias", (self.d_out,), (self.d_out,), bias=True),
        )

    def initial(self) -> dict[str, Distribution]:
        """See the base class."""
        usual = Uniform(fan_in_bound(self.d_in))
        return {"weight": self.weights or usual, "bias": self.biases or usual}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("linear", (self.d_out, self.d_in, 0), params=("weight", "bias"))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` -> `(n, d_out)`."""
        import torch

        return torch.addmm(tensors["bias"], x, tensors["weight"].t())


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class Matrix(Layer):
    """``y = W x``; weight `(d_out, d_in)`. One quantiser step a row.

    Attributes:
        d_in: features of the input.
        d_out: features of the output.
        weights: their distribution before training; None: `fan_in_bound`.
    """

    kind: ClassVar[str] = "matrix"
    d_in: int
    d_out: int
    weights: Distribution | None = None

    def width(self, *inputs: int) -> int:
        """Rows of the matrix."""
        del inputs
        return self.d_out

    def layout(self) -> tuple[TensorLayout, ...]:
        """Weight row by row."""
        return (TensorLayout("weight", (self.d_out, self.d_in), (1,) * self.d_out),)

    def initial(self) -> dict[str, Distribution]:
        """See the base class."""
        return {"weight": self.weights or Uniform(fan_in_bound(self.d_in))}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("linear", (self.d_out, self.d_in, 0), params=("weight", None))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` -> `(n, d_out)`."""
        return x @ tensors["weight"].t()


def xavier(d_in: int, d_out: int) -> Linear:
    """A layer that starts with Xavier-uniform weights and zero biases."""
    return Linear(d_in, d_out, weights=Uniform(math.sqrt(6 / (d_in + d_out))), biases=Fixed(0.0))


def fan_in_bound(fan_in: int) -> float:
    """1/sqrt(fan-in), torch's default bound for the weights and biases of a linear layer."""
    return 1 / math.sqrt(fan_in)


Linear.EXAMPLES = ((Linear(3, 2), (3,)),)
Matrix.EXAMPLES = ((Matrix(3, 2), (3,)),)
