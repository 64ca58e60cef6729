"""Layers of iterative models, which refine a noisy value of a sample step by step."""

import math
from typing import final

import torch
from torch import Tensor

from inr.layers.base import Layer

PHASE = 0.4766
"""How far coordinate 0 lies in its cell: 0.007 from the nearest multiple of 1/(2 z) for the zooms z up to 16 and 32, so
that no rounding of a coordinate moves a sample into another cell. Part of what a file means."""
_GOLDEN, _MIX_1, _MIX_2 = (word - 2**64 for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@final
class CoordinateNoise(Layer):
    """Standard normal numbers that are a function of the cell in which a point lies: a hash, not a generator.

    The cell on axis a is ``k_a = floor(cells x_a / 2 + 0.4766)`` in float64. With ``m`` = `inr.rng.mixed`, the word
    of a cell is ``h = m(... m(m(seed) + k_0) ... + k_last)`` modulo 2^64; word i of the point is ``m(h + i)``. Channel
    c is Box and Muller's ``sqrt(-2 ln u_c) cos(2 pi v_c)`` with u from word c, v from word channels + c, each
    ``(word >> 11 + 1/2) 2^-53``. So tiles, threads and repeated decoding agree, and a zoom shows the noise of the
    same cells. Has no derivative by the coordinates.

    Args:
        channels: numbers a point.
        cells: cells along [-1, 1]; one for each sample of the longest axis makes the noise of samples independent.
        seed: of the hash, at least 0.
    """

    def __init__(self, channels: int, cells: int, seed: int) -> None:
        super().__init__()
        self.channels = channels
        self.cells = cells
        self.seed = seed

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, channels)`."""
        cell = torch.floor(x.detach().double() * (self.cells / 2) + PHASE).to(torch.int64)
        word = mixed(torch.full_like(cell[:, 0], self.seed))
        for axis in range(cell.shape[1]):
            word = mixed(word + cell[:, axis])
        words = mixed(word[:, None] + torch.arange(2 * self.channels, device=x.device))
        unit = (_shifted(words, 11).double() + 0.5) * 2.0**-53
        radius, angle = unit.chunk(2, dim=1)
        return (torch.sqrt(-2 * torch.log(radius)) * torch.cos(2 * math.pi * angle)).to(x.dtype)


def mixed(words: Tensor) -> Tensor:
    """`inr.rng.mixed` of 64-bit words held as signed integers, whose sums and products wrap around."""
    z = words + _GOLDEN
    z = (z ^ _shifted(z, 30)) * _MIX_1
    z = (z ^ _shifted(z, 27)) * _MIX_2
    return z ^ _shifted(z, 31)


def _shifted(words: Tensor, bits: int) -> Tensor:
    """Shift right as an unsigned number: zeros come in, not the sign."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)


@final
class NoisyTarget(Layer):
    """``y = (1 - t) I + t Z + t n / 10``: what the state of a denoising process looks like at moment t."""

    def forward(self, target: Tensor, noise: Tensor, moment: Tensor, fresh: Tensor) -> Tensor:
        """`(n, c)`, `(n, c)`, `(n, 1)`, `(n, c)` -> `(n, c)`."""
        return (1 - moment) * target + moment * (noise + 0.1 * fresh)


@final
class Blend(Layer):
    """``y = share x_1 + (1 - share) x_2``."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """`(n, d)`, `(n, d)` -> `(n, d)`."""
        return self.share * first + (1 - self.share) * second


@final
class Constant(Layer):
    """The same number for every row of its input, `width` times."""

    def __init__(self, value: float, width: int = 1) -> None:
        super().__init__()
        self.value = value
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d)` -> `(n, width)`."""
        return x.new_full((x.shape[0], self.width), self.value)


@final
class Columns(Layer):
    """Features `first` to `last` - 1 of its input."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.first = first
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d)` -> `(n, last - first)`."""
        return x[:, self.first : self.last]
