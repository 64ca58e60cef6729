"""The tensor train."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS
from inr.layers.contraction import Contraction
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class TtContraction(Contraction):
    """Tensor train: ``y_c = u_1 U_2 ... U_{d-1} u_d[c]``, a row, matrices, and a column for each channel.

    Factors: `(n, rank)` of the first axis, `(n, rank^2)` of those between, `(n, channels * rank)` of the last one,
    channel-major.
    """

    kind: ClassVar[str] = "tt"
    rank: int
    channels: int

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("tt", (self.rank, self.channels))

    def forward(self, tensors: "Tensors", *factors: "Tensor") -> "Tensor":
        """One factor for each axis -> `(n, channels)`."""
        del tensors
        row = factors[0][:, None]
        n = len(row)
        for factor in factors[1:-1]:
            row = row @ factor.view(n, self.rank, self.rank)
        return (row @ factors[-1].view(n, self.channels, self.rank).transpose(1, 2))[:, 0]

    def grid(self, tensors: "Tensors", *factors: "Tensor") -> "Tensor":
        """From the first axis to the last, one matrix product each."""
        del tensors
        rows = factors[0]
        for factor in factors[1:-1]:
            matrices = factor.view(len(factor), self.rank, self.rank)
            rows = (rows @ matrices.transpose(0, 1).flatten(1)).view(-1, self.rank)
        return (rows @ factors[-1].reshape(-1, self.rank).t()).view(-1, self.channels)


TtContraction.EXAMPLES = ((TtContraction(3, 2), (3, 9, 6)),)
