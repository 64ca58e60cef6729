"""Some features of a value."""

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
class Columns(Layer):
    """Features `first` to `last` - 1 of its input."""

    kind: ClassVar[str] = "columns"
    first: int
    last: int

    def width(self, *inputs: int) -> int:
        """As many as are taken."""
        del inputs
        return self.last - self.first

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("columns", (self.first, self.last))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d)` -> `(n, last - first)`."""
        del tensors
        return x[:, self.first : self.last]


Columns.EXAMPLES = ((Columns(1, 3), (4,)),)
