"""The whole model in torch: quantisation, context model and rate, upsampling, synthesis and distortion.

It is the reference that faster trainers are tested against. Filters are applied as dense band matrices, which is fast
for pictures of some hundred rows and columns and needs memory of the order of their squares beyond.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inr.coders.latent.engine import LATENT_EPSILON, Floats, Index, Measured, Moments, Optimiser, Softness
from inr.coders.latent.soap import Soap, SoapSpec
from inr.coders.latent.spec import (
    FLOOR,
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

_REACH = 3


def soft_round(x: Tensor, temperature: float) -> Tensor:
    """A smooth rounding that hardens as the temperature falls to 0 (Agustsson, Theis 2020, "Universally Quantized")."""
    floor = x.floor()
    slope = 1 / temperature
    half = 0.5 / math.tanh(0.5 * slope)
    return floor + 0.5 + half * torch.tanh((x - floor - 0.5) * slope)


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
        mass = cumulative(offset + 0.5, scale) - cumulative(offset - 0.5, scale)
        return -torch.log2(mass.clamp_min(FLOOR))

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

    def costs(self, pyramid: Tensor, networks: Networks, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared error, and bits a pixel; ``MSE + lambda bpp`` is what is descended."""
        mse = (self.synthesise(pyramid, networks) - target).square().mean()
        return mse, self.bits(pyramid, networks).sum() / (self.height * self.width)

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
                nearest(coded[level, hyper][None], level - grid.level - 1, shape)
                for level, hyper in spec.coarser(grid.level)
            ]
            mixed = networks[f"parents.level{grid.level}.weight"] @ torch.cat(coarser).reshape(len(coarser), -1)
            parts.append(
                nearest(mixed.view(-1, *shape), 1, (grid.height, grid.width)).reshape(spec.features, grid.size)
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


def cumulative(x: Tensor, scale: Tensor) -> Tensor:
    """Of a Laplace distribution about 0."""
    return 0.5 - 0.5 * x.sign() * torch.expm1(-x.abs() / scale)


def nearest(maps: Tensor, octaves: int, shape: tuple[int, int]) -> Tensor:
    """Every entry repeated ``2^octaves`` times in rows and columns, cut to a shape."""
    if octaves:
        *many, height, width = maps.shape
        times = 1 << octaves
        # no copies of a coarse grid larger than the picture: a single entry may stand for 2^octaves of them
        down, right = min(times, shape[0]), min(times, shape[1])
        maps = maps[..., :, None, :, None].expand(*many, height, down, width, right)
        maps = maps.reshape(*many, height * down, width * right)
    return maps[..., : shape[0], : shape[1]]


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


class TwinEngine:
    """See `inr.coders.latent.engine.Engine`: gradients by torch, the rest by numpy."""

    name = "torch"

    def __init__(self, spec: LatentSpec, picture: Floats) -> None:
        """Build the constants for a picture, ``(channels, height, width)``."""
        self.spec, (self.height, self.width) = spec, picture.shape[1:]
        self.twin = Twin(spec, self.height, self.width)
        self.size, self.parameters = self.twin.size, spec.parameters
        self._target = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float32))

    def soft_step(
        self, latents: Floats, networks: Floats, softness: Softness, lmbda: float, moments: Moments, rate: float
    ) -> tuple[Measured, Floats]:
        """See `Engine`."""
        leaf = torch.from_numpy(latents.copy()).requires_grad_(True)
        noise = torch.from_numpy(noise_of(softness.key, self.size)) * softness.sigma
        soft = soft_round(leaf * softness.gain, softness.temperature)
        found, gradients, own = self._gradients(soft_round(soft + noise, softness.temperature), networks, lmbda, leaf)
        gradient = own * np.float32(self.height * self.width / (lmbda * softness.gain))
        first, second = moments.betas
        moments.mean += (gradient - moments.mean) * np.float32(1 - first)
        moments.square *= np.float32(second)
        moments.square += gradient * gradient * np.float32(1 - second)
        move = moments.mean / (np.sqrt(moments.square) + np.float32(LATENT_EPSILON))
        latents -= move * np.float32(rate * moments.correction)
        moments.steps += 1
        return found, gradients

    def hard_gradients(self, latents: Floats, networks: Floats, gain: float, lmbda: float) -> tuple[Measured, Floats]:
        """See `Engine`."""
        found, gradients, _ = self._gradients(hard_round(torch.from_numpy(latents) * gain), networks, lmbda, None)
        return found, gradients

    def measure(self, latents: Floats, networks: Floats, gain: float, lmbda: float) -> Measured:
        """See `Engine`."""
        symbols = hard_round(torch.from_numpy(latents) * gain).numpy()
        return Measured(self.bits(symbols, networks) / (self.height * self.width), self.mse(symbols, networks), lmbda)

    @torch.no_grad()
    def bits(self, symbols: Floats, networks: Floats) -> float:
        """See `Engine`."""
        return float(self.twin.bits(torch.from_numpy(symbols), self._tensors(networks)).double().sum())

    @torch.no_grad()
    def mse(self, symbols: Floats, networks: Floats) -> float:
        """See `Engine`."""
        shown = self.twin.synthesise(torch.from_numpy(symbols), self._tensors(networks)).clamp(0, 1)
        return float((shown - self._target).double().square().mean())

    @torch.no_grad()
    def features(self, symbols: Floats, networks: Floats, rows: Index, columns: Index) -> Floats:
        """See `Engine`."""
        return self.twin.features(torch.from_numpy(symbols), self._tensors(networks)).numpy()[:, rows, columns]

    @torch.no_grad()
    def costs(self, symbols: Floats, networks: Floats, lmbda: float, level: int) -> Floats:
        """See `Engine`."""
        tensors, pyramid = self._tensors(networks), torch.from_numpy(symbols)
        squares = (self.twin.synthesise(pyramid, tensors).clamp(0, 1) - self._target).square()
        found = squares.mean(dim=0) / lmbda
        bits = self.twin.split(self.twin.bits(pyramid, tensors))
        for grid, some in zip(self.twin.grids, bits, strict=True):
            if not grid.hyper and grid.level <= level:
                found[:: 1 << grid.level, :: 1 << grid.level] += some
        return found.numpy()

    def optimiser(self, every: int, anchor: Floats | None = None) -> Optimiser:
        """See `Engine`."""
        return Soap(SoapSpec(every=every), [tensor.shape for tensor in self.spec.layout()], anchor)

    def _tensors(self, networks: Floats) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value.copy()) for name, value in self.spec.split(networks).items()}

    def _gradients(
        self, pyramid: Tensor, networks: Floats, lmbda: float, leaf: Tensor | None
    ) -> tuple[Measured, Floats, Floats]:
        leaves = {name: value.requires_grad_(True) for name, value in self._tensors(networks).items()}
        mse, bpp = self.twin.costs(pyramid, leaves, self._target)
        inputs = [*leaves.values(), *([] if leaf is None else [leaf])]
        found = torch.autograd.grad(mse + lmbda * bpp, inputs)
        flat = np.concatenate([gradient.numpy().reshape(-1) for gradient in found[: len(leaves)]])
        own = np.zeros(0, dtype=np.float32) if leaf is None else found[-1].numpy()
        return Measured(bpp.item(), mse.item(), lmbda), flat, own


def noise_of(key: int, count: int) -> Floats:
    """Standard normal numbers of the entries 0, 1, ... (Box, Muller 1958), as the compiled kernels make them."""
    keys = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    place = np.arange(count, dtype=np.uint32)
    radius, turns = ((_hashed(place, one) >> np.uint32(8)) * 2.0**-24 for one in keys)
    normal = np.sqrt(-2 * np.log(radius + 2.0**-25)) * np.cos(2 * np.pi * (turns - 0.5))
    found: Floats = normal.astype(np.float32)
    return found


def _hashed(x: npt.NDArray[np.uint32], key: np.uint32) -> npt.NDArray[np.uint32]:
    """A number of 32 bits for every counter: the finaliser of MurmurHash3 (Appleby 2011), twice with a key between."""
    x = x ^ key
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x = (x ^ (x >> np.uint32(16))) + key
    x = x * np.uint32(0x9E3779B1)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x85EBCA6B)
    return x ^ (x >> np.uint32(16))
