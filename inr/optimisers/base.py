"""The registry of optimisers. A backend decides how it runs one; torch is the reference."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from inr.errors import SpecError
from inr.layers import Layer
from inr.layers.network import Network
from inr.registry import Registry
from inr.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import nn

    Parameters = Mapping[str, nn.Parameter]
    """What is trained, by the names of the network's layout; parameters of which weights are made have other names."""
    Rated = list[tuple[torch.optim.Optimizer, float]]
    """Optimisers, each with its learning rate in units of the step's."""


class OptimiserSpec(Spec):
    """Settings of an optimiser."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]
    usual_rate: ClassVar[float | None] = None
    """Learning rate where none is given; None takes the model's, which is tuned for Adam."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    """Peak learning rate; None takes the model's."""

    def in_torch(self, network: Network, parameters: "Parameters") -> "Rated":
        """Optimisers of torch that together move all parameters; the kernels use them as well, but for Adam and AdamW.

        Learning rates are set before each step, for all groups of an optimiser. One is stepped once the gradients are
        there, but for ``torch.optim.LBFGS``, which evaluates them itself.

        Args:
            network: the layers whose parameters these are.
            parameters: float32, of the shapes in the network's layout.

        Raises:
            SpecError: there are none in torch, or the network has nothing for them to train.
        """
        raise SpecError(f"optimiser: the torch backend has no {self.kind}")


def weights(
    network: Network, parameters: "Parameters", layers: Iterable[Layer], *kinds: type[Layer]
) -> "dict[str, nn.Parameter]":
    """Weights of the layers of some kinds, each once; not those that are reparameterised."""
    names = dict.fromkeys(f"{network.numbers[layer]}.weight" for layer in layers if isinstance(layer, kinds))
    return {name: parameters[name] for name in names if name in parameters}


OPTIMISERS: Registry[OptimiserSpec] = Registry("optimiser", "inr.optimisers")
