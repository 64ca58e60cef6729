"""The whole model in torch: quantisation, context model and rate, upsampling, synthesis and distortion.

It is the reference that faster trainers are tested against. Filters are applied as dense band matrices, which is fast
for pictures of some hundred rows and columns and needs memory of the order of their squares beyond.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inr.coders.latent.spec import (
    LOG_SCALE_LIMIT,
    LOG_SCALE_OFFSET,
    NEIGHBOURS,
    PRE_TAPS,
    SYMBOL_MAX,
    SYMBOL_MIN,
    UP_SOURCES,
    UP_TAPS,
    LatentSpec,
)

Networks = Mapping[str, Tensor]
"""The tensors of `LatentSpec.layout` by name."""

_FLOOR = 2.0**-16
_REACH = 3


def soft_round(x: Tensor, temperature: float) -> Tensor:
    """A smooth rounding that hardens as the temperature falls to 0 (Agustsson, Theis 2020, "Universally Quantized")."""
    floor = x.floor()
    slope = 1 / temperature
    return floor + 0.5 + (0.5 / math.tanh(0.5 * slope)) * torch.tanh((x - floor - 0.5) * slope)


@dataclass(frozen=True)
class Measured:
    """What a pyramid costs.

    Attributes:
        bpp: bits of the latents a pixel.
        mse: mean squared error of values in [0, 1].
        lmbda: weight of a bit a pixel against the mean squared error.
    """

    bpp: float
    mse: float
    lmbda: float

    @property
    def cost(self) -> float:
        """``MSE / lambda + bpp``: what training lowers, in bits a pixel."""
        return self.mse / self.lmbda + self.bpp

    @property
    def psnr(self) -> float:
        """In dB of a peak of 1."""
        return -10 * math.log10(max(self.mse, 1e-12))


class Twin:
    """The differentiable model of one picture size; it holds constants only, never weights or latents."""

    def __init__(self, spec: LatentSpec, height: int, width: int) -> None:
        """Build the constants for pictures of ``height x width`` pixels."""
        self.spec, self.height, self.width = spec, height, width
        self.grids = spec.grids(height, width)
        starts = np.cumsum([0, *(grid.size for grid in self.grids)])
        self.spans = tuple((int(a), int(b)) for a, b in itertools.pairwise(starts))
        self.size = int(starts[-1])
        """Entries of all grids together; a pyramid is a vector of so many numbers, grids in coding order."""
        self._rows = [_filters(n) for n in _sizes(height, spec.levels)]
        self._columns = [_filters(n) for n in _sizes(width, spec.levels)]

    def split(self, pyramid: Tensor) -> list[Tensor]:
        """The grids of a pyramid, in coding order, as rows and columns."""
        shapes = [(grid.height, grid.width) for grid in self.grids]
        return [pyramid[a:b].view(shape) for (a, b), shape in zip(self.spans, shapes, strict=True)]

    def laplace(self, pyramid: Tensor, networks: Networks) -> tuple[Tensor, Tensor]:
        """Mean and scale of every entry's distribution, each given the entries that are coded before it."""
        spec = self.spec
        neighbours: Tensor = _Neighbours.apply(pyramid, self)  # type: ignore[no-untyped-call]
        x = torch.cat([neighbours, self._features(pyramid, networks)]) if spec.features else neighbours
        hidden, eye = x, torch.eye(spec.inputs)
        for i in range(spec.hidden):
            weight, bias = networks[f"context.hidden{i}.weight"], networks[f"context.hidden{i}.bias"]
            hidden = torch.relu(torch.addmm(bias[:, None], weight + eye, hidden))
        out = torch.addmm(networks["context.out.bias"][:, None], networks["context.out.weight"], hidden)
        out = out + networks["context.bypass.weight"] @ x
        return out[0], torch.exp((out[1] - LOG_SCALE_OFFSET).clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT))

    def bits(self, pyramid: Tensor, networks: Networks) -> Tensor:
        """Bits of every entry, by the mass of its Laplace distribution within half a unit; at most 16."""
        mean, scale = self.laplace(pyramid, networks)
        offset = pyramid - mean
        mass = _cumulative(offset + 0.5, scale) - _cumulative(offset - 0.5, scale)
        return -torch.log2(mass.clamp_min(_FLOOR))

    def features(self, pyramid: Tensor, networks: Networks) -> Tensor:
        """The synthesised grids at full size, ``(levels, height, width)``, finest first."""
        spec = self.spec
        latents = {grid.level: t for grid, t in zip(self.grids, self.split(pyramid), strict=True) if not grid.hyper}
        maps = latents[spec.levels - 1][None]
        for k in reversed(range(spec.levels - 1)):
            maps = self._filtered(maps, k, "up", networks)
            maps = torch.cat([self._filtered(latents[k][None], k, "pre", networks), maps])
        return maps

    def synthesise(self, pyramid: Tensor, networks: Networks) -> Tensor:
        """The picture, ``(channels, height, width)``, not clamped."""
        spec = self.spec
        maps = self.features(pyramid, networks).reshape(spec.levels, -1)
        hidden = torch.addmm(networks["synthesis.mix0.bias"][:, None], networks["synthesis.mix0.weight"], maps).relu()
        y = torch.addmm(networks["synthesis.mix1.bias"][:, None], networks["synthesis.mix1.weight"], hidden)
        y = y.view(1, spec.channels, self.height, self.width)
        for i in range(spec.residuals):
            weight, bias = networks[f"synthesis.residual{i}.weight"], networks[f"synthesis.residual{i}.bias"]
            y = y + F.conv2d(F.pad(y, (1, 1, 1, 1), mode="replicate"), weight, bias)
            if i + 1 < spec.residuals:
                y = y.relu()
        bypass = networks["synthesis.bypass.weight"] @ maps
        return y[0] + bypass.view(spec.channels, self.height, self.width)

    def loss(self, pyramid: Tensor, networks: Networks, target: Tensor, lmbda: float) -> Tensor:
        """``MSE + lambda bits / pixels``, the quantity that is descended."""
        mse, bpp = self.costs(pyramid, networks, target)
        return mse + lmbda * bpp

    def costs(self, pyramid: Tensor, networks: Networks, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared error, and bits a pixel."""
        mse = (self.synthesise(pyramid, networks) - target).square().mean()
        return mse, self.bits(pyramid, networks).sum() / (self.height * self.width)

    @torch.no_grad()
    def measure(self, pyramid: Tensor, networks: Networks, target: Tensor, lmbda: float) -> Measured:
        """What a file would cost: hard-rounded symbols, a picture clamped to [0, 1]."""
        symbols = hard_round(pyramid)
        error = self.synthesise(symbols, networks).clamp(0, 1) - target
        bits = float(self.bits(symbols, networks).double().sum())
        return Measured(bits / (self.height * self.width), float(error.double().square().mean()), lmbda)

    def _features(self, pyramid: Tensor, networks: Networks) -> Tensor:
        """What coarser grids tell about every entry, ``(features, size)``."""
        spec, grids = self.spec, self.split(pyramid)
        coded = {(grid.level, grid.hyper): t for grid, t in zip(self.grids, grids, strict=True)}
        parts: list[Tensor] = []
        for grid in self.grids:
            if not spec.has_parents(grid.level, grid.hyper):
                parts.append(pyramid.new_zeros(spec.features, grid.size))
                continue
            shape = (-(-grid.height // 2), -(-grid.width // 2))
            coarser = [
                _nearest(coded[level, hyper][None], level - grid.level - 1, shape)
                for level, hyper in spec.coarser(grid.level)
            ]
            mixed = networks[f"parents.level{grid.level}.weight"] @ torch.cat(coarser).reshape(len(coarser), -1)
            parts.append(
                _nearest(mixed.view(-1, *shape), 1, (grid.height, grid.width)).reshape(spec.features, grid.size)
            )
        return torch.cat(parts, dim=1)

    def _filtered(self, maps: Tensor, level: int, kind: str, networks: Networks) -> Tensor:
        """Maps through the filter of a level, rows and columns."""
        taps = networks[f"upsampling.{kind}{level}.weight"]
        rows = torch.tensordot(taps, self._rows[level][kind], 1)
        columns = torch.tensordot(taps, self._columns[level][kind], 1)
        filtered: Tensor = rows @ (maps @ columns.T)
        return filtered


def hard_round(pyramid: Tensor) -> Tensor:
    """The nearest symbols."""
    return pyramid.round().clamp(SYMBOL_MIN, SYMBOL_MAX)


def start_networks(spec: LatentSpec, random: np.random.Generator) -> dict[str, Tensor]:
    """Networks before training: filters that interpolate, residual layers that do nothing, the rest random."""
    networks = {}
    for tensor in spec.layout():
        value: npt.NDArray[Any] = np.zeros(tensor.shape)
        if tensor.name.startswith("upsampling.up"):
            value[:] = [_cubic(0.25 + 0.5 * i) for i in range(UP_TAPS)]
        elif tensor.name.startswith("upsampling.pre"):
            value[0] = 1
        elif tensor.bias or ".hidden" in tensor.name or ".residual" in tensor.name:
            pass
        elif tensor.module in ("context", "parents"):
            value[:] = random.standard_normal(tensor.shape) / tensor.shape[0] ** 2
        else:
            bound = 1 / math.sqrt(tensor.shape[1]) / tensor.shape[0] ** 2
            value[:] = random.uniform(-bound, bound, tensor.shape)
        networks[tensor.name] = torch.from_numpy(value).float()
    return networks


class _Neighbours(torch.autograd.Function):
    """The causal neighbours of every entry, ``(contexts, size)``, zero outside a grid; a gather with its transpose."""

    @staticmethod
    def forward(ctx: Any, pyramid: Tensor, twin: Twin) -> Tensor:
        ctx.twin = twin
        out = pyramid.new_empty(twin.spec.contexts, twin.size)
        for (a, b), grid in zip(twin.spans, twin.split(pyramid), strict=True):
            padded = F.pad(grid, (_REACH, _REACH, _REACH, 0))
            for row, source in zip(
                out, _shifted(padded, grid.shape[0], grid.shape[1], twin.spec.contexts), strict=True
            ):
                row[a:b].view(grid.shape).copy_(source)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        twin: Twin = ctx.twin
        (grad,) = grads
        out = torch.empty(twin.size)
        for (a, b), grid in zip(twin.spans, twin.grids, strict=True):
            padded = torch.zeros(grid.height + _REACH, grid.width + 2 * _REACH)
            sources = _shifted(padded, grid.height, grid.width, twin.spec.contexts)
            for row, source in zip(grad, sources, strict=True):
                source.add_(row[a:b].view(grid.height, grid.width))
            out[a:b].view(grid.height, grid.width).copy_(padded[_REACH:, _REACH:-_REACH])
        return out, None


def _shifted(padded: Tensor, height: int, width: int, contexts: int) -> list[Tensor]:
    return [
        padded[_REACH + row : _REACH + row + height, _REACH + column : _REACH + column + width]
        for row, column in NEIGHBOURS[:contexts]
    ]


def _cumulative(x: Tensor, scale: Tensor) -> Tensor:
    return 0.5 - 0.5 * x.sign() * torch.expm1(-x.abs() / scale)


def _nearest(maps: Tensor, octaves: int, shape: tuple[int, int]) -> Tensor:
    """Every entry repeated ``2^octaves`` times in rows and columns, cut to a shape."""
    if octaves:
        count, height, width = maps.shape
        times = 1 << octaves
        # no copies of a coarse grid larger than the picture: a single entry may stand for 2^octaves of them
        down, right = min(times, shape[0]), min(times, shape[1])
        maps = maps[:, :, None, :, None].expand(count, height, down, width, right)
        maps = maps.reshape(count, height * down, width * right)
    return maps[:, : shape[0], : shape[1]]


def _cubic(distance: float, a: float = -0.75) -> float:
    """The cubic convolution kernel (Keys 1981)."""
    d = abs(distance)
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def _sizes(size: int, levels: int) -> Sequence[int]:
    return [-(-size >> level) for level in range(levels - 1)]


def _filters(size: int) -> dict[str, Tensor]:
    """What each tap adds to the band matrices that make `size` samples, ``(taps, size, sources)``."""
    sources = -(-size // 2)
    up = np.zeros((UP_TAPS, size, sources), dtype=np.float32)
    pre = np.zeros((PRE_TAPS, size, size), dtype=np.float32)
    every = np.arange(size)
    for tap in range(UP_TAPS):
        offset = np.where(every % 2 == 0, UP_SOURCES[0][tap], UP_SOURCES[1][tap])
        up[tap, every, np.clip(every // 2 + offset, 0, sources - 1)] = 1
    for tap in range(PRE_TAPS):
        for side in (-tap, tap) if tap else (0,):
            pre[tap, every, np.clip(every + side, 0, size - 1)] += 1
    return {"up": torch.from_numpy(up), "pre": torch.from_numpy(pre)}
