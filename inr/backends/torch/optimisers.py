"""Optimisers of the torch backend: they are stepped, and their state is kept by names."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from inr.backends.torch.network import TorchNetwork
from inr.optimisers.base import OptimiserSpec


@final
class TorchOptimiser:
    """Torch optimisers that together train all parameters of a network."""

    def __init__(self, network: TorchNetwork, spec: OptimiserSpec) -> None:
        trained = network.trained()
        self._names = {id(parameter): name for name, parameter in trained.items()}
        self._ratios = spec.in_torch(network.network, trained)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for optimiser, _ in self._ratios:
            optimiser.zero_grad(set_to_none=True)

    def step(self, evaluate: Callable[[], Tensor], learning_rate: float) -> None:
        """Change the parameters; `evaluate` computes the loss and the gradients, and L-BFGS asks it several times."""
        several = isinstance(self._ratios[0][0], torch.optim.LBFGS)
        if not several:
            evaluate()
        for optimiser, ratio in self._ratios:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * ratio
            if several:
                optimiser.step(lambda: evaluate().item())
            else:
                optimiser.step()

    def state(self) -> list[dict[str, Any]]:
        """What each optimiser remembers of each parameter, by the parameter's name; see `AbstractTrainer.state`."""
        found = []
        for optimiser, _ in self._ratios:
            own = optimiser.state.items()
            found.append({self._names[id(p)]: {str(k): _kept(v) for k, v in kept.items()} for p, kept in own})
        return found

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Go on from what `state` returned."""
        for (optimiser, _), saved in zip(self._ratios, state, strict=True):
            groups = optimiser.state_dict()["param_groups"]
            names = [self._names[id(p)] for group in optimiser.param_groups for p in group["params"]]
            kept = {i: {k: _given(v) for k, v in saved[name].items()} for i, name in enumerate(names) if name in saved}
            optimiser.load_state_dict({"state": kept, "param_groups": groups})


def _kept(value: Any) -> Any:
    """Tensors as copies in numpy, however deep in lists they are."""
    if isinstance(value, Tensor):
        return np.array(value.detach().cpu().numpy())
    return [_kept(part) for part in value] if isinstance(value, list) else value


def _given(value: Any) -> Any:
    """What `_kept` made of it, back again."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return [_given(part) for part in value] if isinstance(value, list) else value
