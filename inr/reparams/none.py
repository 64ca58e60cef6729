"""Training the stored tensors themselves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, final

from inr.layers import Layer
from inr.layers.network import Network
from inr.models.base import ModelSpec
from inr.reparams.base import REPARAMS, ReparamSpec

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


@final
@REPARAMS.register
class NoReparam(ReparamSpec):
    """No settings: what is stored is what is trained."""

    kind: Literal["none"] = "none"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "the usual way"
    plain: ClassVar[bool] = True

    def check(self, model: ModelSpec, network: Network) -> None:
        """It fits every network."""
        del model, network

    def apply(self, network: Network, modules: "Mapping[Layer, nn.Module]", generator: "np.random.Generator") -> None:
        """Leave the network as it is."""
        del network, modules, generator
