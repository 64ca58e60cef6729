"""Random Fourier features in front of a ReLU network.

Tancik, Srinivasan, Mildenhall, Fridovich-Keil, Raghavan, Singhal, Ramamoorthi, Barron, Ng, "Fourier Features Let
Networks Learn High Frequency Functions in Low Dimensional Domains", NeurIPS 2020. With n = `n_features`:

    h_0 = [sin 2 pi B x, cos 2 pi B x],  h_l = max(W_l h_{l-1} + b_l, 0) for l = 1 .. depth,  y = W h + b

B `(n, d_in)` ~ N(0, sigma^2) in cycles per unit is fixed: `sigma * stored_normal(feature_seed, (n, d_in))`, rounded to
float32, so that a file holds its seed alone.
Init: W ~ N(0, 2/(fan-in + fan-out)), as Glorot and Bengio 2010 have it, and biases ~ N(0, 0.01^2): what the released
code leaves to its library. `vi3nr` keeps the second moment through ReLU instead.
Parameters: width (2n + 1) + (depth - 1) (width^2 + width) + d_out (width + 1); 263,683 for the defaults, 2 -> 3.
Where we deviate: the published sigma of 10 belongs to coordinates in [0, 1], here it is halved; the output is linear
and fitted to [-1, 1] (published: sigmoid, [0, 1]); the normal distribution of W is not cut off at two deviations.
"""

import math
from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Fourier, Layer, Linear, Normal, ReLU
from inr.layers.network import Network
from inr.models.base import MODELS, FrequencySearch, ModelSpec, largest_fitting
from inr.rng import stored_normal
from inr.spec import Wire

MAX_WIDTH, MAX_FEATURES = 4096, 2048
BIAS = 0.01
"""Standard deviation of the biases at the start."""


@final
@MODELS.register
class ReluPe(ModelSpec):
    """Settings of a ReLU network on random Fourier features."""

    kind: Literal["relu_pe"] = "relu_pe"
    wire_id: ClassVar[int] = 11
    paper: ClassVar[str] = "Tancik et al. 2020, Fourier Features Let Networks Learn High Frequency Functions"
    learning_rate: ClassVar[float] = 8e-3
    usual_width: ClassVar[int | None] = 256
    bpp: ClassVar[float] = 0.6
    weight_bits: ClassVar[float] = 6.0
    frequency_search: ClassVar[FrequencySearch | None] = FrequencySearch("sigma", tuple(float(k) for k in range(1, 21)))

    n_features: Annotated[int, Field(ge=1, le=MAX_FEATURES), Wire(0, absent=128)] = 256
    """Random frequencies; each gives a sine and a cosine."""
    sigma: Annotated[float, Field(gt=0, le=10_000), Wire(1)] = 5.0
    """Standard deviation of the frequencies in cycles per unit; a picture is two units long."""
    width: Annotated[int, Field(ge=1, le=MAX_WIDTH), Wire(2)] = 256
    """Neurons of every hidden layer."""
    depth: Annotated[int, Field(ge=1, le=32), Wire(3)] = 3
    """Hidden layers."""
    feature_seed: Annotated[int, Field(ge=0, lt=2**32), Wire(4)] = 0
    """Determines the frequencies."""

    def build(self, domain: Domain, channels: int) -> Network:
        """The features, then linear and ReLU layers, and a last linear layer."""
        layers: list[Layer] = [Fourier(self.sigma * stored_normal(self.feature_seed, (self.n_features, domain.ndim)))]
        fan_in = 2 * self.n_features
        for _ in range(self.depth):
            layers += [_glorot(fan_in, self.width), ReLU()]
            fan_in = self.width
        return Network([*layers, _glorot(fan_in, channels)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses width and number of features, in the proportion that they have."""

        def features(width: int) -> int:
            return min(max(1, round(width * self.n_features / self.width)), MAX_FEATURES)

        def count(width: int) -> int:
            first = width * (2 * features(width) + 1)
            return first + (self.depth - 1) * (width * width + width) + channels * (width + 1)

        width = largest_fitting(1, MAX_WIDTH, parameters, count)
        return self.replace(width=width, n_features=features(width))


def _glorot(fan_in: int, fan_out: int) -> Linear:
    return Linear(fan_in, fan_out, weights=Normal(math.sqrt(2 / (fan_in + fan_out))), biases=Normal(BIAS))


ReluPe.EXAMPLES = (
    ReluPe(n_features=8, width=16, depth=2),
    ReluPe(n_features=5, width=7, depth=1, sigma=2.5, feature_seed=9),
)
