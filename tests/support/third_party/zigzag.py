"""A model of another package with a layer of its own, which only torch runs."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import LAYERS, Activation, Linear, Uniform, fan_in_bound
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class Triangle(Activation):
    """``y = 2 / pi arcsin(0.98 sin(x))``, a triangle wave with round corners."""

    kind: ClassVar[str] = "triangle"

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """Elementwise, any shape."""
        del tensors
        return 2 / math.pi * (0.98 * x.sin()).arcsin()


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

    def build(self, domain: Domain, channels: int) -> Network:
        """Three layers; the first one starts twenty times as wide as torch's default."""
        wide = Uniform(20 * fan_in_bound(domain.ndim))
        first = Linear(domain.ndim, self.width, weights=wide, biases=wide)
        return Network([first, Triangle(), Linear(self.width, channels)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""
        d = domain.ndim
        width = largest_fitting(1, 4096, parameters, lambda w: w * (d + 1) + channels * (w + 1))
        return self.replace(width=width)


Triangle.EXAMPLES = ((Triangle(), (4,)),)
Zigzag.EXAMPLES = (Zigzag(width=8),)
