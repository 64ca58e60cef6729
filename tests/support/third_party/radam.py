"""An optimiser of another package, which torch has and the library does not."""

from typing import TYPE_CHECKING, ClassVar, Literal, final

from inr.layers.network import Network
from inr.optimisers.base import OptimiserSpec

if TYPE_CHECKING:
    from inr.optimisers.base import Parameters, Rated


@final
class Rectified(OptimiserSpec):
    """Adam whose first steps are those of momentum, until the second moment is known well enough."""

    kind: Literal["radam"] = "radam"
    wire_id: ClassVar[int] = 1_234_569
    paper: ClassVar[str] = "Liu et al. 2020, On the Variance of the Adaptive Learning Rate and Beyond"

    def in_torch(self, network: Network, parameters: "Parameters") -> "Rated":
        """Half the rate for biases, by a second optimiser."""
        from torch.optim import RAdam

        del network
        biases = [parameter for name, parameter in parameters.items() if name.endswith("bias")]
        others = [parameter for name, parameter in parameters.items() if not name.endswith("bias")]
        return [(RAdam(others), 1.0), (RAdam(biases), 0.5)]
