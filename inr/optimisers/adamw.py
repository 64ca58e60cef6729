"""Adam with decoupled weight decay."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.layers import ComplexLinear, Linear, Matrix
from inr.layers.network import Network
from inr.optimisers.base import OPTIMISERS, OptimiserSpec, weights

if TYPE_CHECKING:
    from inr.optimisers.base import Parameters, Rated


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

    def in_torch(self, network: Network, parameters: "Parameters") -> "Rated":
        """See the base class."""
        import torch

        decaying = weights(network, parameters, network.layers, Linear, Matrix, ComplexLinear)
        rest = [parameter for name, parameter in parameters.items() if name not in decaying]
        groups = [
            {"params": list(decaying.values()), "weight_decay": self.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=1.0,
            betas=(self.beta_1, self.beta_2),
            eps=self.epsilon,
            fused=True,
        )
        return [(adamw, 1.0)]
