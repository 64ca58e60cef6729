"""A pyramid of dense grids of learnable features, mixed d-linearly at a point."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.cached import cached
from inr.layers.base import LAYERS, Layer
from inr.layers.initial import Distribution, Uniform
from inr.layers.layout import TensorLayout
from inr.layers.mix_rows import mix_rows
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors

NEAR_ZERO = Uniform(1e-4)
"""How tables start, as published."""


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class DenseGrid(Layer):
    """A pyramid of grids with a row of features for every node, mixed d-linearly.

    Axis k spans [-e_k, e_k]. With u = (x_k / e_k + 1)/2, kept within [0, 1], a level with N_k nodes on axis k has
    p = u (N_k - 1), cell = min(floor(p), N_k - 2), t = p - cell; the 2^d corners of the cell are mixed with t. Node
    c has row ``sum_k c_k prod_(j<k) N_j`` of its level. Output: `(n, n_levels * n_features)`, level-major. Beyond
    the box the features are those of its border.

    Attributes:
        levels: nodes along each axis for each level, each at least 2.
        extents: e_k, above 0.
        n_features: features a level.
        values: distribution of the features before training.
    """

    kind: ClassVar[str] = "dense_grid"
    levels: tuple[tuple[int, ...], ...]
    extents: tuple[float, ...]
    n_features: int
    values: Distribution = NEAR_ZERO

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(tuple(nodes) for nodes in self.levels))
        object.__setattr__(self, "extents", tuple(self.extents))

    @cached
    def entries(self) -> tuple[int, ...]:
        """Nodes of each level."""
        return tuple(math.prod(nodes) for nodes in self.levels)

    def width(self, *inputs: int) -> int:
        """The features of all levels."""
        del inputs
        return len(self.levels) * self.n_features

    def layout(self) -> tuple[TensorLayout, ...]:
        """One table; one quantiser step and one entropy model a level."""
        return (TensorLayout("table", (sum(self.entries), self.n_features), self.entries, separate_models=True),)

    def initial(self) -> dict[str, Distribution]:
        """See the base class."""
        return {"table": self.values}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        d = len(self.extents)
        ints, reals, offset = [d, self.n_features, len(self.levels), 0], list(self.extents), 0
        for nodes, entries in zip(self.levels, self.entries, strict=True):
            strides = [math.prod(nodes[:a]) for a in range(d)]
            ints += [offset, entries, 0, *strides, *[count - 2 for count in nodes]]
            reals += [0.0, *[float(count - 1) for count in nodes]]
            offset += entries
        return Operation("grid", ints, reals, params=("table",))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` in [-1, 1] -> `(n, n_levels * n_features)`."""
        import torch

        unit = [((x[:, axis] / extent + 1) * 0.5).clamp(0, 1) for axis, extent in enumerate(self.extents)]
        first = [sum(self.entries[:level]) for level in range(len(self.levels))]
        pairs = [_corners(nodes, unit) for nodes in self.levels]
        index = torch.cat([rows + offset for (rows, _), offset in zip(pairs, first, strict=True)])
        mixed = mix_rows(tensors["table"], index, torch.cat([weights for _, weights in pairs]))
        return mixed.view(len(self.levels), x.shape[0], self.n_features).transpose(0, 1).flatten(1)


def _corners(nodes: tuple[int, ...], unit: "list[Tensor]") -> "tuple[Tensor, Tensor]":
    """Rows of the corners of each point's cell and their mixing weights, `(n, 2^d)` each."""
    import torch

    rows = [torch.zeros_like(unit[0], dtype=torch.int64)]
    weights = [torch.ones_like(unit[0])]
    stride = 1
    for count, u in zip(nodes, unit, strict=True):
        position = u * (count - 1)
        cell = position.detach().floor().clamp(max=count - 2)
        upper = position - cell
        node = cell.to(torch.int64) * stride
        rows = [row + step for step in (node, node + stride) for row in rows]
        weights = [weight * side for side in (1 - upper, upper) for weight in weights]
        stride *= count
    return torch.stack(rows, dim=1), torch.stack(weights, dim=1)


DenseGrid.EXAMPLES = ((DenseGrid(((2, 3), (4, 5)), (0.75, 1.0), 2), (2,)),)
