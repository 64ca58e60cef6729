"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner, for the small networks of a picture.

Source: Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson, Kakade 2024, "SOAP: Improving and Stabilizing
Shampoo using Adam", algorithm 3, with every dimension of a tensor as its own side and eigenbases renewed by one power
iteration and a QR decomposition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inr.spec import Spec

EPSILON = 1e-8


class SoapSpec(Spec):
    """Settings of `Soap`."""

    betas: tuple[float, float] = (0.95, 0.95)
    """Decay of the gradient's and of its square's running mean; the second also that of the preconditioner."""
    weight_decay: float = 0.01
    every: int = 10
    """Steps between two renewals of the eigenbases."""
    largest: int = 256
    """Dimensions larger than this are not preconditioned."""


@dataclass(eq=False)
class _Side:
    """One dimension of a tensor: the running mean of its gradients' outer products, and that mean's eigenvectors."""

    dimension: int
    outer: Tensor
    basis: Tensor


@dataclass(eq=False)
class _State:
    mean: Tensor
    square: Tensor
    sides: list[_Side] = field(default_factory=list)
    steps: int = 0


class Soap:
    """The optimiser's state for named tensors, which `step` changes in place. Vectors are moved by Adam."""

    def __init__(self, spec: SoapSpec, tensors: Mapping[str, Tensor]) -> None:
        """Start at rest."""
        self.spec, self.steps = spec, 0
        self._states: dict[str, _State] = {}
        for name, tensor in tensors.items():
            state = _State(torch.zeros_like(tensor), torch.zeros_like(tensor))
            if tensor.ndim > 1:
                sizes = [(d, n) for d, n in enumerate(tensor.shape) if 1 < n <= spec.largest]
                state.sides = [_Side(d, torch.zeros(n, n), torch.eye(n)) for d, n in sizes]
            self._states[name] = state

    @torch.no_grad()
    def step(self, tensors: Mapping[str, Tensor], grads: Mapping[str, Tensor], rate: float) -> None:
        """Move the tensors against their gradients.

        Args:
            tensors: those that the optimiser was made for.
            grads: their gradients, by the same names.
            rate: learning rate.
        """
        self.steps += 1
        for name, tensor in tensors.items():
            state, grad = self._states[name], grads[name]
            if state.sides and state.steps == 0 and not any(side.outer.any() for side in state.sides):
                # the first gradient only sets the basis: a step in a basis fitted to that one gradient would mislead
                _observe(state, grad, 1 - self.spec.betas[1], 0.0)
                for side in state.sides:
                    side.basis = torch.linalg.eigh(side.outer).eigenvectors.flip(1).contiguous()
                continue
            self._move(state, tensor, grad, rate)

    def _move(self, state: _State, tensor: Tensor, grad: Tensor, rate: float) -> None:
        first, second = self.spec.betas
        state.steps += 1
        state.mean.lerp_(grad, 1 - first)
        bases = [(side.dimension, side.basis) for side in state.sides]
        turned = _turn(grad, bases)
        state.square.mul_(second).addcmul_(turned, turned, value=1 - second)
        correction = (1 - second**state.steps) ** 0.5 / (1 - first**state.steps)
        move = _turn(state.mean, bases) / (state.square.sqrt() + EPSILON)
        tensor.sub_(_turn(move, [(d, basis.T) for d, basis in bases]), alpha=rate * correction)
        tensor.mul_(1 - rate * self.spec.weight_decay)
        if state.sides:
            _observe(state, grad, 1 - second, second)
            if state.steps % self.spec.every == 0:
                _renew(state)


def _turn(x: Tensor, bases: Sequence[tuple[int, Tensor]]) -> Tensor:
    """A tensor in other coordinates: each dimension multiplied by the transpose of its basis."""
    for dimension, basis in bases:
        x = torch.tensordot(x, basis, dims=([dimension], [0])).movedim(-1, dimension)
    return x


def _observe(state: _State, grad: Tensor, share: float, keep: float) -> None:
    for side in state.sides:
        flat = grad.movedim(side.dimension, 0).reshape(grad.shape[side.dimension], -1)
        side.outer.mul_(keep).addmm_(flat, flat.T, alpha=share)


def _renew(state: _State) -> None:
    """One power iteration for every basis, columns by falling eigenvalue; the squares move with their columns."""
    for side in state.sides:
        estimate = (side.basis * (side.outer @ side.basis)).sum(0)
        order = torch.argsort(estimate, descending=True, stable=True)
        state.square = state.square.index_select(side.dimension, order)
        side.basis = torch.linalg.qr(
            side.outer @ side.basis[:, order]
        ).Q.contiguous()  # rounding depends on the order in memory
