"""A weighted mean of two values."""

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
class Blend(Layer):
    """``y = share x_1 + (1 - share) x_2``."""

    kind: ClassVar[str] = "blend"
    share: float

    def width(self, *inputs: int) -> int:
        """That of each input."""
        return inputs[0]

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("add", reals=(self.share, 1 - self.share))

    def forward(self, tensors: "Tensors", first: "Tensor", second: "Tensor") -> "Tensor":
        """`(n, d)`, `(n, d)` -> `(n, d)`."""
        del tensors
        return self.share * first + (1 - self.share) * second


Blend.EXAMPLES = ((Blend(0.3), (3, 3)),)
