"""CAFE: three linear maps of Fourier and Chebyshev features, multiplied, in front of a ReLU layer.

Ke, Xu, Wen, Wang, "Content-Aware Frequency Encoding for Implicit Neural Representations with Fourier-Chebyshev
Features", CVPR 2026; their CAFE+, the variant with Chebyshev features. With n = `n_features`, m = `n_polynomials`:

    e = [sin 2 pi B x, cos 2 pi B x, T_0(x_1) .. T_(m-1)(x_1), T_0(x_2) ..],  h_0 = (P e + p) * (Q e + q) * (R e + r)
    h_l = max(W_l h_{l-1} + b_l, 0) for l = 1 .. depth,  y = W h + b

so that frequencies up to three times those of B appear before any ReLU. B `(n, d_in)` ~ N(0, sigma^2) in cycles per
unit is fixed: `sigma * stored_normal(feature_seed, (n, d_in))`, rounded to float32, so a file holds its seed alone.
Init: all weights and biases ~ U(+-1/sqrt(fan-in)). Parameters, with e = 2n + m d_in: 3 width (e + 1) +
depth (width^2 + width) + d_out (width + 1); 224,439 for the defaults, 2 -> 3, and 329,731 for 96 features, 32
polynomials, two ReLU layers and width 256. Where we deviate: gradients are not clipped.
"""

from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Chebyshev, Concat, Fourier, Linear, Multiply, ReLU
from inr.layers.graph import Graph
from inr.layers.network import COORDINATES, Network
from inr.models.base import MODELS, FrequencySearch, ModelSpec, largest_fitting
from inr.rng import stored_normal
from inr.spec import Wire

MAX_WIDTH, MAX_FEATURES, MAX_POLYNOMIALS = 4096, 2048, 256


@final
@MODELS.register
class Cafe(ModelSpec):
    """Settings of a CAFE network."""

    kind: Literal["cafe"] = "cafe"
    wire_id: ClassVar[int] = 13
    paper: ClassVar[str] = "Ke et al. 2026, Content-Aware Frequency Encoding for Implicit Neural Representations"
    learning_rate: ClassVar[float] = 1.5e-2
    usual_width: ClassVar[int | None] = 236
    bpp: ClassVar[float] = 0.6
    weight_bits: ClassVar[float] = 6.0
    frequency_search: ClassVar[FrequencySearch | None] = FrequencySearch("sigma", tuple(2.5 * k for k in range(1, 21)))

    n_features: Annotated[int, Field(ge=1, le=MAX_FEATURES), Wire(0)] = 88
    """Random frequencies; each gives a sine and a cosine."""
    sigma: Annotated[float, Field(gt=0, le=10_000), Wire(1)] = 30.0
    """Standard deviation of the frequencies in cycles per unit; a picture is two units long."""
    n_polynomials: Annotated[int, Field(ge=1, le=MAX_POLYNOMIALS), Wire(2)] = 30
    """Chebyshev polynomials an axis, from T_0."""
    width: Annotated[int, Field(ge=1, le=MAX_WIDTH), Wire(3)] = 236
    """Neurons of every layer."""
    depth: Annotated[int, Field(ge=0, le=32), Wire(4)] = 1
    """ReLU layers."""
    feature_seed: Annotated[int, Field(ge=0, lt=2**32), Wire(5)] = 0
    """Determines the frequencies."""

    def build(self, domain: Domain, channels: int) -> Network:
        """The features, three linear layers and their product, then linear and ReLU layers, and a linear layer."""
        graph = Graph()
        frequencies = self.sigma * stored_normal(self.feature_seed, (self.n_features, domain.ndim))
        waves = graph.add(Fourier(frequencies), COORDINATES)
        features = graph.add(Concat(), waves, graph.add(Chebyshev(self.n_polynomials), COORDINATES))
        n = 2 * self.n_features + self.n_polynomials * domain.ndim
        h = graph.add(Multiply(), *[graph.add(Linear(n, self.width), features) for _ in range(3)])
        for _ in range(self.depth):
            h = graph.add(ReLU(), graph.add(Linear(self.width, self.width), h))
        return graph.network(graph.add(Linear(self.width, channels), h))

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses width and numbers of features and polynomials, in the proportion that they have."""

        def features(width: int) -> tuple[int, int]:
            share = width / self.width
            waves, polynomials = round(share * self.n_features), round(share * self.n_polynomials)
            return min(max(1, waves), MAX_FEATURES), min(max(1, polynomials), MAX_POLYNOMIALS)

        def count(width: int) -> int:
            waves, polynomials = features(width)
            first = 3 * width * (2 * waves + polynomials * domain.ndim + 1)
            return first + self.depth * (width * width + width) + channels * (width + 1)

        width = largest_fitting(1, MAX_WIDTH, parameters, count)
        waves, polynomials = features(width)
        return self.replace(width=width, n_features=waves, n_polynomials=polynomials)


Cafe.EXAMPLES = (
    Cafe(n_features=6, sigma=3.0, n_polynomials=4, width=12),
    Cafe(n_features=3, sigma=1.5, n_polynomials=2, width=5, depth=2, feature_seed=5),
)
