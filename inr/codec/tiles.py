"""Signals in tiles: each tile is a field of its own, in coordinates of its own."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inr.backends.base import Coordinates, Field, ModuleField, Positions, Values
from inr.backends.derivative import jacobian
from inr.domain import Domain
from inr.errors import SpecError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Tiling:
    """A grid cut into tiles along each axis.

    Tile k of K along an axis of n samples holds the samples from ``floor(k n / K)`` up to ``floor((k + 1) n / K)``. Its
    field has the coordinates of a signal of the tile's shape.

    Attributes:
        domain: of the whole; centred, with the default box.
        counts: tiles along each axis.
    """

    domain: Domain
    counts: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return math.prod(self.counts)

    def edges(self, axis: int) -> list[int]:
        """Indices at which the tiles along an axis begin, and the end."""
        n, tiles = self.domain.shape[axis], self.counts[axis]
        return [k * n // tiles for k in range(tiles + 1)]

    def local(self, tile: int) -> Domain:
        """The grid of a tile in its own coordinates; tiles are counted in C order."""
        return Domain.of_shape(tuple(last - first for first, last in self.spans(tile)), self.domain.axes)

    def spans(self, tile: int) -> list[tuple[int, int]]:
        """First sample of a tile and the one after its last, for each axis."""
        places = np.unravel_index(tile, self.counts)
        return [(self.edges(a)[int(k)], self.edges(a)[int(k) + 1]) for a, k in enumerate(places)]

    def scaled(self, tile: int, axis: int, x: Positions) -> Coordinates:
        """Coordinates of the whole along one axis as those of a tile."""
        first, last = self.spans(tile)[axis]
        n, (low, high) = self.domain.shape[axis], self.domain.box[axis]
        cells = (x.astype(np.float64) - low) / (high - low) * n
        own_low, own_high = self.local(tile).box[axis]
        return (own_low + (cells - first) / (last - first) * (own_high - own_low)).astype(np.float32)

    def factors(self, tile: int) -> npt.NDArray[np.float64]:
        """Factors and shifts of the coordinates of the whole that make them those of a tile, `(2, axes)`."""
        ends = np.array(self.domain.box, dtype=np.float64)
        own = np.array(self.local(tile).box, dtype=np.float64)
        spans, sizes = np.array(self.spans(tile), dtype=np.float64), np.array(self.domain.shape)
        first, length = spans[:, 0], spans[:, 1] - spans[:, 0]
        factor = sizes / (ends[:, 1] - ends[:, 0]) * (own[:, 1] - own[:, 0]) / length
        shift = own[:, 0] - first / length * (own[:, 1] - own[:, 0]) - ends[:, 0] * factor
        return np.stack([factor, shift])

    def borders(self, axis: int) -> list[float]:
        """Coordinates of the whole at which the tiles along an axis meet."""
        n, (low, high) = self.domain.shape[axis], self.domain.box[axis]
        return [low + (high - low) * edge / n for edge in self.edges(axis)[1:-1]]

    def places(self, axis: int, x: Positions) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Which tile along an axis each coordinate lies in; what lies outside belongs to the nearest."""
        n, (low, high) = self.domain.shape[axis], self.domain.box[axis]
        cells = (x.astype(np.float64) - low) / (high - low) * n
        return np.searchsorted(np.array(self.edges(axis)[1:-1], dtype=np.float64), cells, side="right")


class TiledField:
    """A field made of the fields of tiles; it holds one of them at a time.

    Args:
        tiling: where the tiles lie.
        open_tile: makes the field of a tile by its number.
        channels: outputs.
    """

    def __init__(self, tiling: Tiling, open_tile: Callable[[int], Field], channels: int) -> None:
        self._tiling, self._open, self._channels = tiling, open_tile, channels
        self._opened: tuple[int, Field] | None = None

    def __call__(self, coordinates: Positions) -> Values:
        """See `Field`."""
        tiling = self._tiling
        tiles = self._tiles_of(coordinates)
        values = np.empty((len(coordinates), self._channels), dtype=np.float32)
        for tile in np.unique(tiles).tolist():
            chosen = tiles == tile
            own = [tiling.scaled(tile, a, coordinates[chosen, a]) for a in range(tiling.domain.ndim)]
            values[chosen] = self._tile(tile)(np.stack(own, axis=-1))
        return values

    def grid(self, axes: Sequence[Positions]) -> Values:
        """See `Field`."""
        tiling = self._tiling
        places = [tiling.places(a, x) for a, x in enumerate(axes)]
        values = np.empty((*[len(x) for x in axes], self._channels), dtype=np.float32)
        for combination in itertools.product(*[np.unique(place).tolist() for place in places]):
            tile = int(np.ravel_multi_index(combination, tiling.counts))
            chosen = [np.flatnonzero(place == k) for place, k in zip(places, combination, strict=True)]
            own = [tiling.scaled(tile, a, axes[a][index]) for a, index in enumerate(chosen)]
            shape = [len(index) for index in chosen]
            values[np.ix_(*chosen)] = self._tile(tile).grid(own).reshape(*shape, self._channels)
        return values.reshape(-1, self._channels)

    def jacobian(self, coordinates: Positions) -> Values:
        """See `DifferentiableField`; of tiles that do not know their derivative by differences."""
        tiling, tiles = self._tiling, self._tiles_of(coordinates)
        slopes = np.empty((len(coordinates), self._channels, coordinates.shape[1]), dtype=np.float32)
        for tile in np.unique(tiles).tolist():
            chosen, local = tiles == tile, tiling.local(tile)
            own = [tiling.scaled(tile, a, coordinates[chosen, a]) for a in range(tiling.domain.ndim)]
            steps = [0.1 * (high - low) / n for n, (low, high) in zip(local.shape, local.box, strict=True)]
            inner = jacobian(self._tile(tile), np.stack(own, axis=-1), steps)
            slopes[chosen] = inner * tiling.factors(tile)[0]
        return slopes

    def module(self) -> "nn.Module":
        """See `ModuleField`; raises `SpecError` if the tiles are no modules."""
        from inr.backends.torch import TilesModule

        tiling, tiles = self._tiling, []
        for tile in range(tiling.count):
            field = self._open(tile)
            if not isinstance(field, ModuleField):
                raise SpecError("module: the coder of this field has no form in torch")
            tiles.append(field.module())
        factors = [[row.tolist() for row in tiling.factors(tile)] for tile in range(tiling.count)]
        return TilesModule(tiles, tiling.counts, [tiling.borders(a) for a in range(tiling.domain.ndim)], factors)

    def _tiles_of(self, coordinates: Positions) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """The tile of each point."""
        places = [self._tiling.places(a, coordinates[:, a]) for a in range(self._tiling.domain.ndim)]
        return np.ravel_multi_index(tuple(places), self._tiling.counts)

    def _tile(self, tile: int) -> Field:
        known = self._opened  # another thread may put another tile there meanwhile
        if known is None or known[0] != tile:
            known = self._opened = (tile, self._open(tile))
        return known[1]
