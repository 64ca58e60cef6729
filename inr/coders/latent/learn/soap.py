"""`inr.coders.latent.soap` for many sets of networks at once, without a value that has to reach the host.

Eigenbases are renewed by one power iteration and a QR decomposition by Householder reflections, batched over all
matrices of like size, since a library's QR of thousands of small matrices is slow on a GPU. The first bases come of
several such iterations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inr.coders.latent.engine import EPSILON
from inr.coders.latent.soap import SoapSpec

FIRST_ROUNDS = 6
"""Power iterations that make the first bases."""

_SMALL = 9


@dataclass(eq=False)
class _Side:
    dimension: int
    outer: Tensor
    basis: Tensor


@dataclass(eq=False)
class _State:
    mean: Tensor
    square: Tensor
    sides: list[_Side] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Rates:
    """What a step needs to know, as tensors of one number.

    Attributes:
        vector: learning rate of what is not preconditioned, corrected for the moments' start at zero.
        matrix: likewise of what is, which starts a step later.
        decay: share that is left of all parameters.
    """

    vector: Tensor
    matrix: Tensor
    decay: Tensor


class BatchSoap:
    """The optimiser's state for named tensors ``(batch, *shape)``, all of which `step` changes in place."""

    def __init__(self, spec: SoapSpec, tensors: Mapping[str, Tensor]) -> None:
        """Start at rest."""
        self.spec = spec
        self._states: dict[str, _State] = {}
        for name, tensor in tensors.items():
            state = _State(torch.zeros_like(tensor), torch.zeros_like(tensor))
            if tensor.ndim > 2:
                sizes = [(d, n) for d, n in enumerate(tensor.shape[1:]) if 1 < n <= spec.largest]
                state.sides = [
                    _Side(d, tensor.new_zeros(len(tensor), n, n), _eye(tensor, n).repeat(len(tensor), 1, 1))
                    for d, n in sizes
                ]
            self._states[name] = state

    def reset(self) -> None:
        """Back to rest, in place."""
        for state in self._states.values():
            state.mean.zero_()
            state.square.zero_()
            for side in state.sides:
                side.outer.zero_()
                side.basis.copy_(_eye(side.basis, side.basis.shape[-1]))

    @torch.no_grad()
    def first(self, tensors: Mapping[str, Tensor], grads: Mapping[str, Tensor], rates: Rates) -> None:
        """The first step: only vectors move. `FIRST_ROUNDS` renewals by the caller make the bases of the others."""
        for name, tensor in tensors.items():
            state = self._states[name]
            if state.sides:
                self._observe(state, grads[name], 0.0)
            else:
                self._move(state, tensor, grads[name], rates)

    @torch.no_grad()
    def step(self, tensors: Mapping[str, Tensor], grads: Mapping[str, Tensor], rates: Rates) -> None:
        """Move the tensors against their gradients; `renew` is the caller's to call."""
        for name, tensor in tensors.items():
            state = self._states[name]
            self._move(state, tensor, grads[name], rates)
            if state.sides:
                self._observe(state, grads[name], self.spec.betas[1])

    @torch.no_grad()
    def renew(self) -> None:
        """One power iteration for every basis, columns by falling eigenvalue; the squares move with their columns."""
        sides: dict[int, list[tuple[_State, _Side]]] = {}
        for state in self._states.values():
            for side in state.sides:
                n = side.basis.shape[-1]
                sides.setdefault(_SMALL if n <= _SMALL else n, []).append((state, side))
        for size, members in sides.items():
            turned = []
            for state, side in members:
                product = side.outer @ side.basis
                order = torch.argsort((side.basis * product).sum(1), dim=1, descending=True, stable=True)
                turned.append(_padded(torch.take_along_dim(product, order[:, None, :], 2), size))
                shape = [len(order), *[1] * (state.square.ndim - 1)]
                shape[side.dimension + 1] = -1
                state.square.copy_(torch.take_along_dim(state.square, order.view(shape), side.dimension + 1))
            found = torch.split(orthonormal(torch.cat(turned)), [len(t) for t in turned])
            for (_, side), basis in zip(members, found, strict=True):
                n = side.basis.shape[-1]
                side.basis.copy_(basis[:, :n, :n])

    def _move(self, state: _State, tensor: Tensor, grad: Tensor, rates: Rates) -> None:
        first, second = self.spec.betas
        state.mean.lerp_(grad, 1 - first)
        both = torch.stack([grad, state.mean], 1)
        for side in state.sides:
            both = _turn(both, side.dimension + 2, side.basis)
        turned, mean = both.unbind(1)
        state.square.mul_(second).addcmul_(turned, turned, value=1 - second)
        move = mean / (state.square.sqrt() + EPSILON)
        for side in state.sides:
            move = _turn(move, side.dimension + 1, side.basis.transpose(1, 2))
        tensor.sub_(move * (rates.matrix if state.sides else rates.vector))
        tensor.mul_(rates.decay)

    def _observe(self, state: _State, grad: Tensor, keep: float) -> None:
        for side in state.sides:
            flat = grad.movedim(side.dimension + 1, 1).flatten(2)
            side.outer.mul_(keep).add_(torch.bmm(flat, flat.transpose(1, 2)), alpha=1 - self.spec.betas[1])


def orthonormal(matrices: Tensor) -> Tensor:
    """The orthonormal factor of the QR decomposition of each matrix, ``(count, n, n)``, of whatever rank."""
    n = matrices.shape[-1]
    r = matrices / matrices.abs().amax((1, 2), keepdim=True).clamp_min(1e-30)
    q = _eye(r, n).repeat(len(r), 1, 1)
    for j in range(n - 1):
        v = r[:, j:, j].clone()
        norm = torch.linalg.vector_norm(v, dim=1)
        v[:, 0] += torch.where(v[:, 0] < 0, -norm, norm)
        length = torch.linalg.vector_norm(v, dim=1, keepdim=True)
        v = torch.where(length > 0, v / length.clamp_min(1e-30), 0.0)
        row, column = v[:, None, :], v[:, :, None]
        r[:, j:, j:] -= 2 * column * torch.bmm(row, r[:, j:, j:])
        q[:, :, j:] -= 2 * torch.bmm(q[:, :, j:], column) * row
    return q


def _eye(like: Tensor, n: int) -> Tensor:
    return torch.eye(n, dtype=like.dtype, device=like.device)


def _padded(matrices: Tensor, size: int) -> Tensor:
    n = matrices.shape[-1]
    if n == size:
        return matrices
    out = matrices.new_zeros(len(matrices), size, size)
    out[:, :n, :n] = matrices
    # in proportion, since the whole is scaled by its largest entry before it is decomposed
    scale = matrices.abs().amax((1, 2)).clamp_min(1e-30)
    out.diagonal(dim1=1, dim2=2)[:, n:] = scale[:, None]
    return out


def _turn(x: Tensor, dimension: int, basis: Tensor) -> Tensor:
    """A tensor in other coordinates: one dimension multiplied by the transpose of its basis, ``(batch, n, n)``."""
    last = x.movedim(dimension, -1)
    turned = torch.bmm(last.reshape(len(x), -1, last.shape[-1]), basis)
    return turned.view(last.shape).movedim(-1, dimension)
