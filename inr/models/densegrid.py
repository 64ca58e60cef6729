"""Pyramid of dense feature grids with a small ReLU network: the hash grid without hashing.

After Mueller, Evans, Schied, Keller, "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding",
SIGGRAPH 2022, and the plain grid that Kim and Fridovich-Keil, "Grids Often Outperform Implicit Neural Representations",
NeurIPS 2025, compare networks with.

    e = concat over levels l of d-linear interpolation of grid_l at x,  y = W_3 relu(W_2 relu(W_1 e + b_1) + b_2) + b_3

The last of L = `n_levels` levels has `nodes_k` nodes on axis k, level l (from 1) has max(2, ceil(nodes_k / 2^(L - l))).
Axis k spans [-extent_k, extent_k], so that no nodes lie outside a picture that is not square; beyond it the field is
constant. Init: grids U(+-1e-4), weights Xavier-uniform, biases zero.
Parameters: n_features times the nodes of all levels, plus the network.
Where we deviate: every node has a row of its own; levels halve; the network has biases. The plain grid is n_levels = 1.
"""

import math
from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import DenseGrid, Layer, ReLU
from inr.layers.linear import xavier
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire

MAX_NODES, MAX_AXES = 2**16, 3
_EXTENT_STEPS = 1024
"""Extents are multiples of 1/1024, which take three bytes in a file."""


@final
@MODELS.register
class DenseGridMlp(ModelSpec):
    """Settings of a pyramid of dense grids with its network."""

    kind: Literal["densegrid"] = "densegrid"
    wire_id: ClassVar[int] = 12
    paper: ClassVar[str] = (
        "Mueller et al. 2022, Instant Neural Graphics Primitives, without hashing; "
        "Kim and Fridovich-Keil 2025, Grids Often Outperform Implicit Neural Representations"
    )
    learning_rate: ClassVar[float] = 2e-2
    jitter: ClassVar[float] = 0.25
    bpp: ClassVar[float] = 1.5
    weight_bits: ClassVar[float] = 4.5

    nodes_0: Annotated[int, Field(ge=2, le=MAX_NODES), Wire(0)] = 256
    """Nodes of the last level on the first axis."""
    nodes_1: Annotated[int, Field(ge=2, le=MAX_NODES), Wire(1)] = 256
    nodes_2: Annotated[int, Field(ge=2, le=MAX_NODES), Wire(2)] = 16
    """Few, for a third axis multiplies everything; `fitted_to` knows better."""
    extent_0: Annotated[float, Field(gt=0, le=1), Wire(3)] = 1.0
    """The grid spans [-extent, extent] on the first axis."""
    extent_1: Annotated[float, Field(gt=0, le=1), Wire(4)] = 1.0
    extent_2: Annotated[float, Field(gt=0, le=1), Wire(5)] = 1.0
    n_levels: Annotated[int, Field(ge=1, le=16), Wire(6)] = 5
    n_features: Annotated[int, Field(ge=1, le=16), Wire(7)] = 2
    """Features a level."""
    width: Annotated[int, Field(ge=1, le=1024), Wire(8)] = 64
    """Neurons of the hidden layers of the network."""
    depth: Annotated[int, Field(ge=0, le=8), Wire(9)] = 2
    """Hidden layers of the network."""

    def levels(self, d_in: int) -> tuple[tuple[int, ...], ...]:
        """Nodes along each axis for each level, coarse to fine; raises `SpecError` for a number of axes beyond 1..3."""
        if not 1 <= d_in <= MAX_AXES:
            raise SpecError(f"densegrid: works on 1 to {MAX_AXES} axes; got {d_in}")
        nodes = (self.nodes_0, self.nodes_1, self.nodes_2)[:d_in]
        return tuple(tuple(max(2, -(-n >> level)) for n in nodes) for level in reversed(range(self.n_levels)))

    def build(self, domain: Domain, channels: int) -> Network:
        """The grids, then linear and ReLU layers."""
        extents = (self.extent_0, self.extent_1, self.extent_2)[: domain.ndim]
        layers: list[Layer] = [DenseGrid(self.levels(domain.ndim), extents, self.n_features)]
        fan_in = self.n_levels * self.n_features
        for _ in range(self.depth):
            layers += [xavier(fan_in, self.width), ReLU()]
            fan_in = self.width
        return Network([*layers, xavier(fan_in, channels)])

    def check(self, domain: Domain, channels: int) -> None:
        """Raise `SpecError` for a signal of more than three axes."""
        del channels
        self.levels(domain.ndim)

    def fitted_to(self, domain: Domain) -> Self:
        """One node a sample and extents that just hold the box; `sized` lowers the nodes in proportion."""
        changes: dict[str, float] = {}
        for axis, (n, interval) in enumerate(zip(domain.shape, domain.box, strict=True)):
            if axis < MAX_AXES:
                extent = math.ceil(max(abs(x) for x in interval) * _EXTENT_STEPS) / _EXTENT_STEPS
                changes |= {f"nodes_{axis}": min(max(n, 2), MAX_NODES), f"extent_{axis}": min(extent, 1.0)}
        return self.replace(**changes)

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Lowers the nodes of all axes alike, and the width until the network has a quarter of the parameters."""
        longest = max(max(nodes) for nodes in self.levels(domain.ndim))

        def network(width: int) -> int:
            first = self.n_levels * self.n_features
            hidden = (self.depth - 1) * (width * width + width) + first * width + width if self.depth else 0
            return hidden + channels * ((width if self.depth else first) + 1)

        def scaled(nodes: int) -> Self:
            names = ("nodes_0", "nodes_1", "nodes_2")[: domain.ndim]
            return self.replace(**{name: max(2, -(-getattr(self, name) * nodes // longest)) for name in names})

        def grids(nodes: int) -> int:
            return self.n_features * sum(math.prod(level) for level in scaled(nodes).levels(domain.ndim))

        def width(nodes: int) -> int:
            return largest_fitting(1, self.width, grids(nodes) // 3, network)

        nodes = largest_fitting(2, longest, parameters, lambda nodes: grids(nodes) + network(width(nodes)))
        return scaled(nodes).replace(width=width(nodes))


DenseGridMlp.EXAMPLES = (
    DenseGridMlp(nodes_0=12, nodes_1=15, nodes_2=5, extent_0=0.8125, n_levels=2, width=8, depth=1),
    DenseGridMlp(nodes_0=16, nodes_1=16, nodes_2=3, n_levels=1, n_features=3, depth=0),
)
