"""Complex affine maps in real arithmetic: `(n, 2 w)` real numbers are the real parts and then the imaginary parts.

With complex tensors every layer would need a second code path in optimisers, files and backends; here a complex
product is four real ones in a single real matrix product.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Layer
from inr.layers.initial import Distribution, Fixed, Halves, Uniform
from inr.layers.layout import TensorLayout
from inr.layers.linear import fan_in_bound
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class ComplexLinear(Layer):
    """``y = W x + b`` over the complex numbers, as ``[Wr -Wi; Wi Wr] [xr; xi] + [br; bi]`` over the real ones.

    Stored: weight `(2 d_out, d_in)`, the rows of Wr and then those of Wi, and bias `(2 d_out,)`, br and then bi.
    One quantiser step a row of the weight.

    Attributes:
        d_in: complex inputs.
        d_out: complex outputs.
        weights: distribution of their real and imaginary parts before training; None: `fan_in_bound`.
        biases: the same of the biases, the real ones before the imaginary ones.
    """

    kind: ClassVar[str] = "complex_linear"
    d_in: int
    d_out: int
    weights: Distribution | None = None
    biases: Distribution | None = None

    def width(self, *inputs: int) -> int:
        """Two real numbers for each complex one."""
        del inputs
        return 2 * self.d_out

    def layout(self) -> tuple[TensorLayout, ...]:
        """Weight row by row, then the bias."""
        rows = 2 * self.d_out
        return (
            TensorLayout("weight", (rows, self.d_in), (1,) * rows),
            TensorLayout("bias", (rows,), (rows,), bias=True),
        )

    def initial(self) -> dict[str, Distribution]:
        """See the base class."""
        usual = Uniform(fan_in_bound(self.d_in))
        return {"weight": self.weights or usual, "bias": self.biases or usual}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("linear", (self.d_out, self.d_in, 1), params=("weight", "bias"))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, 2 d_in)` -> `(n, 2 d_out)`."""
        import torch

        real, imaginary = tensors["weight"].chunk(2)
        block = torch.cat([torch.cat([real, -imaginary], dim=1), torch.cat([imaginary, real], dim=1)])
        return torch.addmm(tensors["bias"], x, block.t())


def last_complex(d_in: int, d_out: int) -> ComplexLinear:
    """A layer of whose output the real part alone is used: the imaginary part of its bias starts at zero."""
    return ComplexLinear(d_in, d_out, biases=Halves(Uniform(fan_in_bound(d_in)), Fixed(0.0)))


ComplexLinear.EXAMPLES = ((ComplexLinear(3, 2), (6,)),)
