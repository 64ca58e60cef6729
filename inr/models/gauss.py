"""Gaussian activations.

Ramasinghe, Lucey, "Beyond Periodicity: Towards a Unifying Framework for Activations in Coordinate-MLPs", ECCV 2022.

    h_1 = g(W_1 x + b_1),  h_l = g(W_l h_{l-1} + b_l) for `depth` hidden layers,  y = W h + b,  g(z) = exp(-(sigma z)^2)

In the form exp(-z^2 / (2 a^2)) the width is a = 1/(sqrt(2) sigma).
Init: all weights and biases ~ U(+-1/sqrt(fan-in)), as released with WIRE (Saragadam et al. 2023). It suits up to about
five layers; with more the network does not learn from it, but does from `vi3nr`, see there.
Parameters: width (d_in + 1) + depth (width^2 + width) + d_out (width + 1); 198,915 for 2 -> 256 x 3 -> 3.
"""

from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Gaussian, Layer, Linear
from inr.layers.network import Network
from inr.models.base import MODELS, FrequencySearch, ModelSpec, chain_width
from inr.spec import Wire


@final
@MODELS.register
class Gauss(ModelSpec):
    """Settings of a network of Gaussians."""

    kind: Literal["gauss"] = "gauss"
    wire_id: ClassVar[int] = 3
    paper: ClassVar[str] = (
        "Ramasinghe, Lucey 2022, Beyond Periodicity: Towards a Unifying Framework for Activations in Coordinate-MLPs"
    )
    learning_rate: ClassVar[float] = 2e-3
    usual_width: ClassVar[int | None] = 256
    bpp: ClassVar[float] = 0.6
    weight_bits: ClassVar[float] = 7.0
    frequency_search: ClassVar[FrequencySearch | None] = FrequencySearch("sigma", tuple(2.5 * k for k in range(1, 17)))

    width: Annotated[int, Field(ge=1, le=4096), Wire(0)] = 256
    """Neurons of every hidden layer."""
    depth: Annotated[int, Field(ge=0, le=32), Wire(1)] = 3
    """Hidden-to-hidden layers, so depth + 1 Gaussian layers in all."""
    sigma: Annotated[float, Field(gt=0, le=10_000), Wire(2)] = 10.0
    """Inverse width of the Gaussians; larger for finer detail."""

    def build(self, domain: Domain, channels: int) -> Network:
        """Linear and Gaussian layers, alternating, and a last linear layer."""
        layers: list[Layer] = [Linear(domain.ndim, self.width), Gaussian(self.sigma)]
        for _ in range(self.depth):
            layers += [Linear(self.width, self.width), Gaussian(self.sigma)]
        return Network([*layers, Linear(self.width, channels)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""
        return self.replace(width=chain_width(parameters, domain.ndim, self.depth, channels))


Gauss.EXAMPLES = (Gauss(width=16, depth=1), Gauss(width=5, depth=0, sigma=3.0))
