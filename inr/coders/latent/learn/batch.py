"""The model of `inr.coders.latent.twin` for many pictures at once, each with latents and networks of its own.

A pyramid is ``(batch, size)``, a tensor of a network ``(batch, *shape)``. It runs on any device of torch, and as a
captured graph of one. Neighbours are gathered through tables of indices, filters are dense band matrices. Layers of
1x1 work on pieces of some thousand entries, ``(batch pieces, channels, entries)``: a library's product of matrices as
long as a picture, which a gradient of weights would need, keeps few of a GPU's cores busy.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inr.coders.latent.spec import LOG_SCALE_LIMIT, LOG_SCALE_OFFSET, NEIGHBOURS, LatentSpec
from inr.coders.latent.twin import FLOOR, Networks, Twin, cumulative, hard_round, nearest

_PIECE = 2048
"""Entries of a piece, at most."""
_ARMS = tuple((row, column) for row in range(3) for column in range(3))


class BatchTwin:
    """The differentiable model of so many pictures of one size."""

    def __init__(self, spec: LatentSpec, height: int, width: int, device: str = "cpu") -> None:
        """Build the constants for pictures of ``height x width`` pixels on a device."""
        self.spec, self.height, self.width, self.device = spec, height, width, device
        twin = Twin(spec, height, width)
        self.grids, self.spans, self.size = twin.grids, twin.spans, twin.size
        self._rows = [{name: t.flatten(1).to(device) for name, t in f.items()} for f in twin._rows]
        self._columns = [{name: t.flatten(1).to(device) for name, t in f.items()} for f in twin._columns]
        self._pieces = -(-self.size // _PIECE)
        self._length = -(-self.size // self._pieces)
        self._strip = height // _strips(height, width)
        self._around, self._back = (torch.from_numpy(t).to(device) for t in self._neighbour_tables())
        self._places = {(g.level, g.hyper): span for g, span in zip(self.grids, self.spans, strict=True)}
        self._shapes = {g.level: (g.height, g.width) for g in self.grids}

    def laplace(self, pyramid: Tensor, networks: Networks) -> tuple[Tensor, Tensor]:
        """Mean and scale of every entry's distribution, ``(batch, size)`` each."""
        spec, count = self.spec, len(pyramid)
        x: Tensor = _Neighbours.apply(pyramid, self._around, self._back)  # type: ignore[no-untyped-call]
        if spec.features:
            features = F.pad(self._features(pyramid, networks), (0, self._pieces * self._length - self.size))
            x = torch.cat([x, features.view(count, -1, self._pieces, self._length).transpose(1, 2)], 2)
        x = x.flatten(0, 1)
        hidden, eye = x, torch.eye(spec.inputs, device=x.device)
        for i in range(spec.hidden):
            weight, bias = networks[f"context.hidden{i}.weight"], networks[f"context.hidden{i}.bias"]
            hidden = torch.relu(_layer(hidden, weight + eye, bias))
        out = _layer(hidden, networks["context.out.weight"], networks["context.out.bias"])
        out = out + _layer(x, networks["context.bypass.weight"])
        mean, scale = out.view(count, self._pieces, 2, self._length).unbind(2)
        mean, scale = mean.reshape(count, -1)[:, : self.size], scale.reshape(count, -1)[:, : self.size]
        return mean, torch.exp((scale - LOG_SCALE_OFFSET).clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT))

    def bits(self, pyramid: Tensor, networks: Networks) -> Tensor:
        """Bits of every entry, ``(batch, size)``; at most 16."""
        mean, scale = self.laplace(pyramid, networks)
        offset = pyramid - mean
        mass = cumulative(offset + 0.5, scale) - cumulative(offset - 0.5, scale)
        return -torch.log2(mass.clamp_min(FLOOR))

    def synthesise(self, pyramid: Tensor, networks: Networks) -> Tensor:
        """The pictures, ``(batch, channels, height, width)``, not clamped."""
        spec, count, strip = self.spec, len(pyramid), self._strip
        maps = self._maps(pyramid, networks).view(count, -1, strip, spec.levels, self.width).transpose(2, 3)
        maps = maps.reshape(-1, spec.levels, strip * self.width)
        hidden = torch.relu(_layer(maps, networks["synthesis.mix0.weight"], networks["synthesis.mix0.bias"]))
        y = _layer(hidden, networks["synthesis.mix1.weight"], networks["synthesis.mix1.bias"])
        for i in range(spec.residuals):
            weight, bias = networks[f"synthesis.residual{i}.weight"], networks[f"synthesis.residual{i}.bias"]
            around: Tensor = _Arms.apply(_framed(self._whole(y, count)), strip)  # type: ignore[no-untyped-call]
            y = y + _layer(around, weight.flatten(2), bias)
            if i + 1 < spec.residuals:
                y = torch.relu(y)
        return self._whole(y + _layer(maps, networks["synthesis.bypass.weight"]), count)

    def losses(self, pyramid: Tensor, networks: Networks, target: Tensor, lmbda: Tensor) -> Tensor:
        """``MSE + lambda bits / pixels`` of each picture, ``(batch,)``."""
        mse = (self.synthesise(pyramid, networks) - target).square().mean((1, 2, 3))
        return mse + lmbda / (self.height * self.width) * self.bits(pyramid, networks).sum(1)

    @torch.no_grad()
    def measure(self, pyramid: Tensor, networks: Networks, target: Tensor) -> tuple[Tensor, Tensor]:
        """Bits of the latents a pixel and mean squared error of hard-rounded symbols, ``(batch,)`` each."""
        symbols = hard_round(pyramid)
        error = self.synthesise(symbols, networks).clamp(0, 1) - target
        bits = self.bits(symbols, networks).double().sum(1)
        return bits / (self.height * self.width), error.double().square().mean((1, 2, 3))

    def _whole(self, strips: Tensor, count: int) -> Tensor:
        """Strips of pictures, ``(batch strips, channels, pixels)``, put together."""
        parts = strips.view(count, -1, self.spec.channels, self._strip, self.width)
        return parts.transpose(1, 2).reshape(count, self.spec.channels, self.height, self.width)

    def _grid(self, pyramid: Tensor, level: int, hyper: bool) -> Tensor:
        first, last = self._places[level, hyper]
        return pyramid[:, first:last].view(len(pyramid), *self._shapes[level])

    def _features(self, pyramid: Tensor, networks: Networks) -> Tensor:
        """What coarser grids tell about every entry, ``(batch, features, size)``."""
        spec, count = self.spec, len(pyramid)
        parts: list[Tensor] = []
        for grid in self.grids:
            if not spec.has_parents(grid.level, grid.hyper):
                parts.append(pyramid.new_zeros(count, spec.features, grid.size))
                continue
            shape = (-(-grid.height // 2), -(-grid.width // 2))
            coarser = [
                nearest(self._grid(pyramid, level, hyper)[:, None], level - grid.level - 1, shape)
                for level, hyper in spec.coarser(grid.level)
            ]
            stacked = torch.cat(coarser, 1).view(count, len(coarser), _strips(*shape), -1, shape[1]).movedim(2, 1)
            mixed = _layer(
                stacked.reshape(-1, len(coarser), stacked[0, 0, 0].numel()),
                networks[f"parents.level{grid.level}.weight"],
            )
            mixed = mixed.view(count, -1, spec.features, *stacked.shape[3:]).transpose(1, 2).reshape(count, -1, *shape)
            parts.append(nearest(mixed, 1, (grid.height, grid.width)).reshape(count, spec.features, grid.size))
        return torch.cat(parts, 2)

    def _maps(self, pyramid: Tensor, networks: Networks) -> Tensor:
        """The synthesised grids at full size, ``(batch, height, levels, width)``, finest first."""
        maps = self._grid(pyramid, self.spec.levels - 1, False)[:, :, None]
        for k in reversed(range(self.spec.levels - 1)):
            maps = self._filtered(maps, k, "up", networks)
            fine = self._filtered(self._grid(pyramid, k, False)[:, :, None], k, "pre", networks)
            maps = torch.cat([fine, maps], 2)
        return maps

    def _filtered(self, maps: Tensor, level: int, kind: str, networks: Networks) -> Tensor:
        """Maps, ``(batch, rows, maps, columns)``, through the filter of a level."""
        count, height, many, width = maps.shape
        taps = networks[f"upsampling.{kind}{level}.weight"]
        rows = (taps @ self._rows[level][kind]).view(count, -1, height)
        columns = (taps @ self._columns[level][kind]).view(count, -1, width)
        wide = torch.bmm(maps.reshape(count, height * many, width), columns.transpose(1, 2))
        return torch.bmm(rows, wide.view(count, height, -1)).view(count, rows.shape[1], many, -1)

    def _neighbour_tables(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the neighbours of every entry lie, ``(pieces, contexts, length)``, and where an entry is a neighbour.

        The second is ``(contexts, size)`` and counts in the first, flattened; in both an index one past the end
        stands for nothing.
        """
        contexts, size, length = self.spec.contexts, self.size, self._length
        around = np.full((contexts, self._pieces * length), size, dtype=np.int64)
        back = np.full((contexts, size), around.size, dtype=np.int64)
        for grid, (first, last) in zip(self.grids, self.spans, strict=True):
            y, x = np.mgrid[: grid.height, : grid.width].reshape(2, -1)
            here = np.arange(first, last)
            for c, (dy, dx) in enumerate(NEIGHBOURS[:contexts]):
                inside = here[(y + dy >= 0) & (x + dx >= 0) & (x + dx < grid.width)]
                sources = inside + dy * grid.width + dx
                around[c, inside] = sources
                back[c, sources] = (inside // length * contexts + c) * length + inside % length
        return np.ascontiguousarray(around.reshape(contexts, self._pieces, length).swapaxes(0, 1)), back


class _Neighbours(torch.autograd.Function):
    """The causal neighbours of every entry, ``(batch, pieces, contexts, length)``, zero outside a grid; two gathers."""

    @staticmethod
    def forward(ctx: Any, pyramid: Tensor, around: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return F.pad(pyramid, (0, 1))[:, around]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        padded = F.pad(grads[0].flatten(1), (0, 1))
        out = padded[:, back[0]]
        for row in back[1:]:
            out += padded[:, row]
        return out, None, None


class _Arms(torch.autograd.Function):
    """The 3x3 surroundings of every pixel, ``(batch strips, channels 9, pixels)``, of pictures with a frame of one."""

    @staticmethod
    def forward(ctx: Any, framed: Tensor, strip: int) -> Tensor:
        ctx.shape, ctx.strip = framed.shape, strip
        height, width = framed.shape[2] - 2, framed.shape[3] - 2
        parts = [framed[:, :, r : r + height, c : c + width] for r, c in _ARMS]
        split = (*framed.shape[:2], -1, strip, width)
        stacked = torch.stack([part.reshape(split).transpose(1, 2) for part in parts], 3)
        return stacked.view(-1, framed.shape[1] * len(_ARMS), strip * width)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        count, channels, height, width = ctx.shape[0], ctx.shape[1], ctx.shape[2] - 2, ctx.shape[3] - 2
        parts = grads[0].view(count, -1, channels, len(_ARMS), ctx.strip, width).transpose(1, 2)
        out = grads[0].new_zeros(ctx.shape)
        rows = parts.transpose(2, 3).reshape(count, channels, len(_ARMS), height, width)
        for i, (r, c) in enumerate(_ARMS):
            out[:, :, r : r + height, c : c + width] += rows[:, :, i]
        return out, None


def _strips(height: int, width: int) -> int:
    """The fewest strips of equal height that are pieces."""
    return min(n for n in range(1, height + 1) if height % n == 0 and (height // n * width <= _PIECE or n == height))


def _layer(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 1x1 layer of pieces: weights ``(batch, outputs, inputs)``, for as many pieces of each picture."""
    pieces = len(x) // len(weight)
    weight = weight[:, None].expand(-1, pieces, -1, -1).flatten(0, 1)
    if bias is None:
        return torch.bmm(weight, x)
    return torch.baddbmm(bias[:, None, :, None].expand(-1, pieces, -1, -1).flatten(0, 1), weight, x)


def _framed(y: Tensor) -> Tensor:
    """Pictures with their edges repeated once."""
    y = torch.cat([y[:, :, :1], y, y[:, :, -1:]], 2)
    return torch.cat([y[..., :1], y, y[..., -1:]], 3)


def copies(networks: Mapping[str, Tensor], counts: list[int]) -> dict[str, Tensor]:
    """A copy of its group's networks for every picture.

    Args:
        networks: ``(groups, *shape)`` by name.
        counts: pictures of each group.
    """
    repeats = torch.tensor(counts, device=next(iter(networks.values())).device)
    return {name: value.repeat_interleave(repeats, 0, output_size=sum(counts)) for name, value in networks.items()}
