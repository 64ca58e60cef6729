"""Muon on hidden matrices, Adam on everything else."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.errors import SpecError
from inr.layers import Linear, Matrix
from inr.layers.network import Network
from inr.optimisers.adam import adam_of
from inr.optimisers.base import OPTIMISERS, OptimiserSpec, weights

if TYPE_CHECKING:
    from inr.optimisers.base import Parameters, Rated


@final
@OPTIMISERS.register
class Muon(OptimiserSpec):
    """Momentum whose matrices are orthogonalised by five Newton-Schulz iterations (Jordan et al. 2024).

    Hidden matrices are the weights of all real linear layers but the first and the last of their network (of a model
    made of models: of each of them); a network without any is refused. Every other parameter is trained by Adam, with
    the learning rate of the model. `learning_rate` is Adam's; Muon's own is `muon_ratio`
    times as large, since its updates have unit spectral norm. Implementation: ``torch.optim.Muon``.

    What was released for fields (McGinnis et al. 2025, Optimizing Rank for High-Fidelity Implicit Neural
    Representations) has other settings: Muon at 0.1 and Adam at 1e-3, that is a `muon_ratio` of 100; Adam with
    beta_2 = 0.999; full batches and a cosine to zero. Its example gives Muon every matrix, first and last layers too.
    Here the ratio is 10, for mini-batches, and beta_2 is that of `adam`.
    """

    kind: Literal["muon"] = "muon"
    wire_id: ClassVar[int] = 3
    paper: ClassVar[str] = "Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks"

    muon_ratio: Annotated[float, Field(gt=0, le=1e6)] = 10.0
    """Muon's learning rate over Adam's."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.99
    epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-15

    def in_torch(self, network: Network, parameters: "Parameters") -> "Rated":
        """See the base class."""
        import torch

        hidden = weights(network, parameters, network.hidden_linear(), Linear, Matrix)
        if not hidden:
            raise SpecError("optimiser muon: the network has no hidden real matrix to train; use adam")
        muon = torch.optim.Muon(list(hidden.values()), lr=1.0, momentum=self.momentum, weight_decay=0.0)
        rest = {name: parameter for name, parameter in parameters.items() if name not in hidden}
        adam = adam_of(rest, (self.beta_1, self.beta_2), self.epsilon)
        return [(adam, 1.0), (muon, self.muon_ratio)]
