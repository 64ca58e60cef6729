"""SIREN: sinusoidal representation network.

Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic Activation
Functions", NeurIPS 2020.

    h_1 = sin(omega_0 (W_1 x + b_1)),  h_l = sin(omega (W_l h_{l-1} + b_l)) for `depth` hidden layers,  y = W h + b

Init: W_1 ~ U(+-1/d_in), hidden and last W ~ U(+-sqrt(6/width)/omega), biases ~ U(+-1/sqrt(fan-in)).
Parameters: width (d_in + 1) + depth (width^2 + width) + d_out (width + 1); 198,915 for 2 -> 256 x 3 -> 3.
Where paper and released code differ the code is followed: omega multiplies the bias as well.
"""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.models.base import MODELS, FrequencySearch, ModelSpec, chain_width
from inr.spec import Wire

if TYPE_CHECKING:
    import torch

    from inr.layers.network import Network


@final
@MODELS.register
class Siren(ModelSpec):
    """Settings of a SIREN."""

    kind: Literal["siren"] = "siren"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Sitzmann et al. 2020, Implicit Neural Representations with Periodic Activation Functions"
    learning_rate: ClassVar[float] = 1e-3
    bpp: ClassVar[float] = 0.6
    weight_bits: ClassVar[float] = 6.5
    frequency_search: ClassVar[FrequencySearch | None] = FrequencySearch(
        "omega_0", tuple(10.0 * k for k in range(1, 21))
    )

    width: Annotated[int, Field(ge=1, le=4096), Wire(0)] = 256
    """Neurons of every hidden layer."""
    depth: Annotated[int, Field(ge=0, le=32), Wire(1)] = 3
    """Hidden-to-hidden layers, so depth + 1 sine layers in all."""
    omega_0: Annotated[float, Field(gt=0, le=10_000), Wire(2)] = 30.0
    """Frequency factor of the first layer."""
    omega: Annotated[float, Field(gt=0, le=10_000), Wire(3)] = 30.0
    """Frequency factor of the hidden layers."""

    def build(self, d_in: int, d_out: int) -> "Network":
        """Linear and sine layers, alternating, and a last linear layer."""
        from inr.layers import Layer, Linear, Sine
        from inr.layers.network import Network

        layers: list[Layer] = [Linear(d_in, self.width), Sine(self.omega_0)]
        for _ in range(self.depth):
            layers += [Linear(self.width, self.width), Sine(self.omega)]
        return Network([*layers, Linear(self.width, d_out)])

    def initialise(self, network: "Network", generator: "torch.Generator") -> None:
        """The paper's uniform initialisation."""
        from inr.layers import Linear, fan_in_bound, uniform_

        for i, layer in enumerate(network.layer_list()):
            if isinstance(layer, Linear):
                fan_in = layer.weight.shape[1]
                uniform_(layer.weight, 1 / fan_in if i == 0 else math.sqrt(6 / fan_in) / self.omega, generator)
                uniform_(layer.bias, fan_in_bound(layer), generator)

    def sized(self, parameters: int, d_in: int, d_out: int) -> Self:
        """Chooses the width."""
        return self.replace(width=chain_width(parameters, d_in, self.depth, d_out))


Siren.EXAMPLES = (Siren(width=16, depth=1), Siren(width=5, depth=0, omega_0=10.0))
