"""A model of another package with a layer of its own, which only torch runs."""

from typing import Annotated, ClassVar, Literal, Self, final

import torch
from pydantic import Field

from inr.layers import Linear, fan_in_bound, uniform_
from inr.layers.base import Activation
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire


@final
class Triangle(Activation):
    """``y = 2 / pi arcsin(0.98 sin(x))``, a triangle wave with round corners."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Elementwise, any shape."""
        return 2 / torch.pi * torch.arcsin(0.98 * torch.sin(x))


@final
@MODELS.register
class Zigzag(ModelSpec):
    """``y = W_2 t(omega (W_1 x + b_1)) + b_2`` with triangle waves ``t``."""

    kind: Literal["zigzag"] = "zigzag"
    wire_id: ClassVar[int] = 1_234_568
    paper: ClassVar[str] = "none; a test of plug-ins"
    learning_rate: ClassVar[float] = 5e-3
    bpp: ClassVar[float] = 1.0
    weight_bits: ClassVar[float] = 7.0

    width: Annotated[int, Field(ge=1, le=4096), Wire(0)] = 32

    def build(self, d_in: int, d_out: int) -> Network:
        """Three layers."""
        return Network([Linear(d_in, self.width), Triangle(), Linear(self.width, d_out)])

    def initialise(self, network: Network, generator: torch.Generator) -> None:
        """Torch's default bounds, the first one twenty times as wide."""
        first, _, last = network.layer_list()
        for layer, factor in ((first, 20.0), (last, 1.0)):
            if isinstance(layer, Linear):
                uniform_(layer.weight, factor * fan_in_bound(layer), generator)
                uniform_(layer.bias, factor * fan_in_bound(layer), generator)

    def sized(self, parameters: int, d_in: int, d_out: int) -> Self:
        """Chooses the width."""
        width = largest_fitting(1, 4096, parameters, lambda w: w * (d_in + 1) + d_out * (w + 1))
        return self.replace(width=width)


Zigzag.EXAMPLES = (Zigzag(width=8),)
