"""Adam."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.layers.network import Network
from inr.optimisers.base import OPTIMISERS, OptimiserSpec

if TYPE_CHECKING:
    import torch

    from inr.optimisers.base import Parameters, Rated


@final
@OPTIMISERS.register
class Adam(OptimiserSpec):
    """Kingma and Ba 2015, with the small epsilon and the shorter second moment that sparse hash tables need."""

    kind: Literal["adam"] = "adam"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Kingma and Ba 2015, Adam: A Method for Stochastic Optimization"

    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-15

    def in_torch(self, network: Network, parameters: "Parameters") -> "Rated":
        """See the base class."""
        del network
        return [(adam_of(parameters, (self.beta_1, self.beta_2), self.epsilon), 1.0)]


def adam_of(parameters: "Parameters", betas: tuple[float, float], epsilon: float) -> "torch.optim.Optimizer":
    """Adam of torch for some parameters."""
    import torch

    return torch.optim.Adam(list(parameters.values()), lr=1.0, betas=betas, eps=epsilon, fused=True)
