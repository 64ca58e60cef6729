"""Contractions of factors, one for each axis, in the tensor formats of F-INR (Vemuri et al. 2026).

In all formats the channels sit in the last axis's factor or in the core, so the other axes are shared by all channels.
"""

import math
from typing import final

import torch
from torch import Tensor, nn

from inr.layers.layout import TensorLayout
from inr.layers.products import Contraction


@final
class CpContraction(Contraction):
    """Canonical polyadic: ``y_c = sum_r u_1[r] ... u_{d-1}[r] u_d[c, r]``.

    Factors: `(n, rank)`, and `(n, channels * rank)` of the last axis, channel-major.
    """

    def __init__(self, rank: int, channels: int) -> None:
        super().__init__()
        self.rank, self.channels = rank, channels

    def forward(self, *factors: Tensor) -> Tensor:
        """One factor for each axis -> `(n, channels)`."""
        product = factors[0]
        for factor in factors[1:-1]:
            product = product * factor
        last = factors[-1].view(len(product), self.channels, self.rank)
        return (last @ product[:, :, None])[:, :, 0]

    def grid(self, *factors: Tensor) -> Tensor:
        """One matrix product of the leading axes with the others, split so that both sides are small."""
        columns = [*factors[:-1], factors[-1].reshape(-1, self.rank)]
        rows = [len(column) for column in columns]
        split = min(range(1, len(rows)), key=lambda k: math.prod(rows[:k]) + math.prod(rows[k:]))
        return (_row_products(columns[:split]) @ _row_products(columns[split:]).t()).view(-1, self.channels)


def _row_products(columns: list[Tensor]) -> Tensor:
    """Products of all combinations of rows: `(n_a, r)` each -> `(prod n_a, r)` in C order."""
    product = columns[0]
    for column in columns[1:]:
        product = (product[:, None] * column).flatten(0, 1)
    return product


@final
class TtContraction(Contraction):
    """Tensor train: ``y_c = u_1 U_2 ... U_{d-1} u_d[c]``, a row, matrices, and a column for each channel.

    Factors: `(n, rank)` of the first axis, `(n, rank^2)` of those between, `(n, channels * rank)` of the last one,
    channel-major.
    """

    def __init__(self, rank: int, channels: int) -> None:
        super().__init__()
        self.rank, self.channels = rank, channels

    def forward(self, *factors: Tensor) -> Tensor:
        """One factor for each axis -> `(n, channels)`."""
        row = factors[0][:, None]
        n = len(row)
        for factor in factors[1:-1]:
            row = row @ factor.view(n, self.rank, self.rank)
        return (row @ factors[-1].view(n, self.channels, self.rank).transpose(1, 2))[:, 0]

    def grid(self, *factors: Tensor) -> Tensor:
        """From the first axis to the last, one matrix product each."""
        rows = factors[0]
        for factor in factors[1:-1]:
            matrices = factor.view(len(factor), self.rank, self.rank)
            rows = (rows @ matrices.transpose(0, 1).flatten(1)).view(-1, self.rank)
        return (rows @ factors[-1].reshape(-1, self.rank).t()).view(-1, self.channels)


@final
class TuckerContraction(Contraction):
    """Tucker: ``y_c = sum_{r_1 ... r_d} core[r_1, ..., r_d, c] u_1[r_1] ... u_d[r_d]``; factors `(n, ranks[a])`.

    The core is stored as a matrix `(ranks[0] * ... * ranks[d - 2], ranks[d - 1] * channels)`: r_1 ... r_{d-1} number
    the rows in C order, r_d and the channel the columns.
    """

    def __init__(self, ranks: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.ranks, self.channels = ranks, channels
        self.core = nn.Parameter(torch.empty(math.prod(ranks[:-1]), ranks[-1] * channels))

    def layout(self) -> tuple[TensorLayout, ...]:
        """The core; one quantiser step for each r_1."""
        rows, columns = self.core.shape
        return (TensorLayout("core", (rows, columns), (rows // self.ranks[0],) * self.ranks[0]),)

    def forward(self, *factors: Tensor) -> Tensor:
        """`(n, ranks[a])` for each axis -> `(n, channels)`."""
        n = len(factors[0])
        mixed = factors[0] @ self.core.view(self.ranks[0], -1)
        for rank, factor in zip(self.ranks[1:], factors[1:], strict=True):
            mixed = (factor[:, None] @ mixed.view(n, rank, mixed.shape[1] // rank))[:, 0]
        return mixed

    def grid(self, *factors: Tensor) -> Tensor:
        """Axis by axis, the shortest first: every step is one matrix product, and what it makes stays small."""
        mixed = self.core.view(*self.ranks, self.channels)
        for axis in sorted(range(len(self.ranks)), key=lambda axis: len(factors[axis])):
            mixed = torch.tensordot(factors[axis], mixed, dims=([1], [axis])).movedim(0, axis)
        return mixed.reshape(-1, self.channels)
