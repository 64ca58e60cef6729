"""SL2A: a learnable Chebyshev activation in front of low-rank ReLU layers that it modulates.

Heidari, Rezaeian, Azad, Merhof, Soltanian-Zadeh, Hacihaliloglu, "SL2A-INR: Single-Layer Learnable Activation for
Implicit Neural Representation", ICCV 2025. With K = `degree`, T_k the Chebyshev polynomials, L = `depth`:

    z_o = LayerNorm(sum_i sum_{k=0..K} C_oik T_k(tanh x_i)),  h_0 = z
    h_l = max(B_l A_l (h_{l-1} * z) + b_l, 0) for l = 1 .. L,  y = W (h_L * z) + b

A_l `(rank, width)`, B_l `(width, rank)`. The first layer is one matrix product with d_in (K + 1) features, which all
outputs share; so every layer reads h * z, and the first one reads z * z.
Init: C ~ U(+-sqrt(6 / ((d_in + width)(K + 1)))), A and b_l ~ U(+-1/sqrt(rank)), B, W and b ~ U(+-1/sqrt(width)): the
bounds of the released code, which come from how it stores its matrices.
Parameters: width (d_in (K + 1) + 2) + depth (2 rank + 1) width + d_out (width + 1); 330,243 for the defaults, 2 -> 3.
With rank = width/2 a pair A, B has as many weights as one full matrix. Where we deviate: T_k is computed by its
recurrence and not as cos(k arccos), which is the same function; targets lie in [-1, 1] and not in [0, 1], with which
the same fit ends 1.0 to 5.1 dB lower.
"""

import math
from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Chebyshev, LayerNorm, Linear, Matrix, Multiply, ReLU, Tanh, Uniform, fan_in_bound
from inr.layers.graph import Graph
from inr.layers.network import COORDINATES, Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire

MAX_WIDTH, MAX_DEGREE = 4096, 1024
_DEGREE_OF_WIDTH = 8
"""Degrees for each neuron in a small network: the first layer then has at most 8 width^2 weights an axis."""


@final
@MODELS.register
class Sl2a(ModelSpec):
    """Settings of an SL2A network."""

    kind: Literal["sl2a"] = "sl2a"
    wire_id: ClassVar[int] = 9
    paper: ClassVar[str] = "Heidari et al. 2025, SL2A-INR: Single-Layer Learnable Activation for INR"
    learning_rate: ClassVar[float] = 2.5e-3
    bpp: ClassVar[float] = 0.8
    weight_bits: ClassVar[float] = 6.0

    degree: Annotated[int, Field(ge=0, le=MAX_DEGREE), Wire(0)] = 256
    """Highest degree of the polynomials."""
    width: Annotated[int, Field(ge=1, le=MAX_WIDTH), Wire(1)] = 256
    """Outputs of every layer."""
    depth: Annotated[int, Field(ge=0, le=32), Wire(2)] = 3
    """ReLU layers."""
    rank: Annotated[int, Field(ge=1, le=MAX_WIDTH), Wire(3)] = 128
    """Rank of their matrices."""

    def build(self, domain: Domain, channels: int) -> Network:
        """The learnable activation, then product, two matrices and ReLU in turn, and a last linear layer."""
        graph = Graph()
        features = graph.add(Chebyshev(self.degree + 1), graph.add(Tanh(), COORDINATES))
        first = Uniform(math.sqrt(6 / ((domain.ndim + self.width) * (self.degree + 1))))
        mixed = graph.add(Matrix(domain.ndim * (self.degree + 1), self.width, weights=first), features)
        z = h = graph.add(LayerNorm(self.width), mixed)
        of_rank, of_width = Uniform(fan_in_bound(self.rank)), Uniform(fan_in_bound(self.width))
        for _ in range(self.depth):
            narrow = graph.add(Matrix(self.width, self.rank, weights=of_rank), graph.add(Multiply(), h, z))
            wide = Linear(self.rank, self.width, weights=of_width, biases=of_rank)
            h = graph.add(ReLU(), graph.add(wide, narrow))
        return graph.network(graph.add(Linear(self.width, channels), graph.add(Multiply(), h, z)))

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses width and rank, in the proportion that they have, and a lower degree if the width is small."""

        def rank(width: int) -> int:
            return min(max(1, round(width * self.rank / self.width)), MAX_WIDTH)

        def degree(width: int) -> int:
            return min(self.degree, _DEGREE_OF_WIDTH * width)

        def count(width: int) -> int:
            first = width * (domain.ndim * (degree(width) + 1) + 2)
            return first + self.depth * (2 * rank(width) + 1) * width + channels * (width + 1)

        width = largest_fitting(1, MAX_WIDTH, parameters, count)
        return self.replace(width=width, rank=rank(width), degree=degree(width))


Sl2a.EXAMPLES = (Sl2a(degree=12, width=12, depth=2, rank=6), Sl2a(degree=5, width=6, depth=0, rank=2))
