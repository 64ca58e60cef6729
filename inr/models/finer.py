"""FINER: sines whose period depends on their argument.

Liu, Zhu, Zhang, Fu, Deng, Ma, Guo, Cao, "FINER: Flexible Spectral-bias Tuning in Implicit NEural Representation by
Variable-periodic Activation Functions", CVPR 2024.

    h_1 = g(omega_0, W_1 x + b_1),  h_l = g(omega, W_l h_{l-1} + b_l) for `depth` hidden layers,  y = W h + b
    g(omega, z) = sin(omega (|z| + 1) z)

Init: W_1 ~ U(+-1/d_in), hidden and last W ~ U(+-sqrt(6/width)/omega), b_1 ~ U(+-first_bias), other biases
~ U(+-1/sqrt(fan-in)). A larger `first_bias` starts neurons where their period is shorter. Its default, 1/sqrt(2), is
torch's bound for a picture, which is what the authors' image script uses.
Parameters: width (d_in + 1) + depth (width^2 + width) + d_out (width + 1); 198,915 for 2 -> 256 x 3 -> 3.
As released, |z| + 1 counts as a constant in gradients (see `Finer`): training follows the authors' code, values do
not depend on it.
"""

import math
from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Finer, Layer, Linear, Uniform
from inr.layers.network import Network
from inr.models.base import MODELS, FrequencySearch, ModelSpec, chain_width
from inr.spec import Wire


@final
@MODELS.register
class FinerMlp(ModelSpec):
    """Settings of a FINER."""

    kind: Literal["finer"] = "finer"
    wire_id: ClassVar[int] = 6
    paper: ClassVar[str] = "Liu et al. 2024, FINER: Flexible Spectral-bias Tuning in Implicit NEural Representation"
    learning_rate: ClassVar[float] = 1e-3
    usual_width: ClassVar[int | None] = 256
    bpp: ClassVar[float] = 0.6
    weight_bits: ClassVar[float] = 6.5
    frequency_search: ClassVar[FrequencySearch | None] = FrequencySearch("first_bias", tuple(k / 10 for k in range(31)))

    width: Annotated[int, Field(ge=1, le=4096), Wire(0)] = 256
    """Neurons of every hidden layer."""
    depth: Annotated[int, Field(ge=0, le=32), Wire(1)] = 3
    """Hidden-to-hidden layers, so depth + 1 sine layers in all."""
    omega_0: Annotated[float, Field(gt=0, le=10_000), Wire(2)] = 30.0
    """Frequency factor of the first layer."""
    omega: Annotated[float, Field(gt=0, le=10_000), Wire(3)] = 30.0
    """Frequency factor of the hidden layers."""
    first_bias: Annotated[float, Field(ge=0, le=100), Wire(4)] = 0.7071067811865476
    """Bound of the biases of the first layer at the start."""

    def build(self, domain: Domain, channels: int) -> Network:
        """Linear and variable-period sine layers, alternating, and a last linear layer."""
        first = Linear(domain.ndim, self.width, weights=Uniform(1 / domain.ndim), biases=Uniform(self.first_bias))
        later = Uniform(math.sqrt(6 / self.width) / self.omega)
        layers: list[Layer] = [first, Finer(self.omega_0)]
        for _ in range(self.depth):
            layers += [Linear(self.width, self.width, weights=later), Finer(self.omega)]
        return Network([*layers, Linear(self.width, channels, weights=later)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""
        return self.replace(width=chain_width(parameters, domain.ndim, self.depth, channels))


FinerMlp.EXAMPLES = (FinerMlp(width=16, depth=1), FinerMlp(width=5, depth=0, omega_0=10.0, first_bias=2.0))
