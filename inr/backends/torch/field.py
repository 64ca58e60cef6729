"""Networks as functions."""

import copy
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import nn

from inr.backends.base import Coordinates, Positions, Values
from inr.backends.render import mesh
from inr.backends.torch.network import TorchNetwork

CHUNK = 32_768
"""Samples evaluated at once, at most."""
CHUNK_VALUES = 2**24
"""Numbers of the widest value of a chunk: 64 MB."""
FACTOR_VALUES = 2**26
"""Numbers of the widest value along one axis of a grid: 256 MB."""


@final
class TorchField:
    """A network as a function, evaluated in chunks on the device that holds its parameters."""

    def __init__(self, network: TorchNetwork) -> None:
        self._network = network
        self._device = network.device
        self._factors: dict[int, tuple[Coordinates, torch.Tensor]] = {}
        self._widest: int | None = None

    def __call__(self, coordinates: Positions) -> Values:
        """See `Field`."""
        with torch.inference_mode():
            size = max(16, min(CHUNK, CHUNK_VALUES // self._width(coordinates.shape[1])))
            chunks = [self._chunk(coordinates[i : i + size]) for i in range(0, max(1, len(coordinates)), size)]
        return np.concatenate(chunks)

    def _width(self, d_in: int) -> int:
        """Features of the widest value: the wider, the fewer samples at once, so that memory is bounded."""
        if self._widest is None:
            self._widest = max(self._network.network.widths(d_in))
        return self._widest

    def _chunk(self, coordinates: Positions) -> Values:
        rows = torch.from_numpy(coordinates.astype(np.float32, copy=False))
        values: Values = self._network(rows.to(self._device)).cpu().numpy()
        return values

    def jacobian(self, coordinates: Positions) -> Values:
        """See `DifferentiableField`: by autograd."""
        size = max(16, min(CHUNK, CHUNK_VALUES // self._width(coordinates.shape[1])) // 4)
        return np.concatenate([self._slopes(coordinates[i : i + size]) for i in range(0, len(coordinates), size)])

    def _slopes(self, coordinates: Positions) -> Values:
        rows = torch.tensor(coordinates.astype(np.float32), device=self._device, requires_grad=True)
        with torch.enable_grad():
            outputs = self._network(rows).sum(dim=0)
            columns = [
                torch.autograd.grad(output, rows, retain_graph=True, materialize_grads=True)[0] for output in outputs
            ]
        slopes: Values = torch.stack(columns, dim=1).cpu().numpy()
        return slopes

    def module(self) -> nn.Module:
        """See `ModuleField`."""
        return copy.deepcopy(self._network)

    def grid(self, axes: Sequence[Positions]) -> Values:
        """See `Field`."""
        return self._grid([x.astype(np.float32, copy=False) for x in axes])

    def _grid(self, axes: Sequence[Coordinates]) -> Values:
        if self._network.network.contraction is None:
            return self(mesh(axes))
        with torch.inference_mode():
            size = max(16, FACTOR_VALUES // self._width(len(axes)))
            long = [a for a, x in enumerate(axes) if len(x) > size]
            if long:
                return self._in_parts(axes, long[0], size)
            values: Values = self._network.join([self._factor(a, x) for a, x in enumerate(axes)]).cpu().numpy()
        return values

    def _in_parts(self, axes: Sequence[Coordinates], axis: int, size: int) -> Values:
        """A grid whose factors would be too large, cut along an axis."""
        x, parts = axes[axis], []
        for first in range(0, len(x), size):
            part = [*axes[:axis], x[first : first + size], *axes[axis + 1 :]]
            parts.append(self._grid(part).reshape(*[len(a) for a in part], -1))
        return np.concatenate(parts, axis=axis).reshape(-1, parts[0].shape[-1])

    def _factor(self, axis: int, x: Coordinates) -> torch.Tensor:
        """The factor of one axis; blocks of a picture share all of them but the first."""
        known = self._factors.get(axis)
        if known is None or not np.array_equal(known[0], x):
            known = (x, self._network.factor(axis, torch.from_numpy(x).to(self._device)))
            self._factors[axis] = known
        return known[1]
