"""The backend: what it runs, and where."""

from typing import ClassVar, final

import torch

from inr.backends.base import (
    DEFAULT_RESOURCES,
    AbstractBackend,
    AbstractTrainer,
    Field,
    Resources,
    Tensors,
    lesson_refusal,
)
from inr.backends.torch.field import TorchField
from inr.backends.torch.network import TorchNetwork
from inr.backends.torch.trainer import TorchTrainer
from inr.forks import cuda_lost
from inr.layers.network import Network
from inr.losses.base import LossSpec
from inr.optimisers.base import OptimiserSpec
from inr.reparams.base import ReparamSpec


@final
class TorchBackend(AbstractBackend):
    """Runs every layer, on a CPU or a CUDA device."""

    kind: ClassVar[str] = "torch"
    summary: ClassVar[str] = "eager PyTorch, float32; the reference"

    def unavailable(self, device: str) -> str | None:
        """See the base class."""
        if device not in ("auto", "cpu", "cuda"):
            return f"device {device}: unknown; choose auto, cpu or cuda"
        if device == "cuda" and cuda_lost():
            return "device cuda: it was used before this process was forked; use --device cpu, or spawn processes"
        if device == "cuda" and not torch.cuda.is_available():
            return "device cuda: torch finds no CUDA GPU; use --device cpu"
        return None

    def refuses(self, network: Network, loss: LossSpec | None = None, pulled: bool = False) -> str | None:
        """It runs all layers, and all losses; a network that is trained on its targets needs some."""
        del loss
        return lesson_refusal(network) if pulled else None

    def trainer(
        self,
        network: Network,
        tensors: Tensors,
        loss: LossSpec,
        optimiser: OptimiserSpec,
        device: str,
        seed: int = 0,
        resources: Resources = DEFAULT_RESOURCES,
        reparam: ReparamSpec | None = None,
    ) -> AbstractTrainer:
        """See the base class; threads and precision are torch's own settings."""
        del resources
        return TorchTrainer(on_device(network, tensors, device), loss, optimiser, seed, reparam=reparam)

    def field(self, network: Network, tensors: Tensors, device: str, resources: Resources = DEFAULT_RESOURCES) -> Field:
        """See the base class; threads and precision are torch's own settings."""
        del resources
        return TorchField(on_device(network, tensors, device))


def on_device(network: Network, tensors: Tensors, device: str) -> TorchNetwork:
    """A network with its parameters on a device."""
    return TorchNetwork(network, tensors).to(device_of(device))


def device_of(name: str) -> torch.device:
    """The device that "auto", "cpu" or "cuda" means here."""
    if name == "auto":
        return torch.device("cuda" if not cuda_lost() and torch.cuda.is_available() else "cpu")
    return torch.device(name)
