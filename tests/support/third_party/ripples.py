"""A model of another package, made of layers that the library has."""

from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Linear, Sine
from inr.layers.network import Network
from inr.models.base import ModelSpec, largest_fitting
from inr.spec import Wire


@final
class Ripples(ModelSpec):
    """``y = W_2 sin(omega (W_1 x + b_1)) + b_2``."""

    kind: Literal["ripples"] = "ripples"
    wire_id: ClassVar[int] = 1_234_567
    paper: ClassVar[str] = "none; a test of plug-ins"
    learning_rate: ClassVar[float] = 5e-3
    bpp: ClassVar[float] = 1.0
    weight_bits: ClassVar[float] = 7.0

    width: Annotated[int, Field(ge=1, le=4096), Wire(0)] = 32
    omega: Annotated[float, Field(gt=0, le=1000), Wire(1)] = 20.0

    def build(self, domain: Domain, channels: int) -> Network:
        """Three layers."""
        return Network([Linear(domain.ndim, self.width), Sine(self.omega), Linear(self.width, channels)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""
        d = domain.ndim
        width = largest_fitting(1, 4096, parameters, lambda w: w * (d + 1) + channels * (w + 1))
        return self.replace(width=width)


Ripples.EXAMPLES = (Ripples(width=8),)
