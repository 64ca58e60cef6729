"""Weight scaling: the model's own initialisation with larger weights in all layers but the last."""

from typing import Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from inr.errors import SpecError
from inr.inits.base import INITS, InitSpec
from inr.inits.wiring import activated, kinds_that
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.models.base import ModelSpec
from inr.signals.signal import Signal


@final
@INITS.register
class ScaledInit(InitSpec):
    """``W <- alpha W`` for every linear layer that an elementwise function follows, after the model's own start.

    The last layer of each output is followed by none and is left alone; biases are, too. With alpha above 1 the
    function reaches higher harmonics of the first layer's frequencies, so fits need fewer steps; too large an alpha
    fits the samples and leaves noise between them. Convention of the released code: the first layer is scaled like
    the hidden ones (SIREN: U(+-alpha/d_in), then U(+-alpha sqrt(6/width)/omega)), which multiplies its frequencies by
    alpha as well. It does something else for ReLU, where alpha can be moved through the layers: there it raises the
    output by alpha^layers, apart from the biases.

    Published for SIREN of 512 neurons, and for 150 full-batch steps at a rate of 1e-4, where it gains 10 dB and more
    (80 x 80 samples of a photo, 128 neurons: from 32.8 to 47.4 dB): a start for few steps at a low rate, and for a
    network that is wide for its picture (48 x 48 samples of a detailed one: nothing). At 1e-3, the usual rate here, it
    loses there (from 59.3 to 41.3 dB), and gains 1.7 dB on photos of 512 x 512 samples after 1,800 mini-batches.
    """

    kind: Literal["scaled"] = "scaled"
    wire_id: ClassVar[int] = 4
    paper: ClassVar[str] = "Yeom et al. 2025, Fast Training of Sinusoidal Neural Fields via Scaling Initialization"

    alpha: Annotated[float, Field(gt=0, le=100)] = 2.5
    """Factor of the weights."""

    def apply(
        self, model: ModelSpec, network: Network, signal: Signal, generator: np.random.Generator
    ) -> dict[str, FloatTensor]:
        """The model's own start, then the factor; raises `SpecError` if no linear layer feeds an activation."""
        del signal
        hidden = activated(network)
        if not hidden:
            raise SpecError(
                f"scaled: model {model.kind} has no linear layer followed by an elementwise real activation, so there "
                f"are no weights to scale; it fits {kinds_that(lambda other: bool(activated(other)))}"
            )
        tensors = model.initial(network, generator)
        grown = {f"{i}.weight": tensors[f"{i}.weight"] * np.float32(self.alpha) for i in hidden}
        return {**tensors, **grown}
