"""The model's own initialisation, as its paper gives it."""

from typing import TYPE_CHECKING, ClassVar, Literal, final

from inr.inits.base import INITS, InitSpec
from inr.models.base import ModelSpec
from inr.signals.signal import Signal

if TYPE_CHECKING:
    import torch

    from inr.layers.network import Network


@final
@INITS.register
class DefaultInit(InitSpec):
    """No settings: `ModelSpec.initialise` says it all."""

    kind: Literal["default"] = "default"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "the model's own"

    def apply(self, model: ModelSpec, network: "Network", signal: Signal, generator: "torch.Generator") -> None:
        """Delegate to the model."""
        del signal
        model.initialise(network, generator)
