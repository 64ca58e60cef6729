"""The model's own initialisation, as its paper gives it."""

from typing import ClassVar, Literal, final

import numpy as np

from inr.inits.base import INITS, InitSpec
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.models.base import ModelSpec
from inr.signals.signal import Signal


@final
@INITS.register
class DefaultInit(InitSpec):
    """No settings: `ModelSpec.initial` says it all."""

    kind: Literal["default"] = "default"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "the model's own"

    def apply(
        self, model: ModelSpec, network: Network, signal: Signal, generator: np.random.Generator
    ) -> dict[str, FloatTensor]:
        """Delegate to the model."""
        del signal
        return model.initial(network, generator)
