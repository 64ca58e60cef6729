"""The Tucker format."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS
from inr.layers.contraction import Contraction
from inr.layers.initial import Distribution, Normal
from inr.layers.layout import TensorLayout
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors

STANDARD = Normal(1.0)


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class TuckerContraction(Contraction):
    """Tucker: ``y_c = sum_{r_1 ... r_d} core[r_1, ..., r_d, c] u_1[r_1] ... u_d[r_d]``; factors `(n, ranks[a])`.

    The core is stored as a matrix `(ranks[0] * ... * ranks[d - 2], ranks[d - 1] * channels)`: r_1 ... r_{d-1} number
    the rows in C order, r_d and the channel the columns.

    Attributes:
        ranks: sides of the core.
        channels: outputs.
        entries: distribution of the core before training.
    """

    kind: ClassVar[str] = "tucker"
    ranks: tuple[int, ...]
    channels: int
    entries: Distribution = STANDARD

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", tuple(self.ranks))

    def layout(self) -> tuple[TensorLayout, ...]:
        """The core; one quantiser step for each r_1."""
        rows, columns = math.prod(self.ranks[:-1]), self.ranks[-1] * self.channels
        return (TensorLayout("core", (rows, columns), (rows // self.ranks[0],) * self.ranks[0]),)

    def initial(self) -> dict[str, Distribution]:
        """See the base class."""
        return {"core": self.entries}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("tucker", (self.channels,), params=("core",))

    def forward(self, tensors: "Tensors", *factors: "Tensor") -> "Tensor":
        """`(n, ranks[a])` for each axis -> `(n, channels)`."""
        n = len(factors[0])
        mixed = factors[0] @ tensors["core"].view(self.ranks[0], -1)
        for rank, factor in zip(self.ranks[1:], factors[1:], strict=True):
            mixed = (factor[:, None] @ mixed.view(n, rank, mixed.shape[1] // rank))[:, 0]
        return mixed

    def grid(self, tensors: "Tensors", *factors: "Tensor") -> "Tensor":
        """Axis by axis, the shortest first: every step is one matrix product, and what it makes stays small."""
        import torch

        mixed = tensors["core"].view(*self.ranks, self.channels)
        for axis in sorted(range(len(self.ranks)), key=lambda axis: len(factors[axis])):
            mixed = torch.tensordot(factors[axis], mixed, dims=([1], [axis])).movedim(0, axis)
        return mixed.reshape(-1, self.channels)


TuckerContraction.EXAMPLES = ((TuckerContraction((2, 3, 4), 2), (2, 3, 4)),)
