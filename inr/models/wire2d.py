"""WIRE-2D: complex Gabor wavelets with a two-dimensional window.

Saragadam, LeJeune, Tan, Balakrishnan, Veeraraghavan, Baraniuk, "WIRE: Wavelet Implicit Neural Representations",
CVPR 2023, the released two-dimensional variant.

    h_1 = g(omega_0, W_1 x + b_1, V_1 x + c_1) with real tensors,
    h_l = g(omega, W_l h_{l-1} + b_l, V_l h_{l-1} + c_l) for `depth` hidden layers,
    y = Re(W h + b),  g(omega, u, v) = exp(i omega u - sigma^2 (|u|^2 + |v|^2))

The wave runs along u; the window falls off along u and v, so that a neuron is a spot and not a stripe.
From layer 2 on everything is complex, in real arithmetic, see `inr.layers.complex_linear`. Init: real and imaginary
parts ~ U(+-1/sqrt(fan-in)).
Parameters (reals): 2 width (d_in + 1) + 4 depth (width^2 + width) + 2 d_out (width + 1); 199,686 for 2 -> 128 x 3 -> 3.
The gain of a hidden layer has the same bound as in WIRE, but it is met only where v = 0; the authors hold ratios
omega/sigma up to 2.5 for safe, and higher ones are refused here.
Where we deviate: as in `wire`.
"""

from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field, model_validator

from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import ComplexGabor, ComplexLinear, Linear, RealGabor, RealPart
from inr.layers.complex_linear import last_complex
from inr.layers.graph import Graph
from inr.layers.network import COORDINATES, Network
from inr.models.base import MODELS, FrequencySearch, ModelSpec, largest_fitting
from inr.spec import Wire

MAX_RATIO = 2.5


@final
@MODELS.register
class Wire2dMlp(ModelSpec):
    """Settings of a WIRE-2D.

    Raises:
        SpecError: omega is more than 2.5 sigma.
    """

    kind: Literal["wire2d"] = "wire2d"
    wire_id: ClassVar[int] = 5
    paper: ClassVar[str] = "Saragadam et al. 2023, WIRE: Wavelet Implicit Neural Representations (2-D window)"
    learning_rate: ClassVar[float] = 5e-3
    usual_width: ClassVar[int | None] = 128
    bpp: ClassVar[float] = 0.6
    weight_bits: ClassVar[float] = 6.5
    frequency_search: ClassVar[FrequencySearch | None] = FrequencySearch(
        "omega_0", tuple(5.0 * k for k in range(1, 21))
    )

    width: Annotated[int, Field(ge=1, le=2048), Wire(0)] = 128
    """Complex neurons of every hidden layer."""
    depth: Annotated[int, Field(ge=0, le=32), Wire(1)] = 3
    """Hidden-to-hidden layers, so depth + 1 wavelet layers in all."""
    omega_0: Annotated[float, Field(gt=0, le=10_000), Wire(2)] = 20.0
    """Frequency of the wavelets of the first layer."""
    omega: Annotated[float, Field(gt=0, le=10_000), Wire(3)] = 5.0
    """Frequency of the wavelets of the hidden layers; at most 2.5 sigma."""
    sigma: Annotated[float, Field(gt=0, le=10_000), Wire(4)] = 5.0
    """Inverse width of the window."""

    @model_validator(mode="after")
    def _stable(self) -> Self:
        if self.omega > MAX_RATIO * self.sigma:
            raise SpecError(
                f"wire2d: omega/sigma: must be at most {MAX_RATIO:g}, as each hidden layer amplifies by up to "
                f"exp((omega/sigma)^2 / 4); got {self.omega:g}/{self.sigma:g} = {self.omega / self.sigma:g}"
            )
        return self

    def build(self, domain: Domain, channels: int) -> Network:
        """Pairs of linear layers with a wavelet layer each, and the real part of a last linear layer."""
        graph, width = Graph(), self.width
        u, v = (graph.add(Linear(domain.ndim, width), COORDINATES) for _ in range(2))
        h = graph.add(RealGabor(self.omega_0, self.sigma), u, v)
        for _ in range(self.depth):
            u, v = (graph.add(ComplexLinear(width, width), h) for _ in range(2))
            h = graph.add(ComplexGabor(self.omega, self.sigma), u, v)
        y = graph.add(last_complex(width, channels), h)
        graph.add(RealPart(), y)
        return graph.network()

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""

        def count(width: int) -> int:
            return 2 * width * (domain.ndim + 1) + 4 * self.depth * (width * width + width) + 2 * channels * (width + 1)

        return self.replace(width=largest_fitting(1, 2048, parameters, count))


Wire2dMlp.EXAMPLES = (Wire2dMlp(width=10, depth=1), Wire2dMlp(width=5, depth=0, omega_0=10.0, omega=12.0, sigma=8.0))
