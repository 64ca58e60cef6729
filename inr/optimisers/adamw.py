"""Adam with decoupled weight decay."""

from typing import Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.optimisers.base import OPTIMISERS, OptimiserSpec


@final
@OPTIMISERS.register
class AdamW(OptimiserSpec):
    """Adam whose weights also shrink by ``learning_rate * weight_decay`` a step (Loshchilov and Hutter 2019).

    Only the weights of linear layers decay: biases, tables of grid features and cores of tensors keep their size.
    """

    kind: Literal["adamw"] = "adamw"
    wire_id: ClassVar[int] = 2
    paper: ClassVar[str] = "Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization"

    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-15
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 1e-2
