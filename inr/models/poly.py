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
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire

if TYPE_CHECKING:
    import torch

    from inr.layers.network import Network

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

    def build(self, d_in: int, d_out: int) -> "Network":
        """Level by level: the factor, the product, the linear layer and the activation; then a linear layer."""
        from inr.layers import LeakyReLU, Linear, Multiply
        from inr.layers.graph import Graph
        from inr.layers.network import COORDINATES

        graph, value = Graph(), COORDINATES
        for level in range(self.depth):
            factor = graph.add(Linear(d_in, self.width), COORDINATES)
            product = factor if level == 0 else graph.add(Multiply(), value, factor)
            value = graph.add(LeakyReLU(SLOPE), graph.add(Linear(self.width, self.width), product))
        return graph.network(graph.add(Linear(self.width, d_out), value))

    def initialise(self, network: "Network", generator: "torch.Generator") -> None:
        """Factors around one, and weights that keep the second moment."""
        import torch

        from inr.layers import Linear, fan_in_bound, normal_, uniform_
        from inr.layers.network import COORDINATES

        *levels, last = zip(network.layer_list(), network.sources, strict=True)
        for layer, sources in levels:
            if not isinstance(layer, Linear):
                continue
            with torch.no_grad():
                if sources == (COORDINATES,):
                    d_in = layer.weight.shape[1]
                    uniform_(layer.weight, 1.0, generator)
                    layer.bias.fill_(1.0)
                else:
                    moment = self.width * (1 + d_in / 9)
                    normal_(layer.weight, math.sqrt(2 / ((1 + SLOPE**2) * moment)), generator)
                    layer.bias.zero_()
        if isinstance(last[0], Linear):
            uniform_(last[0].weight, fan_in_bound(last[0]), generator)
            uniform_(last[0].bias, fan_in_bound(last[0]), generator)

    def sized(self, parameters: int, d_in: int, d_out: int) -> Self:
        """Chooses the width."""

        def count(width: int) -> int:
            return self.depth * (width * width + (d_in + 2) * width) + d_out * (width + 1)

        return self.replace(width=largest_fitting(1, MAX_WIDTH, parameters, count))


PolyInr.EXAMPLES = (PolyInr(width=12, depth=3), PolyInr(width=5, depth=1))
