"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner, for the small networks of a picture.

Source: Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson, Kakade 2024, "SOAP: Improving and Stabilizing
Shampoo using Adam", algorithm 3, with every dimension of a tensor as its own side and eigenbases renewed by one power
iteration and a QR decomposition. Tensors of one dimension are moved by Adam.

The state is one vector of float64, for every tensor: the number of steps, the running means of gradients and of squares
in the eigenbasis, and for every side the running mean of the gradients' outer products and its eigenvectors as columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inr.coders.latent.engine import EPSILON
from inr.spec import Spec

Numbers = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


class SoapSpec(Spec):
    """Settings of `Soap`."""

    betas: tuple[float, float] = (0.95, 0.95)
    """Decay of the gradient's and of its square's running mean; the second also that of the preconditioner."""
    weight_decay: float = 0.01
    every: int = 10
    """Steps between two renewals of the eigenbases."""
    largest: int = 256
    """Dimensions larger than this are not preconditioned."""


@dataclass(frozen=True, eq=False)
class _Side:
    """One dimension of a tensor; views of the state, ``(n, n)``."""

    dimension: int
    outer: Numbers
    basis: Numbers


class Soap:
    """The optimiser of tensors that lie in one vector; the twin of the compiled one."""

    def __init__(self, spec: SoapSpec, shapes: Sequence[tuple[int, ...]], anchor: Floats | None = None) -> None:
        """Start at rest.

        Args:
            spec: settings.
            shapes: of the tensors, in order.
            anchor: what weights decay to, of all tensors; None for 0.
        """
        self.spec, self.every, self._shapes, self._anchor = spec, spec.every, shapes, anchor
        self.state: Numbers = np.zeros(sum(self._size(shape) for shape in shapes))

    def step(self, networks: Floats, gradients: Floats, rate: float) -> None:
        """Move all tensors against their gradients.

        Args:
            networks: all tensors, changed in place.
            gradients: of them.
            rate: learning rate.
        """
        place = first = 0
        for shape in self._shapes:
            size = int(np.prod(shape))
            here = slice(first, first + size)
            anchor = np.float64(0) if self._anchor is None else self._anchor[here].reshape(shape).astype(np.float64)
            moved = self._moved(
                self.state[place : place + self._size(shape)],
                networks[here].reshape(shape).astype(np.float64),
                gradients[here].reshape(shape).astype(np.float64),
                anchor,
                rate,
            )
            networks[here] = moved.reshape(-1)
            first, place = first + size, place + self._size(shape)

    def _sides(self, shape: tuple[int, ...]) -> list[int]:
        return [d for d, n in enumerate(shape) if 1 < n <= self.spec.largest] if len(shape) > 1 else []

    def _size(self, shape: tuple[int, ...]) -> int:
        return 1 + 2 * int(np.prod(shape)) + sum(2 * shape[d] ** 2 for d in self._sides(shape))

    def _views(self, state: Numbers, shape: tuple[int, ...]) -> tuple[Numbers, Numbers, list[_Side]]:
        size = int(np.prod(shape))
        sides, place = [], 1 + 2 * size
        for d in self._sides(shape):
            n = shape[d]
            both = state[place : place + 2 * n * n].reshape(2, n, n)
            sides.append(_Side(d, both[0], both[1]))
            place += 2 * n * n
        return state[1 : 1 + size].reshape(shape), state[1 + size : 1 + 2 * size].reshape(shape), sides

    def _moved(
        self, state: Numbers, tensor: Numbers, grad: Numbers, anchor: Numbers | np.float64, rate: float
    ) -> Numbers:
        mean, square, sides = self._views(state, tensor.shape)
        first, second = self.spec.betas
        if sides and not sides[0].basis[0].any():
            # the first gradient only sets the basis: a step in a basis fitted to that one gradient would mislead
            _observe(sides, grad, 1 - second, 0.0)
            for side in sides:
                side.basis[:] = np.linalg.eigh(side.outer).eigenvectors[:, ::-1]
            return tensor
        state[0] += 1
        mean += (1 - first) * (grad - mean)
        turned, move = grad, mean
        for side in sides:
            turned, move = _turned(turned, side.basis, side.dimension), _turned(move, side.basis, side.dimension)
        square *= second
        square += (1 - second) * turned**2
        move = move / (np.sqrt(square) + EPSILON)
        for side in sides:
            move = _turned(move, side.basis.T, side.dimension)
        correction = (1 - second ** state[0]) ** 0.5 / (1 - first ** state[0])
        tensor = tensor - rate * correction * move
        tensor = tensor - rate * self.spec.weight_decay * (tensor - anchor)
        _observe(sides, grad, 1 - second, second)
        if state[0] % self.spec.every == 0:
            _renew(sides, square)
        return tensor


def _turned(x: Numbers, basis: Numbers, dimension: int) -> Numbers:
    """A tensor in other coordinates: one dimension multiplied by the transpose of a basis."""
    return np.moveaxis(np.tensordot(x, basis, axes=([dimension], [0])), -1, dimension)


def _observe(sides: Sequence[_Side], grad: Numbers, share: float, keep: float) -> None:
    for side in sides:
        flat = np.moveaxis(grad, side.dimension, 0).reshape(grad.shape[side.dimension], -1)
        side.outer[:] = keep * side.outer + share * (flat @ flat.T)


def _renew(sides: Sequence[_Side], square: Numbers) -> None:
    """One power iteration for every basis, columns by falling eigenvalue; the squares move with their columns."""
    for side in sides:
        product = side.outer @ side.basis
        order = np.argsort(-(side.basis * product).sum(0), kind="stable")
        square[:] = np.take(square, order, axis=side.dimension)
        side.basis[:] = np.linalg.qr(product[:, order]).Q
