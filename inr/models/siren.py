"""SIREN: sinusoidal representation network.

Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic Activation
Functions", NeurIPS 2020.

    h_1 = sin(omega_0 (W_1 x + b_1)),  h_l = sin(omega (W_l h_{l-1} + b_l)) for `depth` hidden layers,  y = W h + b

Init: W_1 ~ U(+-1/d_in), hidden and last W ~ U(+-sqrt(6/width)/omega), biases ~ U(+-1/sqrt(fan-in)).
Parameters: width (d_in + 1) + depth (width^2 + width) + d_out (width + 1); 198,915 for 2 -> 256 x 3 -> 3.
Where paper and released code differ the code is followed: omega multiplies the bias as well.
Where we deviate, as for every model: coordinates, see `inr.domain`.
"""

import math
from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Layer, Linear, Sine, Uniform
from inr.layers.network import Network
from inr.models.base import MODELS, FrequencySearch, ModelSpec, chain_width
from inr.spec import Wire


@final
@MODELS.register
class Siren(ModelSpec):
    """Settings of a SIREN."""

    kind: Literal["siren"] = "siren"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Sitzmann et al. 2020, Implicit Neural Representations with Periodic Activation Functions"
    learning_rate: ClassVar[float] = 1e-3
    usual_width: ClassVar[int | None] = 256
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

    def build(self, domain: Domain, channels: int) -> Network:
        """Linear and sine layers, alternating, and a last linear layer."""
        first = Linear(domain.ndim, self.width, weights=Uniform(1 / domain.ndim))
        later = Uniform(math.sqrt(6 / self.width) / self.omega)
        layers: list[Layer] = [first, Sine(self.omega_0)]
        for _ in range(self.depth):
            layers += [Linear(self.width, self.width, weights=later), Sine(self.omega)]
        return Network([*layers, Linear(self.width, channels, weights=later)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""
        return self.replace(width=chain_width(parameters, domain.ndim, self.depth, channels))


Siren.EXAMPLES = (Siren(width=16, depth=1), Siren(width=5, depth=0, omega_0=10.0))
