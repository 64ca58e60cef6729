"""A value that is the same everywhere."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Layer
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class Constant(Layer):
    """The same number for every row of its input, `columns` times."""

    kind: ClassVar[str] = "constant"
    value: float
    columns: int = 1

    def width(self, *inputs: int) -> int:
        """As many as were asked for."""
        del inputs
        return self.columns

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("constant", (self.columns,), (self.value,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d)` -> `(n, columns)`."""
        del tensors
        return x.new_full((x.shape[0], self.columns), self.value)


Constant.EXAMPLES = ((Constant(0.5, 2), (3,)),)
