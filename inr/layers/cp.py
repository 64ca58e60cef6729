"""The canonical polyadic format."""

import math
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
class CpContraction(Contraction):
    """Canonical polyadic: ``y_c = sum_r u_1[r] ... u_{d-1}[r] u_d[c, r]``.

    Factors: `(n, rank)`, and `(n, channels * rank)` of the last axis, channel-major.
    """

    kind: ClassVar[str] = "cp"
    rank: int
    channels: int

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("cp", (self.rank, self.channels))

    def forward(self, tensors: "Tensors", *factors: "Tensor") -> "Tensor":
        """One factor for each axis -> `(n, channels)`."""
        del tensors
        product = factors[0]
        for factor in factors[1:-1]:
            product = product * factor
        last = factors[-1].view(len(product), self.channels, self.rank)
        return (last @ product[:, :, None])[:, :, 0]

    def grid(self, tensors: "Tensors", *factors: "Tensor") -> "Tensor":
        """One matrix product of the leading axes with the others, split so that both sides are small."""
        del tensors
        columns = [*factors[:-1], factors[-1].reshape(-1, self.rank)]
        rows = [len(column) for column in columns]
        split = min(range(1, len(rows)), key=lambda k: math.prod(rows[:k]) + math.prod(rows[k:]))
        return (_row_products(columns[:split]) @ _row_products(columns[split:]).t()).view(-1, self.channels)


def _row_products(columns: "list[Tensor]") -> "Tensor":
    """Products of all combinations of rows: `(n_a, r)` each -> `(prod n_a, r)` in C order."""
    product = columns[0]
    for column in columns[1:]:
        product = (product[:, None] * column).flatten(0, 1)
    return product


CpContraction.EXAMPLES = ((CpContraction(4, 2), (4, 4, 8)),)
