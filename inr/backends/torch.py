"""The reference backend: eager PyTorch in float32."""

import copy
from typing import Any, ClassVar, final

import numpy as np
import torch

from inr.backends.base import AbstractBackend, AbstractTrainer, Coordinates, Field, Values
from inr.errors import SpecError
from inr.fitted import FloatTensor
from inr.losses.base import LossSpec
from inr.models.network import Network
from inr.optimisers.adam import Adam
from inr.optimisers.base import OptimiserSpec

CHUNK = 32_768
"""Samples evaluated at once: activations of 256 neurons take 32 MB."""


@final
class TorchBackend(AbstractBackend):
    """Runs every layer, on a CPU or a CUDA device."""

    kind: ClassVar[str] = "torch"
    summary: ClassVar[str] = "eager PyTorch, float32; the reference"

    def unavailable(self, device: str) -> str | None:
        """See the base class."""
        if device not in ("auto", "cpu", "cuda"):
            return f"device {device}: unknown; choose auto, cpu or cuda"
        if device == "cuda" and not torch.cuda.is_available():
            return "device cuda: torch finds no CUDA GPU; use --device cpu"
        return None

    def refuses(self, network: Network) -> str | None:
        """It runs all layers."""
        del network
        return None

    def trainer(self, network: Network, loss: LossSpec, optimiser: OptimiserSpec, device: str) -> AbstractTrainer:
        """See the base class."""
        return _TorchTrainer(network.to(_device(device)), loss, optimiser)

    def field(self, network: Network, device: str) -> Field:
        """See the base class."""
        return _TorchField(network.to(_device(device)))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


@final
class _TorchField:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._device = next(network.parameters()).device

    def __call__(self, coordinates: Coordinates) -> Values:
        with torch.inference_mode():
            chunks = [self._chunk(coordinates[i : i + CHUNK]) for i in range(0, max(1, len(coordinates)), CHUNK)]
        return np.concatenate(chunks)

    def _chunk(self, coordinates: Coordinates) -> Values:
        values: Values = self._network(torch.from_numpy(coordinates).to(self._device)).cpu().numpy()
        return values


@final
class _TorchTrainer(AbstractTrainer):
    def __init__(self, network: Network, loss: LossSpec, optimiser: OptimiserSpec) -> None:
        self._network = network
        self._loss = loss
        self._optimiser = _optimiser(network, optimiser)
        self._device = next(network.parameters()).device

    def step(self, coordinates: Coordinates, targets: Values, learning_rate: float) -> float:
        inputs = torch.from_numpy(coordinates).to(self._device)
        wanted = torch.from_numpy(targets).to(self._device)
        self._optimiser.zero_grad(set_to_none=True)
        loss = self._loss.value(self._network(inputs), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self._optimiser.step()
        return loss.item()

    def field(self) -> Field:
        return _TorchField(self._network)

    def tensors(self) -> dict[str, FloatTensor]:
        return {
            name: np.array(tensor.detach().cpu().numpy(), dtype=np.float32)
            for name, tensor in self._network.tensors().items()
        }

    def state(self) -> dict[str, Any]:
        return copy.deepcopy({"network": self._network.state_dict(), "optimiser": self._optimiser.state_dict()})

    def restore(self, state: dict[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])


def _optimiser(network: Network, spec: OptimiserSpec) -> torch.optim.Optimizer:
    if isinstance(spec, Adam):
        return torch.optim.Adam(
            network.parameters(), lr=1.0, betas=(spec.beta_1, spec.beta_2), eps=spec.epsilon, fused=True
        )
    raise SpecError(f"optimiser: the torch backend has no {spec.kind}")
