"""Optimisers of the torch backend: settings to instances of ``torch.optim``."""

from collections.abc import Callable, Iterable
from typing import Any, final

import torch
from torch import Tensor, nn

from inr.errors import SpecError
from inr.layers import ComplexLinear, Layer, Linear, Matrix
from inr.layers.network import Network
from inr.optimisers.adam import Adam
from inr.optimisers.adamw import AdamW
from inr.optimisers.base import OptimiserSpec
from inr.optimisers.lbfgs import Lbfgs
from inr.optimisers.muon import Muon


@final
class TorchOptimiser:
    """One or two torch optimisers that together train all parameters of a network."""

    def __init__(self, network: Network, spec: OptimiserSpec) -> None:
        self._ratios: list[tuple[torch.optim.Optimizer, float]]
        everything = list(network.parameters())
        if isinstance(spec, Adam):
            self._ratios = [(_adam(everything, spec), 1.0)]
        elif isinstance(spec, AdamW):
            decaying = _weights(network, network.layer_list(), Linear, Matrix, ComplexLinear)
            groups = [
                {"params": decaying, "weight_decay": spec.weight_decay},
                {"params": _without(everything, decaying), "weight_decay": 0.0},
            ]
            betas = (spec.beta_1, spec.beta_2)
            adamw = torch.optim.AdamW(
                [g for g in groups if g["params"]], lr=1.0, betas=betas, eps=spec.epsilon, fused=True
            )
            self._ratios = [(adamw, 1.0)]
        elif isinstance(spec, Muon):
            hidden = _weights(network, network.hidden_linear(), Linear, Matrix)
            if not hidden:
                raise SpecError("optimiser muon: the network has no hidden real matrix to train; use adam")
            muon = torch.optim.Muon(hidden, lr=1.0, momentum=spec.momentum, weight_decay=0.0)
            self._ratios = [(_adam(_without(everything, hidden), spec), 1.0), (muon, spec.muon_ratio)]
        elif isinstance(spec, Lbfgs):
            lbfgs = torch.optim.LBFGS(
                everything, max_iter=spec.iterations, history_size=spec.history, line_search_fn="strong_wolfe"
            )
            self._ratios = [(lbfgs, 1.0)]
        else:
            raise SpecError(f"optimiser: the torch backend has no {spec.kind}")

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

    def moments(self, parameter: Tensor) -> tuple[Tensor, Tensor] | None:
        """Adam's two moments of a parameter, or None before its first step."""
        state = self._ratios[0][0].state.get(parameter)
        return (state["exp_avg"], state["exp_avg_sq"]) if state else None

    def set_moments(self, parameter: Tensor, steps: int, moments: tuple[Tensor, Tensor]) -> None:
        """As if Adam had got there by itself in so many steps."""
        state = {"step": torch.tensor(float(steps)), "exp_avg": moments[0], "exp_avg_sq": moments[1]}
        self._ratios[0][0].state[parameter] = state

    def state(self) -> list[dict[str, Any]]:
        """State of all optimisers."""
        return [optimiser.state_dict() for optimiser, _ in self._ratios]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Go on from what `state` returned."""
        for (optimiser, _), saved in zip(self._ratios, state, strict=True):
            optimiser.load_state_dict(saved)


def _adam(parameters: list[nn.Parameter], spec: Adam | Muon) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=1.0, betas=(spec.beta_1, spec.beta_2), eps=spec.epsilon, fused=True)


def _without(parameters: list[nn.Parameter], taken: list[nn.Parameter]) -> list[nn.Parameter]:
    numbers = {id(parameter) for parameter in taken}
    return [parameter for parameter in parameters if id(parameter) not in numbers]


def _weights(network: Network, layers: Iterable[Layer], *kinds: type[Layer]) -> list[nn.Parameter]:
    """Weights of the layers of some kinds, each once."""
    trained = {id(parameter): parameter for parameter in network.parameters()}  # not what is reparameterised
    found = {id(layer.weight): None for layer in layers if isinstance(layer, kinds)}
    return [trained[number] for number in found if number in trained]
