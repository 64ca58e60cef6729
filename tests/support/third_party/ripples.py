"""A model of another package, made of layers that the library has."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.models.base import ModelSpec, largest_fitting
from inr.spec import Wire

if TYPE_CHECKING:
    import torch

    from inr.layers.network import Network


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

    def build(self, d_in: int, d_out: int) -> "Network":
        """Three layers."""
        from inr.layers import Linear, Sine
        from inr.layers.network import Network

        return Network([Linear(d_in, self.width), Sine(self.omega), Linear(self.width, d_out)])

    def initialise(self, network: "Network", generator: "torch.Generator") -> None:
        """Torch's default bounds."""
        from inr.layers import Linear, fan_in_bound, uniform_

        for layer in network.layer_list():
            if isinstance(layer, Linear):
                uniform_(layer.weight, fan_in_bound(layer), generator)
                uniform_(layer.bias, fan_in_bound(layer), generator)

    def sized(self, parameters: int, d_in: int, d_out: int) -> Self:
        """Chooses the width."""
        width = largest_fitting(1, 4096, parameters, lambda w: w * (d_in + 1) + d_out * (w + 1))
        return self.replace(width=width)


Ripples.EXAMPLES = (Ripples(width=8),)
