"""Fourier reparameterised training.

Shi, Zhou, Gu, "Improved Implicit Neural Representation with Fourier Reparameterized Training", CVPR 2024.

    W = Lambda B for the weight `(n, n)` of every hidden square linear layer; B `(m, n)` holds fixed cosine waves
    B_kj = alpha cos(f_k u_j + phi_k),  m = (n_low + n_high) phases,  u_j equally spaced over the longest period

Lambda `(n, m)` is trained in place of W, which is multiplied out for every step (a product of three sides, whatever
the batch) and once more for the file: files, decoders and the number of stored parameters are those of the plain
network. First and last layers are trained as they are.

Init: Lambda_ik ~ U(+-sqrt(6/m)/|B_k|) for ReLU networks, divided by omega for sine networks, and zero biases. Either
makes the mean square of W what the usual initialisation of such a network makes it, so that is the rule here:
Lambda_ik ~ U(+-sqrt(3 n/m) s/|B_k|) with s the root mean square of the weight that the initialiser has drawn. It
gives the paper's bounds in expectation for SIREN and for ReLU networks with He's initialisation, and suits every other
model and initialiser. The distribution of an entry is near normal rather than uniform, as a sum of m terms. The start
of W does not depend on alpha; alpha scales how far a step of Adam on Lambda moves W.

Where we deviate: waves that are zero at all points u_j are left out; their coefficients would be unbounded and do
nothing. Muon trains Lambda as it trains biases, with Adam (and is refused if no other hidden matrix is left); AdamW
does not let it decay.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.errors import SpecError
from inr.layers import Layer, Linear
from inr.layers.network import Network
from inr.models.base import ModelSpec
from inr.reparams.base import REPARAMS, ReparamSpec

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

MAX_ENTRIES = 2**24
"""Numbers of a basis, 64 MB; each layer trains as many coefficients."""


@final
@REPARAMS.register
class FourierReparam(ReparamSpec):
    """Hidden square matrices are mixtures of fixed cosine waves while they are trained."""

    kind: Literal["fourier"] = "fourier"
    wire_id: ClassVar[int] = 2
    paper: ClassVar[str] = (
        "Shi, Zhou, Gu 2024, Improved Implicit Neural Representation with Fourier Reparameterized Training"
    )

    n_low: Annotated[int, Field(ge=1, le=4096)] = 128
    """Frequencies up to 1: k/n_low for k from 1."""
    n_high: Annotated[int, Field(ge=1, le=4096)] = 128
    """Frequencies from 1: all integers up to this one."""
    phases: Annotated[int, Field(ge=1, le=256)] = 32
    """Phases of each frequency, evenly spread."""
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Amplitude of the waves: how fast W moves. The paper takes 0.01 for sine networks and 0.05 for ReLU networks."""

    def check(self, model: ModelSpec, network: Network) -> None:
        """See the base class."""
        self._layers(network, f"{model.kind} with these settings")

    def apply(self, network: Network, modules: "Mapping[Layer, nn.Module]", generator: "np.random.Generator") -> None:
        """Reparameterise all hidden square linear layers and set their biases to zero."""
        import torch

        from inr.reparams.basis import fourier_basis, mix_

        bases: dict[int, torch.Tensor] = {}
        for layer in self._layers(network, "this network"):
            n, module = layer.d_in, modules[layer]
            if n not in bases:
                bases[n] = fourier_basis(n, self.n_low, self.n_high, self.phases, self.alpha)
            mix_(module, bases[n], generator)
            torch.nn.init.zeros_(module.get_parameter("bias"))

    def _layers(self, network: Network, owner: str) -> list[Linear]:
        layers = hidden_square(network)
        if not layers:
            raise SpecError(
                f"reparam fourier: needs a hidden linear layer with as many outputs as inputs; {owner} has none"
            )
        widest = max(layer.d_in for layer in layers)
        waves = (self.n_low + self.n_high) * self.phases
        if waves * widest > MAX_ENTRIES:
            raise SpecError(
                f"reparam fourier: (n_low + n_high) phases width must be at most {MAX_ENTRIES}; got {waves} x {widest}"
            )
        return layers


def hidden_square(network: Network) -> list[Linear]:
    """Linear layers with as many outputs as inputs that are neither the first nor the last of their network."""
    hidden = [layer for layer in network.hidden_linear() if isinstance(layer, Linear)]
    return [layer for layer in hidden if layer.d_out == layer.d_in]
