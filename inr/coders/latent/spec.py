"""The shape of a latent pyramid and of its networks: what the trainer, the stream and the synthesis agree on."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from inr.spec import Spec

Module = Literal["context", "parents", "upsampling", "synthesis"]

MODULES: tuple[Module, ...] = ("context", "parents", "upsampling", "synthesis")
"""The four networks, in the order of a file."""

SYMBOL_MIN, SYMBOL_MAX = -64, 63
"""The smallest and the largest integer that a grid may hold."""

LOG_SCALE_OFFSET, LOG_SCALE_LIMIT = 4.0, 5.0
"""The scale of a Laplace distribution is ``exp(clamp(s - OFFSET, -LIMIT, LIMIT))`` of the context model's output s."""

FLOOR = 2.0**-16
"""The least probability that a symbol counts with in training, whatever the networks say."""

NEIGHBOURS: tuple[tuple[int, int], ...] = (
    (0, -1),
    (-1, 0),
    (-1, -1),
    (-1, 1),
    (0, -2),
    (-2, 0),
    (-3, 0),
    (0, -3),
    (-1, -2),
    (-2, 1),
    (-1, 2),
    (-2, -1),
    (-2, 2),
    (-2, -2),
)
"""(row, column) offsets of the causal neighbours, the most telling first; a model uses the first `contexts` of them.

None is further right than two columns a row, so all symbols with equal ``column + 3 row`` can be decoded at once.
"""

UP_TAPS = 4
"""Free numbers of an 8-tap filter that doubles a grid: the weights of sources .25, .75, 1.25, 1.75 source pixels away.

``y[2p] = t0 x[p] + t1 x[p-1] + t2 x[p+1] + t3 x[p-2]`` and ``y[2p+1] = t0 x[p] + t1 x[p+1] + t2 x[p-1] + t3 x[p+2]``,
indices clamped to the grid, the result cut to the size of the finer grid; rows and columns alike.
"""

UP_SOURCES = ((0, -1, 1, -2), (0, 1, -1, 2))
"""Offsets of the sources that these taps weigh, of an even and of an odd sample."""

PRE_TAPS = 4
"""Free numbers of the 7-tap filter of a finer grid, the middle first: ``y[p] = t0 x[p] + sum tj (x[p-j] + x[p+j])``,
indices clamped to the grid; rows and columns alike."""


@dataclass(frozen=True)
class Grid:
    """One coded grid of integers.

    Attributes:
        level: it has ``ceil(height / 2^level) x ceil(width / 2^level)`` entries.
        hyper: True for one that only helps to predict others and is not synthesised.
        height: rows.
        width: columns.
    """

    level: int
    hyper: bool
    height: int
    width: int

    @property
    def name(self) -> str:
        """``latent3`` or ``hyper5``."""
        return f"{'hyper' if self.hyper else 'latent'}{self.level}"

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.height * self.width


@dataclass(frozen=True)
class Tensor:
    """One tensor of a network.

    Attributes:
        module: the network it belongs to.
        name: unique among all networks, ``module.layer.weight`` or ``module.layer.bias``.
        shape: outputs first, then inputs, then rows and columns of a stencil.
    """

    module: Module
    name: str
    shape: tuple[int, ...]

    @property
    def bias(self) -> bool:
        """True for an additive term; all others (filters too) count as weights."""
        return self.name.endswith(".bias")

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


