"""Training the stored tensors themselves."""

from typing import TYPE_CHECKING, ClassVar, Literal, final

from inr.models.base import ModelSpec
from inr.reparams.base import REPARAMS, ReparamSpec

if TYPE_CHECKING:
    import torch

    from inr.layers.network import Network


@final
@REPARAMS.register
class NoReparam(ReparamSpec):
    """No settings: what is stored is what is trained."""

    kind: Literal["none"] = "none"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "the usual way"

    def apply(self, model: ModelSpec, network: "Network", generator: "torch.Generator") -> None:
        """Leave the network as it is."""
        del model, network, generator
