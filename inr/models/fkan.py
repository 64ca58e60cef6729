"""FKAN: a learnable Fourier series in front of gated tanh layers.

Mehrabian, Adi, Heidari, Hacihaliloglu, "Implicit Neural Representations with Fourier Kolmogorov-Arnold Networks",
ICASSP 2025. With w = `width` and G = `n_frequencies`:

    z_o = c_o + sum_i sum_{k=1..G} (A_oik cos(k x_i) + B_oik sin(k x_i)) for o = 1 .. w,  h_0 = LayerNorm(z)
    h_l = g(W_l h_{l-1} + b_l) with 2w, 2w, 2w, 4w neurons,  y = W h_4 + b,  g(z) = (z + tanh(omega z)) sigmoid(z)

The series is one matrix product with the 2 d_in G features cos(k x_i), sin(k x_i), which all outputs share.
Frequencies are radians per unit, without pi: on [-1, 1] the slowest term has no period to wrap around in, and a picture
of N samples along its longest axis has detail up to k = pi N / 2.
Init: A, B ~ N(0, 1/(d_in G)), c = 0; hidden and last W ~ U(+-sqrt(6/fan-in)/omega), their b ~ U(+-1/sqrt(fan-in)).
Parameters: w (2 d_in G + 3) + 2w (w + 1) + 8w (2w + 1) + d_out (4w + 1); 436,355 for the defaults, 2 -> 3.
Where paper and released code differ (plain tanh layers or gated ones, widths) the code is followed. The code bounds the
last W as if its fan-in were w; here the bound is that of its real fan-in, 4w, so half as large. Targets lie in [-1, 1]
and not, as there, in [0, 1], with which the same fit ends up to 2.0 dB lower.
"""

import math
from typing import Annotated, ClassVar, Literal, Self, final

from pydantic import Field

from inr.domain import Domain
from inr.layers import Fixed, FourierSeries, GatedTanh, Layer, LayerNorm, Linear, Normal, Uniform
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire

MAX_WIDTH, MAX_FREQUENCIES = 1024, 1024
_HIDDEN = (2, 2, 2, 4)
"""Neurons of the hidden layers, in multiples of the width of the first."""


@final
@MODELS.register
class Fkan(ModelSpec):
    """Settings of an FKAN."""

    kind: Literal["fkan"] = "fkan"
    wire_id: ClassVar[int] = 7
    paper: ClassVar[str] = (
        "Mehrabian et al. 2025, Implicit Neural Representations with Fourier Kolmogorov-Arnold Networks"
    )
    learning_rate: ClassVar[float] = 2e-3
    usual_width: ClassVar[int | None] = 128
    bpp: ClassVar[float] = 0.8
    weight_bits: ClassVar[float] = 5.5

    width: Annotated[int, Field(ge=1, le=MAX_WIDTH), Wire(0)] = 128
    """Outputs of the Fourier series; the hidden layers have two and four times as many."""
    n_frequencies: Annotated[int, Field(ge=1, le=MAX_FREQUENCIES), Wire(1)] = 270
    """Highest frequency of the series, in radians per unit."""
    omega: Annotated[float, Field(gt=0, le=10_000), Wire(2)] = 30.0
    """Slope of the tanh of the hidden layers."""

    def build(self, domain: Domain, channels: int) -> Network:
        """Features, their linear layer, normalisation, then linear and gated tanh layers, and a last linear layer."""
        features = 2 * domain.ndim * self.n_frequencies
        layers: list[Layer] = [
            FourierSeries(self.n_frequencies),
            Linear(features, self.width, weights=Normal(math.sqrt(2 / features)), biases=Fixed(0.0)),
            LayerNorm(self.width),
        ]
        fan_in = self.width
        for multiple in _HIDDEN:
            layers += [self._later(fan_in, multiple * self.width), GatedTanh(self.omega)]
            fan_in = multiple * self.width
        return Network([*layers, self._later(fan_in, channels)])

    def _later(self, fan_in: int, width: int) -> Linear:
        """A layer behind the series, which starts as in SIREN."""
        return Linear(fan_in, width, weights=Uniform(math.sqrt(6 / fan_in) / self.omega))

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses width and number of frequencies, about in the proportion that they have."""
        larger = max(self.width, self.n_frequencies)

        def pair(scale: int) -> tuple[int, int]:
            sizes = (self.width * scale // larger, self.n_frequencies * scale // larger)
            return min(max(1, sizes[0]), MAX_WIDTH), min(max(1, sizes[1]), MAX_FREQUENCIES)

        def count(w: int, n_frequencies: int) -> int:
            hidden = sum(n * w * (m * w + 1) for m, n in zip((1, *_HIDDEN), _HIDDEN, strict=False))
            return w * (2 * domain.ndim * n_frequencies + 3) + hidden + channels * (_HIDDEN[-1] * w + 1)

        scale = largest_fitting(1, MAX_WIDTH * MAX_FREQUENCIES, parameters, lambda s: count(*pair(s)))
        width, least = pair(scale)
        # What is left goes to the series, short of the next pair: so a larger budget never gives a smaller model.
        room = min(parameters, count(*pair(scale + 1)))
        n_frequencies = largest_fitting(least, MAX_FREQUENCIES, room, lambda n: count(width, n))
        return self.replace(width=width, n_frequencies=n_frequencies)


Fkan.EXAMPLES = (Fkan(width=5, n_frequencies=12, omega=5.0), Fkan(width=2, n_frequencies=30))
