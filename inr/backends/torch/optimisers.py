"""Optimisers of the torch backend: settings to instances of ``torch.optim``."""

from collections.abc import Callable, Iterable
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from inr.backends.torch.network import TorchNetwork
from inr.errors import SpecError
from inr.layers import ComplexLinear, Layer, Linear, Matrix
from inr.optimisers.adam import Adam
from inr.optimisers.adamw import AdamW
from inr.optimisers.base import OptimiserSpec
from inr.optimisers.lbfgs import Lbfgs
from inr.optimisers.muon import Muon


@final
class TorchOptimiser:
    """One or two torch optimisers that together train all parameters of a network."""

    def __init__(self, network: TorchNetwork, spec: OptimiserSpec) -> None:
        self._ratios: list[tuple[torch.optim.Optimizer, float]]
        everything = list(network.parameters())
        self._names = {id(parameter): name for name, parameter in network.trained().items()}
        if isinstance(spec, Adam):
            self._ratios = [(_adam(everything, spec), 1.0)]
        elif isinstance(spec, AdamW):
            decaying = _weights(network, network.network.layers, Linear, Matrix, ComplexLinear)
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
            hidden = _weights(network, network.network.hidden_linear(), Linear, Matrix)
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


def _adam(parameters: list[nn.Parameter], spec: Adam | Muon) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=1.0, betas=(spec.beta_1, spec.beta_2), eps=spec.epsilon, fused=True)


def _without(parameters: list[nn.Parameter], taken: list[nn.Parameter]) -> list[nn.Parameter]:
    numbers = {id(parameter) for parameter in taken}
    return [parameter for parameter in parameters if id(parameter) not in numbers]


def _weights(network: TorchNetwork, layers: Iterable[Layer], *kinds: type[Layer]) -> list[nn.Parameter]:
    """Weights of the layers of some kinds, each once; not those that are reparameterised."""
    trained, numbers = network.trained(), network.network.numbers
    names = dict.fromkeys(f"{numbers[layer]}.weight" for layer in layers if isinstance(layer, kinds))
    return [trained[name] for name in names if name in trained]
