"""Adam."""

from typing import Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.optimisers.base import OPTIMISERS, OptimiserSpec


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
