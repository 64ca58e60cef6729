"""Noise that is a function of the coordinates, for models that refine it step by step."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Layer
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors

PHASE = 0.4766
"""How far coordinate 0 lies in its cell: 0.007 from the nearest multiple of 1/(2 z) for the zooms z up to 16 and 32, so
that no rounding of a coordinate moves a sample into another cell. Part of what a file means."""
_GOLDEN, _MIX_1, _MIX_2 = (word - 2**64 for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class CoordinateNoise(Layer):
    """Standard normal numbers that are a function of the cell in which a point lies: a hash, not a generator.

    The cell on axis a is ``k_a = floor(cells x_a / 2 + 0.4766)`` in float64. With ``m`` = `inr.rng.mixed`, the word
    of a cell is ``h = m(... m(m(seed) + k_0) ... + k_last)`` modulo 2^64; word i of the point is ``m(h + i)``. Channel
    c is Box and Muller's ``sqrt(-2 ln u_c) cos(2 pi v_c)`` with u from word c, v from word channels + c, each
    ``(word >> 11 + 1/2) 2^-53``. So tiles, threads and repeated decoding agree, and a zoom shows the noise of the
    same cells. Has no derivative by the coordinates.

    Attributes:
        channels: numbers a point.
        cells: cells along [-1, 1]; one for each sample of the longest axis makes the noise of samples independent.
        seed: of the hash, at least 0.
    """

    kind: ClassVar[str] = "coordinate_noise"
    channels: int
    cells: int
    seed: int

    def width(self, *inputs: int) -> int:
        """The channels."""
        del inputs
        return self.channels

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("noise", (self.channels, self.cells, self.seed), (PHASE,))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` -> `(n, channels)`."""
        import torch

        del tensors
        cell = torch.floor(x.detach().double() * (self.cells / 2) + PHASE).to(torch.int64)
        word = mixed(torch.full_like(cell[:, 0], self.seed))
        for axis in range(cell.shape[1]):
            word = mixed(word + cell[:, axis])
        words = mixed(word[:, None] + torch.arange(2 * self.channels, device=x.device))
        unit = (_shifted(words, 11).double() + 0.5) * 2.0**-53
        radius, angle = unit.chunk(2, dim=1)
        return (torch.sqrt(-2 * torch.log(radius)) * torch.cos(2 * math.pi * angle)).to(x.dtype)


def mixed(words: "Tensor") -> "Tensor":
    """`inr.rng.mixed` of 64-bit words held as signed integers, whose sums and products wrap around."""
    z = words + _GOLDEN
    z = (z ^ _shifted(z, 30)) * _MIX_1
    z = (z ^ _shifted(z, 27)) * _MIX_2
    return z ^ _shifted(z, 31)


def _shifted(words: "Tensor", bits: int) -> "Tensor":
    """Shift right as an unsigned number: zeros come in, not the sign."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)


CoordinateNoise.EXAMPLES = ((CoordinateNoise(3, 16, 5), (2,)),)
