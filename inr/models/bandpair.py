"""A low-pass and a band-pass network, added.

Roddenberry, Saragadam, de Hoop, Baraniuk, "Implicit Neural Representations and the Algebra of Complex Wavelets",
ICLR 2024.

    y = low(x) + band(x)

If the layers after the first are near polynomials, the spectrum of a wavelet network consists of sums of the spectra of
the first layer's atoms. With atoms whose frequencies lie on one side of zero those sums are never low, so smooth parts
get a network of their own: `low`, a small SIREN of low frequency, while `band`, a WIRE, makes edges and texture. WIRE's
atoms exp(i omega w.x) with a Gaussian window are one-sided in that sense up to the window's tail, as long as no real
part is taken between layers; nothing else is done to make them analytic (the paper prescribes progressive wavelets).
The paper's third advice, first-layer wavelets centred on edges, is the initialiser `singular`.

Init: each network's own. Parameters: the sum of both.
Where we deviate: sizes. When a budget is given, one eighth of it goes to `low`, as smooth parts need few numbers.
"""

from typing import Annotated, ClassVar, Literal, Self, final

import numpy as np
from pydantic import model_validator

from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import Add
from inr.layers.graph import Graph
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.models.wire import WireMlp
from inr.spec import Wire

LOW_SHARE = 8
"""The low-pass network gets one part in this many of a budget."""


@final
@MODELS.register
class BandPair(ModelSpec):
    """Settings of a pair."""

    kind: Literal["bandpair"] = "bandpair"
    wire_id: ClassVar[int] = 16
    paper: ClassVar[str] = (
        "Roddenberry et al. 2024, Implicit Neural Representations and the Algebra of Complex Wavelets"
    )
    learning_rate: ClassVar[float] = 2e-3
    bpp: ClassVar[float] = 0.8
    weight_bits: ClassVar[float] = 6.5

    low: Annotated[ModelSpec, *MODELS.field(), Wire(0)] = Siren(width=64, depth=1, omega_0=5.0, omega=10.0)
    """The low-pass network; any model but a pair or an iterative one."""
    band: Annotated[ModelSpec, *MODELS.field(), Wire(1)] = WireMlp()
    """The band-pass network; any model but a pair or an iterative one."""

    @model_validator(mode="after")
    def _plain_parts(self) -> Self:
        for name, model in (("low", self.low), ("band", self.band)):
            if isinstance(model, BandPair | IterativeInr):
                raise SpecError(
                    f"bandpair: {name}: must be a model of its own, not one around others; got {model.kind}"
                )
        return self

    def build(self, domain: Domain, channels: int) -> Network:
        """Both networks over the same coordinates, and their sum."""
        low, band = self.low.build(domain, channels), self.band.build(domain, channels)
        graph = Graph()
        graph.add(Add(), graph.splice(low), graph.splice(band))
        return graph.network(parts=(low, band))

    def initial(self, network: Network, generator: "np.random.Generator") -> dict[str, FloatTensor]:
        """Each network's own."""
        low, band = network.parts
        first = network.renamed(low, self.low.initial(low, generator))
        return {**first, **network.renamed(band, self.band.initial(band, generator))}

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the sizes of both."""
        low = self.low.sized(parameters // LOW_SHARE, domain, channels)
        rest = parameters - low.parameters(domain, channels)
        return self.replace(low=low, band=self.band.sized(max(1, rest), domain, channels))

    def fitted_to(self, domain: Domain) -> Self:
        """What each network wants to know of the grid."""
        return self.replace(low=self.low.fitted_to(domain), band=self.band.fitted_to(domain))

    def check(self, domain: Domain, channels: int) -> None:
        """What both ask for."""
        self.low.check(domain, channels)
        self.band.check(domain, channels)


BandPair.EXAMPLES = (
    BandPair(low=Siren(width=8, depth=0, omega_0=5.0), band=WireMlp(width=10, depth=1)),
    BandPair(low=Siren(width=5, depth=1, omega_0=5.0), band=Siren(width=12, depth=1, omega_0=40.0)),
)
