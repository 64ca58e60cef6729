"""BACON: a product of sine filters with fixed whole frequencies, so every output has a known band.

Lindell, Van Veen, Park, Wetzstein, "BACON: Band-limited Coordinate Networks for Multiscale Scene Representation",
CVPR 2022. With g_i(x) = sin(pi K_i x + phi_i), i = 0 .. 4:

    z_0 = g_0(x),  z_i = g_i(x) * (W_i z_{i-1} + b_i),  y_i = O_i z_i + c_i for i = 1, 2, 4, coarse to fine

K_i `(width, d_in)` is fixed and holds cycles over [-1, 1], uniform on the integers -k_i .. k_i. A product of sines adds
their frequencies, so y_i has no frequency above k_0 + .. + k_i on any axis: exactly band-limited, and periodic with
period 2. The shares of `max_band` are 1/8, 1/8, 1/4, 1/4, 1/4, that is k_0 + .. + k_i = floor(max_band j_i / 8) with
j = 1, 2, 4, 6, 8, and the outputs reach a quarter, half and all of it. With U = `stored_uniform(feature_seed,
(5, width, d_in))`, K_i = floor(U_i (2 k_i + 1)) - k_i, so a file holds the seed alone.
All outputs are trained towards the same targets.
Init: phi ~ U(+-pi), W and O ~ U(+-sqrt(6/width)), b and c ~ U(+-1/sqrt(width)).
Parameters: 5 width + 4 (width^2 + width) + 3 d_out (width + 1); 266,761 for the defaults, 2 -> 3.
Where we deviate: the released code also makes outputs after filters 0 and 3 that it does not use; coordinates have
period 2 and not 1, so the fundamental is pi radians per unit; targets lie in [-1, 1] and not in [0, 1], with which the
same fit ends 1 to 2 dB lower.
"""

import math
from typing import Annotated, ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from inr.domain import Domain
from inr.layers import Linear, Multiply, SineFilter, Uniform
from inr.layers.graph import Graph
from inr.layers.network import COORDINATES, Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.rng import stored_uniform
from inr.spec import Wire

MAX_BAND = 2**16
_EIGHTHS = (1, 2, 4, 6, 8)
"""Share of the band that is reached after each filter."""
_HEADS = (1, 2, 4)
"""Filters that are followed by an output."""


@final
@MODELS.register
class Bacon(ModelSpec):
    """Settings of a band-limited coordinate network."""

    kind: Literal["bacon"] = "bacon"
    wire_id: ClassVar[int] = 14
    paper: ClassVar[str] = "Lindell et al. 2022, BACON: Band-limited Coordinate Networks"
    learning_rate: ClassVar[float] = 6e-2
    usual_width: ClassVar[int | None] = 256
    bpp: ClassVar[float] = 0.8
    weight_bits: ClassVar[float] = 5.5

    width: Annotated[int, Field(ge=1, le=4096), Wire(0)] = 256
    """Neurons of every layer."""
    max_band: Annotated[int, Field(ge=1, le=MAX_BAND), Wire(1)] = 128
    """Highest frequency of the last output, in cycles over [-1, 1]."""
    feature_seed: Annotated[int, Field(ge=0, lt=2**32), Wire(2)] = 0
    """Determines the frequencies of the filters."""

    def bands(self) -> tuple[float, ...]:
        """Highest frequency of each output on any axis, in cycles per unit, coarse to fine."""
        return tuple(self._reached()[i] / 2 for i in _HEADS)

    def _reached(self) -> list[int]:
        """Highest frequency after each filter, in cycles over [-1, 1]."""
        return [self.max_band * eighths // 8 for eighths in _EIGHTHS]

    def frequencies(self, d_in: int) -> list[npt.NDArray[np.int64]]:
        """Frequencies of each filter in cycles over [-1, 1], `(width, d_in)`."""
        reached = self._reached()
        limits = np.diff([0, *reached])[:, None, None]
        unit = stored_uniform(self.feature_seed, (len(reached), self.width, d_in))
        return list(np.floor(unit * (2 * limits + 1)).astype(np.int64) - limits)

    def build(self, domain: Domain, channels: int) -> Network:
        """Filters, products with linear layers, and three outputs."""
        graph = Graph()
        first, *rest = [graph.add(SineFilter(k), COORDINATES) for k in self.frequencies(domain.ndim)]
        mixing = Uniform(math.sqrt(6 / self.width))
        z, heads = first, []
        for i, g in enumerate(rest, start=1):
            z = graph.add(Multiply(), g, graph.add(Linear(self.width, self.width, weights=mixing), z))
            if i in _HEADS:
                heads.append(graph.add(Linear(self.width, channels, weights=mixing), z))
        return graph.network(*heads)

    def fitted_to(self, domain: Domain) -> Self:
        """The Nyquist frequency of the longest axis."""
        return self.replace(max_band=min(max(1, max(domain.shape) // 2), MAX_BAND))

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""

        def count(width: int) -> int:
            filters, heads = len(_EIGHTHS), len(_HEADS)
            return filters * width + (filters - 1) * (width * width + width) + heads * channels * (width + 1)

        return self.replace(width=largest_fitting(1, 4096, parameters, count))


Bacon.EXAMPLES = (Bacon(width=10, max_band=16), Bacon(width=6, max_band=9, feature_seed=3))
