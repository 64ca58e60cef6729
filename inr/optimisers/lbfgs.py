"""Limited-memory BFGS, for tiny networks and full batches."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.layers.network import Network
from inr.optimisers.base import OPTIMISERS, OptimiserSpec

if TYPE_CHECKING:
    from inr.optimisers.base import Parameters, Rated


@final
@OPTIMISERS.register
class Lbfgs(OptimiserSpec):
    """Quasi-Newton with a strong-Wolfe line search (Liu and Nocedal 1989), implementation: ``torch.optim.LBFGS``.

    A step evaluates the batch up to `iterations` times and more in the line search. Curvature is only meaningful if
    the batch stays the same: use the `full` sampler. The learning rate is the first trial step of the line search:
    1 unless it is given; the model's is for Adam and is not used.
    """

    kind: Literal["lbfgs"] = "lbfgs"
    wire_id: ClassVar[int] = 4
    paper: ClassVar[str] = "Liu and Nocedal 1989, On the limited memory BFGS method for large scale optimization"
    usual_rate: ClassVar[float | None] = 1.0

    iterations: Annotated[int, Field(ge=1, le=1000)] = 10
    """Iterations a step."""
    history: Annotated[int, Field(ge=1, le=1000)] = 20
    """Pairs of steps and gradients that are kept."""

    def in_torch(self, network: Network, parameters: "Parameters") -> "Rated":
        """See the base class."""
        import torch

        del network
        lbfgs = torch.optim.LBFGS(
            list(parameters.values()),
            max_iter=self.iterations,
            history_size=self.history,
            line_search_fn="strong_wolfe",
        )
        return [(lbfgs, 1.0)]
