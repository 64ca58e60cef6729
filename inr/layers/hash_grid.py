"""A hash grid of learnable features, mixed d-linearly at a point."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.cached import cached
from inr.layers.base import LAYERS, Layer
from inr.layers.hashing import HASH_PRIMES, GridLevel, grid_levels
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
class HashGrid(Layer):
    """Multi-resolution hash encoding (Mueller et al. 2022), indexed as tiny-cuda-nn does.

    With coordinates u = (x + 1)/2 in [0, 1], level l has a scale s_l and ``ceil(s_l) + 1`` nodes an axis:
    p = s_l u + 1/2, cell = floor(p), t = p - cell. The 2^d corners of the cell are looked up and mixed
    d-linearly with t. A corner c has the index ``sum_k c_k res^k`` if the level fits its table, else
    ``xor_k (c_k prime_k mod 2^32)``, both modulo the number of entries; so a dense index may wrap into the next
    row, as in tiny-cuda-nn. Output: `(n, n_levels * n_features)`, level-major.

    Differentiable once, in the table and in the coordinates. Deviation: the scale of a level is rounded down to
    a multiple of 1/1024 in exact integer arithmetic (tiny-cuda-nn: a float32 power), so that table sizes can
    never differ between machines.

    Attributes:
        d_in: axes, 1 to 4.
        n_levels: levels.
        n_features: features a level.
        table_size: rows of a level at most.
        base_resolution: nodes an axis of the first level.
        finest_resolution: nodes an axis of the last level.
        entries: their distribution before training.
    """

    kind: ClassVar[str] = "hash_grid"
    d_in: int
    n_levels: int
    n_features: int
    table_size: int
    base_resolution: int
    finest_resolution: int
    entries: Distribution = NEAR_ZERO

    def __post_init__(self) -> None:
        _ = self.levels  # refuses what makes no sense

    @cached
    def levels(self) -> tuple[GridLevel, ...]:
        """The levels, coarse to fine."""
        return grid_levels(self.d_in, self.n_levels, self.table_size, self.base_resolution, self.finest_resolution)

    def width(self, *inputs: int) -> int:
        """The features of all levels."""
        del inputs
        return self.n_levels * self.n_features

    def layout(self) -> tuple[TensorLayout, ...]:
        """One table; one quantiser step and one entropy model a level."""
        groups = tuple(level.entries for level in self.levels)
        return (TensorLayout("table", (sum(groups), self.n_features), groups, separate_models=True),)

    def initial(self) -> dict[str, Distribution]:
        """See the base class."""
        return {"table": self.entries}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        d, ints, reals = self.d_in, [self.d_in, self.n_features, len(self.levels), 1], [1.0] * self.d_in
        for level in self.levels:
            strides = [level.resolution**a if level.dense else HASH_PRIMES[a] for a in range(d)]
            ints += [level.offset, level.entries, int(not level.dense), *strides, *[level.resolution - 1] * d]
            reals += [0.5, *[level.scale] * d]
        return Operation("grid", ints, reals, params=("table",))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` in [-1, 1] -> `(n, n_levels * n_features)`."""
        index, weight = self.corners(x)
        mixed = mix_rows(tensors["table"], index.flatten(0, 1), weight.flatten(0, 1))
        return mixed.view(len(self.levels), x.shape[0], self.n_features).transpose(0, 1).flatten(1)

    def corners(self, x: "Tensor") -> "tuple[Tensor, Tensor]":
        """Rows of the table and mixing weights of all corners, both `(n_levels, n, 2^d_in)`.

        Bit k of a corner's number says whether it is the upper one on axis k.
        """
        import torch

        unit = ((x + 1) * 0.5).t().contiguous()
        # One level at a time: its arrays stay in the cache.
        pairs = [self._level_corners(level, unit) for level in self.levels]
        return torch.stack([index for index, _ in pairs]), torch.stack([weight for _, weight in pairs])

    def _level_corners(self, level: GridLevel, unit: "Tensor") -> "tuple[Tensor, Tensor]":
        import torch

        position = unit * level.scale + 0.5
        cell = torch.floor(position)
        upper = position - cell
        lower = 1 - upper
        node = cell.to(torch.int64)
        rows = [torch.zeros_like(node[0])]
        weights = [torch.ones_like(upper[0])]
        for axis in range(self.d_in):
            stride = level.resolution**axis if level.dense else HASH_PRIMES[axis]
            first = node[axis] * stride
            steps = (first, first + stride)
            rows = [row + step if level.dense else row ^ step for step in steps for row in rows]
            weights = [weight * side[axis] for side in (lower, upper) for weight in weights]
        row = torch.stack(rows, dim=-1)
        # A hashed level has 2^k entries: the remainder is the low bits, the same in 64-bit products as in 32-bit ones.
        row = torch.remainder(row, level.entries) if level.dense else row & (level.entries - 1)
        return row.add_(level.offset), torch.stack(weights, dim=-1)


HashGrid.EXAMPLES = ((HashGrid(2, 3, 2, 64, 3, 9), (2,)),)
