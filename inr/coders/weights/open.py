"""Networks as functions."""

from inr.backends.base import DEFAULT_RESOURCES, Field, Resources
from inr.backends.select import select
from inr.coders.base import Opened
from inr.coders.weights.quantize import EncodedWeights, dequantize
from inr.domain import Domain
from inr.layers.layout import FloatTensor
from inr.models.base import ModelSpec


def open_weights(
    encoded: EncodedWeights, backend: str = "auto", device: str = "auto", resources: Resources = DEFAULT_RESOURCES
) -> Opened:
    """A quantised network as a function; raises `BackendUnavailableError`."""
    tensors = dequantize(encoded)
    return opened_weights(encoded.model, tensors, encoded.domain, encoded.channels, backend, device, resources)


def opened_weights(
    model: ModelSpec,
    tensors: dict[str, FloatTensor],
    domain: Domain,
    channels: int,
    backend: str = "auto",
    device: str = "auto",
    resources: Resources = DEFAULT_RESOURCES,
) -> Opened:
    """A network with these parameters as a function; raises `BackendUnavailableError`."""
    outputs = open_tensors(model, tensors, domain, channels, backend, device, resources)
    limited = tuple(zip(model.bands(), outputs, strict=True)) if model.bands() else ()
    return Opened(outputs[-1], limited)


def open_tensors(
    model: ModelSpec,
    tensors: dict[str, FloatTensor],
    domain: Domain,
    channels: int,
    backend: str = "auto",
    device: str = "auto",
    resources: Resources = DEFAULT_RESOURCES,
) -> tuple[Field, ...]:
    """The functions that the outputs of a model are with these parameters, coarse to fine; almost always one.

    Raises:
        BackendUnavailableError: the backend cannot run here, or not this model.
    """
    network = model.build(domain, channels)
    coarser = [network.cut(head) for head in range(len(network.heads) - 1)]
    return tuple(select(backend, one, device).field(one, tensors, device, resources) for one in (*coarser, network))
