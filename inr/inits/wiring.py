"""Which linear layers feed which activations, for initialisers that work on any graph."""

from collections.abc import Callable

from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import Activation, Layer, Linear, Matrix
from inr.layers.network import Network
from inr.models.base import MODELS

_PICTURE = Domain.of_shape((64, 64))


def readers(network: Network, number: int) -> list[Layer]:
    """The layers that read a value, in order of evaluation."""
    return [layer for layer, read in zip(network.layers, network.sources, strict=True) if number in read]


def activated(network: Network) -> dict[int, Activation]:
    """Linear layers whose output an elementwise real function reads: index of the layer -> the (first) function.

    A layer that is evaluated several times counts once.
    """
    found = {}
    for i, layer in enumerate(network.layers):
        if isinstance(layer, Linear | Matrix) and network.numbers[layer] == i:
            functions = [reader for reader in readers(network, i + 1) if isinstance(reader, Activation)]
            if functions:
                found[i] = functions[0]
    return found


def kinds_that(fits: Callable[[Network], bool]) -> str:
    """Names of the registered models whose network passes a test, for messages."""
    kinds = []
    for cls in MODELS:
        try:
            network = cls.EXAMPLES[0].build(_PICTURE, 3)
        except (SpecError, IndexError):
            continue
        if fits(network):
            kinds.append(str(cls.model_fields["kind"].default))
    return ", ".join(kinds) or "none"
