"""Polynomial network: products with affine maps of the coordinates, no sines and no encoding.

After Singh, Shukla, Turaga, "Polynomial Implicit Neural Representations For Large Diverse Datasets", CVPR 2023.
With L = `depth` levels and s(z) = z for z > 0, else 0.2 z:

    h_1 = s(W_1 (A_1 x + a_1) + b_1),  h_l = s(W_l (h_{l-1} * (A_l x + a_l)) + b_l) for l = 2 .. L,  y = W h_L + b

so that y is a piecewise polynomial of degree at most L.
Init: a = 1 and A ~ U(+-1), so that a level multiplies by about one. With x uniform on [-1, 1] the square of a factor is
1 + d_in/9 on average, so W ~ N(0, 2 / ((1 + 0.2^2) width (1 + d_in/9))) keeps the second moment from level to level
averaged over the box: after ten levels on a picture it is 0.4 of that in the centre and up to 5 times in the corners in
standard deviation. b = 0; the last layer ~ U(+-1/sqrt(width)).
Parameters: depth (width^2 + (d_in + 2) width) + d_out (width + 1); 200,151 for the defaults, 2 -> 3.
Where we deviate: the paper is about a generator of many pictures, whose A comes from a style vector through a mapping
network and is composed from level to level; here one picture has its own trained A and a, one pair a level. The
released code applies s to the factor as well; here it stays affine, as in the paper. Coordinates are [-1, 1]
(published: [0, 1]).
"""

import math
from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Fixed, LeakyReLU, Linear, Multiply, Normal, Uniform
from inr.layers.graph import Graph
from inr.layers.network import COORDINATES, Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire

MAX_WIDTH = 4096
SLOPE = 0.2
"""Of the activation for negative numbers; part of what a file means."""


@final
@MODELS.register
class PolyInr(ModelSpec):
    """Settings of a polynomial network."""

    kind: Literal["poly"] = "poly"
    wire_id: ClassVar[int] = 8
    paper: ClassVar[str] = "Singh et al. 2023, Polynomial Implicit Neural Representations For Large Diverse Datasets"
    learning_rate: ClassVar[float] = 5e-3
    bpp: ClassVar[float] = 0.6
    weight_bits: ClassVar[float] = 6.0

    width: Annotated[int, Field(ge=1, le=MAX_WIDTH), Wire(0)] = 156
    """Neurons of every level."""
    depth: Annotated[int, Field(ge=1, le=32), Wire(1)] = 8
    """Levels, which is the degree of the polynomial."""

    def build(self, domain: Domain, channels: int) -> Network:
        """Level by level: the factor, the product, the linear layer and the activation; then a linear layer."""
        graph, value = Graph(), COORDINATES
        moment = self.width * (1 + domain.ndim / 9)
        deviation = math.sqrt(2 / ((1 + SLOPE**2) * moment))
        for level in range(self.depth):
            factor = graph.add(Linear(domain.ndim, self.width, weights=Uniform(1.0), biases=Fixed(1.0)), COORDINATES)
            product = factor if level == 0 else graph.add(Multiply(), value, factor)
            mixing = Linear(self.width, self.width, weights=Normal(deviation), biases=Fixed(0.0))
            value = graph.add(LeakyReLU(SLOPE), graph.add(mixing, product))
        return graph.network(graph.add(Linear(self.width, channels), value))

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""

        def count(width: int) -> int:
            return self.depth * (width * width + (domain.ndim + 2) * width) + channels * (width + 1)

        return self.replace(width=largest_fitting(1, MAX_WIDTH, parameters, count))


PolyInr.EXAMPLES = (PolyInr(width=12, depth=3), PolyInr(width=5, depth=1))
