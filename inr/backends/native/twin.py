"""What torch does for the kernels: optimisers other than Adam, and parameters that the weights are made of."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch

from inr.backends.base import Tensors
from inr.backends.lowering import Flat, Parameters
from inr.backends.torch import TorchNetwork, TorchOptimiser
from inr.layers.network import Network
from inr.optimisers.base import OptimiserSpec
from inr.reparams.base import ReparamSpec
from inr.rng import generator


@final
class TorchTwin:
    """The parameters of a network as torch holds and moves them, with gradients from elsewhere.

    Raises:
        SpecError: the optimiser has nothing to do in this network, or torch does not have it.
    """

    def __init__(
        self, network: Network, tensors: Tensors, optimiser: OptimiserSpec, seed: int, reparam: ReparamSpec | None
    ) -> None:
        self._network = TorchNetwork(network, tensors)
        if reparam is not None:
            reparam.apply(network, self._network.modules_by_layer(), generator(seed, "reparam"))
        self._optimiser = TorchOptimiser(self._network, optimiser)
        self._parameters = Parameters.of(network)

    def flat(self) -> Flat:
        """All stored tensors as they are now."""
        return self._parameters.flat(self._network.arrays())

    def step(self, evaluate: Callable[[Flat, Flat], float], learning_rate: float) -> None:
        """One step; `evaluate` is told parameters, fills in gradients, and returns the loss."""

        def told() -> torch.Tensor:
            self._optimiser.zero_grad()
            flat = self.flat()
            gradients = np.empty_like(flat)
            loss = evaluate(flat, gradients)
            tensors, parts = self._network.tensors(), self._parameters.views(gradients)
            torch.autograd.backward(list(tensors.values()), [torch.from_numpy(parts[name]) for name in tensors])
            return torch.tensor(loss)

        self._optimiser.step(told, learning_rate)

    def state(self) -> dict[str, Any]:
        """Parameters and optimisers, as in `AbstractTrainer.state`."""
        parameters = {name: np.array(p.detach().numpy()) for name, p in self._network.trained().items()}
        return {"parameters": parameters, "optimisers": self._optimiser.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        with torch.no_grad():
            for name, parameter in self._network.trained().items():
                parameter.copy_(torch.from_numpy(state["parameters"][name]))
        self._optimiser.restore(state["optimisers"])