class LatentSpec(Spec):
    """Counts that fix every grid and every tensor of a picture of known size.

    The defaults are the largest published decoder that takes about 2,000 multiplications a pixel (`hop`).
    """

    channels: int = Field(default=3, ge=1, le=64)
    """Values of a pixel."""
    levels: int = Field(default=7, ge=1, le=12)
    """Synthesised grids: at 1, 1/2, 1/4, ... of the picture."""
    hyper: tuple[int, ...] = (4, 5, 6)
    """Levels, ascending, that have a further grid which only helps to predict."""
    contexts: int = Field(default=14, ge=1, le=len(NEIGHBOURS))
    """Causal neighbours that predict a symbol."""
    features: int = Field(default=6, ge=0, le=16)
    """Numbers that tell the context model about the coarser grids."""
    parent_levels: int = Field(default=3, ge=0, le=12)
    """The finest so many levels have features of coarser grids; the features of the others are zero."""
    hidden: int = Field(default=2, ge=0, le=3)
    """Residual layers of the context model."""
    width: int = Field(default=48, ge=1, le=256)
    """Hidden width of the synthesis."""
    residuals: int = Field(default=2, ge=0, le=3)
    """3x3 residual layers of the synthesis."""

    @property
    def inputs(self) -> int:
        """Inputs, and width, of the context model: neighbours first, then features."""
        return self.contexts + self.features

    @property
    def hyper_levels(self) -> tuple[int, ...]:
        """Those of `hyper` that exist."""
        return tuple(level for level in sorted(set(self.hyper)) if 0 <= level < self.levels)

    def grids(self, height: int, width: int) -> tuple[Grid, ...]:
        """All coded grids of a picture in coding order: coarse to fine, a level's hyper grid before its latents."""
        found = []
        for level in reversed(range(self.levels)):
            rows, columns = level_shape(height, width, level)
            if level in self.hyper_levels:
                found.append(Grid(level, True, rows, columns))
            found.append(Grid(level, False, rows, columns))
        return tuple(found)

    def split_grids(self, values: npt.NDArray[Any], height: int, width: int) -> dict[str, npt.NDArray[Any]]:
        """Views of all grids of a picture by name, of a vector that has them one after the other in coding order."""
        found, first = {}, 0
        for grid in self.grids(height, width):
            found[grid.name] = values[first : first + grid.size].reshape(grid.height, grid.width)
            first += grid.size
        return found

    def coarser(self, level: int) -> tuple[tuple[int, bool], ...]:
        """(level, hyper) of the grids that tell about a level: all coded ones above it, in coding order."""
        known = self.hyper_levels
        return tuple(
            (coarse, hyper)
            for coarse in range(self.levels - 1, level, -1)
            for hyper in ((True, False) if coarse in known else (False,))
        )

    def has_parents(self, level: int, hyper: bool = False) -> bool:
        """True if the features of this grid come from coarser grids."""
        return not hyper and self.features > 0 and level < self.parent_levels and level < self.levels - 1

    def layout(self) -> tuple[Tensor, ...]:
        """All tensors of the networks, in the order of a file."""
        return _layout(self)

    @property
    def parameters(self) -> int:
        """Numbers of all networks."""
        return sum(tensor.size for tensor in self.layout())

    def split(self, networks: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Views of all tensors by name, of a vector that has them one after the other."""
        found, first = {}, 0
        for tensor in self.layout():
            found[tensor.name] = networks[first : first + tensor.size].reshape(tensor.shape)
            first += tensor.size
        return found

    def joined(self, networks: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """The vector that `split` takes apart."""
        return np.concatenate([np.asarray(networks[t.name], np.float32).reshape(-1) for t in self.layout()])

    def _context(self) -> tuple[Tensor, ...]:
        n = self.inputs
        layers = []
        for i in range(self.hidden):
            layers += [
                Tensor("context", f"context.hidden{i}.weight", (n, n)),
                Tensor("context", f"context.hidden{i}.bias", (n,)),
            ]
        return (
            *layers,
            Tensor("context", "context.out.weight", (2, n)),
            Tensor("context", "context.out.bias", (2,)),
            Tensor("context", "context.bypass.weight", (2, n)),
        )

    def _parents(self) -> tuple[Tensor, ...]:
        levels = [level for level in range(self.levels) if self.has_parents(level)]
        return tuple(
            Tensor("parents", f"parents.level{k}.weight", (self.features, len(self.coarser(k)))) for k in levels
        )

    def _upsampling(self) -> tuple[Tensor, ...]:
        layers = []
        for k in range(self.levels - 1):  # step k goes from level k + 1 to level k
            layers += [
                Tensor("upsampling", f"upsampling.up{k}.weight", (UP_TAPS,)),
                Tensor("upsampling", f"upsampling.pre{k}.weight", (PRE_TAPS,)),
            ]
        return tuple(layers)

    def _synthesis(self) -> tuple[Tensor, ...]:
        c, inputs = self.channels, self.levels
        layers = [
            Tensor("synthesis", "synthesis.mix0.weight", (self.width, inputs)),
            Tensor("synthesis", "synthesis.mix0.bias", (self.width,)),
            Tensor("synthesis", "synthesis.mix1.weight", (c, self.width)),
            Tensor("synthesis", "synthesis.mix1.bias", (c,)),
        ]
        for i in range(self.residuals):
            layers += [
                Tensor("synthesis", f"synthesis.residual{i}.weight", (c, c, 3, 3)),
                Tensor("synthesis", f"synthesis.residual{i}.bias", (c,)),
            ]
        return (*layers, Tensor("synthesis", "synthesis.bypass.weight", (c, inputs)))


@functools.lru_cache(maxsize=64)
def _layout(spec: LatentSpec) -> tuple[Tensor, ...]:
    """Asked for again and again."""
    return (*spec._context(), *spec._parents(), *spec._upsampling(), *spec._synthesis())


def level_shape(height: int, width: int, level: int) -> tuple[int, int]:
    """Rows and columns of a level: the size of the picture over ``2^level``, rounded up."""
    return -(-height >> level), -(-width >> level)
