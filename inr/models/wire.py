"""WIRE: wavelet implicit representation, with complex Gabor wavelets.

Saragadam, LeJeune, Tan, Balakrishnan, Veeraraghavan, Baraniuk, "WIRE: Wavelet Implicit Neural Representations",
CVPR 2023.

    h_1 = g(omega_0, W_1 x + b_1) with real W_1, b_1,  h_l = g(omega, W_l h_{l-1} + b_l) for `depth` hidden layers,
    y = Re(W h + b),  g(omega, z) = exp(i omega z - sigma^2 |z|^2)

From layer 2 on weights, biases and features are complex; all arithmetic and all stored tensors are real, see
`inr.layers.complex_linear`. Init: real and imaginary parts ~ U(+-1/sqrt(fan-in)).
Parameters (reals): width (d_in + 1) + 2 depth (width^2 + width) + 2 d_out (width + 1); 199,287 for 2 -> 181 x 3 -> 3,
as many as a real network of width 256 has: a complex number counts as two.
A hidden layer can amplify by exp((omega/sigma)^2 / 4), 2.7 at a ratio of 2 and 55 at 4, and does so again in every
layer; `omega` above 2 `sigma` is therefore refused. The first layer sees real numbers and cannot, whatever `omega_0`.
Where we deviate: the frozen omega and sigma are settings, not tensors, and both are 5 by default: with the released 20
and 30 a network of 20,000 weights is 7 dB behind after 300 steps on a photo. Targets lie in [-1, 1] and not, as there,
in [0, 1], with which the same fit ends up to 1.1 dB lower. The imaginary part of the last bias never reaches the
output; it is kept, so that sizes compare with published ones, and starts (and stays) at zero.
"""

from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field, model_validator

from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import ComplexGabor, ComplexLinear, Layer, Linear, RealGabor, RealPart
from inr.layers.complex_linear import last_complex
from inr.layers.network import Network
from inr.models.base import MODELS, FrequencySearch, ModelSpec, largest_fitting
from inr.spec import Wire

MAX_RATIO = 2.0


@final
@MODELS.register
class WireMlp(ModelSpec):
    """Settings of a WIRE.

    Raises:
        SpecError: omega is more than 2 sigma.
    """

    kind: Literal["wire"] = "wire"
    wire_id: ClassVar[int] = 4
    paper: ClassVar[str] = "Saragadam et al. 2023, WIRE: Wavelet Implicit Neural Representations"
    learning_rate: ClassVar[float] = 4e-3
    usual_width: ClassVar[int | None] = 181
    bpp: ClassVar[float] = 0.6
    weight_bits: ClassVar[float] = 6.5
    frequency_search: ClassVar[FrequencySearch | None] = FrequencySearch(
        "omega_0", tuple(5.0 * k for k in range(1, 21))
    )

    width: Annotated[int, Field(ge=1, le=2048), Wire(0)] = 181
    """Complex neurons of every hidden layer."""
    depth: Annotated[int, Field(ge=0, le=32), Wire(1)] = 3
    """Hidden-to-hidden layers, so depth + 1 wavelet layers in all."""
    omega_0: Annotated[float, Field(gt=0, le=10_000), Wire(2)] = 20.0
    """Frequency of the wavelets of the first layer."""
    omega: Annotated[float, Field(gt=0, le=10_000), Wire(3)] = 5.0
    """Frequency of the wavelets of the hidden layers; at most 2 sigma."""
    sigma: Annotated[float, Field(gt=0, le=10_000), Wire(4)] = 5.0
    """Inverse width of the wavelets."""

    @model_validator(mode="after")
    def _stable(self) -> Self:
        if self.omega > MAX_RATIO * self.sigma:
            raise SpecError(
                f"wire: omega/sigma: must be at most {MAX_RATIO:g}, as each hidden layer amplifies by up to "
                f"exp((omega/sigma)^2 / 4); got {self.omega:g}/{self.sigma:g} = {self.omega / self.sigma:g}"
            )
        return self

    def build(self, domain: Domain, channels: int) -> Network:
        """A real layer, then complex linear and wavelet layers, alternating, and the real part of a last linear one."""
        layers: list[Layer] = [Linear(domain.ndim, self.width), RealGabor(self.omega_0, self.sigma)]
        for _ in range(self.depth):
            layers += [ComplexLinear(self.width, self.width), ComplexGabor(self.omega, self.sigma)]
        return Network([*layers, last_complex(self.width, channels), RealPart()])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""

        def count(width: int) -> int:
            return width * (domain.ndim + 1) + 2 * self.depth * (width * width + width) + 2 * channels * (width + 1)

        return self.replace(width=largest_fitting(1, 2048, parameters, count))


WireMlp.EXAMPLES = (WireMlp(width=12, depth=1), WireMlp(width=5, depth=0, omega_0=10.0, omega=12.0, sigma=8.0))
