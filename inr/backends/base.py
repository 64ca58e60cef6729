"""What a backend does: it runs a network forwards, and trains it."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from inr.errors import BackendUnavailableError
from inr.fitted import FloatTensor
from inr.losses.base import LossSpec
from inr.models.network import Network
from inr.optimisers.base import OptimiserSpec

Coordinates = npt.NDArray[np.float32]
Values = npt.NDArray[np.float32]


class Field(Protocol):
    """A continuous signal: coordinates `(n, d_in)` in, values `(n, d_out)` out, about [-1, 1]."""

    def __call__(self, coordinates: Coordinates) -> Values:
        """Evaluate; memory is bounded for any n."""
        ...


class AbstractTrainer(ABC):
    """A network in training, with its optimiser state."""

    @abstractmethod
    def step(self, coordinates: Coordinates, targets: Values, learning_rate: float) -> float:
        """One gradient step on a batch; returns the loss before the step."""

    @abstractmethod
    def field(self) -> Field:
        """The network in its present state."""

    @abstractmethod
    def tensors(self) -> dict[str, FloatTensor]:
        """Copies of all parameters by name."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything needed to go on later, in types that ``torch.save`` keeps without pickled code."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""


class AbstractBackend(ABC):
    """A way to run networks."""

    kind: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def unavailable(self, device: str) -> str | None:
        """None if this backend runs here on "auto", "cpu" or "cuda", else the reason and what to do."""

    @abstractmethod
    def refuses(self, network: Network) -> str | None:
        """None if it can run all layers of a network, else which layer it cannot."""

    @abstractmethod
    def trainer(self, network: Network, loss: LossSpec, optimiser: OptimiserSpec, device: str) -> AbstractTrainer:
        """Start training; the network's parameters are the start."""

    @abstractmethod
    def field(self, network: Network, device: str) -> Field:
        """The network as a function."""


def check(backend: AbstractBackend, network: Network, device: str) -> None:
    """Raise `BackendUnavailableError` if the backend cannot run this network on this device."""
    problem = backend.unavailable(device) or backend.refuses(network)
    if problem is not None:
        raise BackendUnavailableError(f"backend {backend.kind}: {problem}")
