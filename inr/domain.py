"""Where samples lie: the only place in the project that turns indices into coordinates.

Axis order is array order (row, column for an image). Coordinates lie in [-1, 1]: the longest axis spans the
whole interval and the others keep the proportions, so a cell is as wide as it is high. Time has no common measure with
space: an axis called "t" spans the whole interval by itself, and does not count as the longest. A sample sits at the
centre of its cell by default: sample i of n on [lo, hi] is at lo + (hi - lo)(i + 1/2)/n. Resizing keeps the
box and changes the number of cells, therefore it never shifts the picture.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from inr.errors import SpecError

Alignment = Literal["center", "corner"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Domain:
    """A regular grid of cells over a box.

    Attributes:
        shape: number of samples on each axis, in array order; each at least 1.
        box: (low, high) of each axis in field coordinates.
        alignment: "center" puts samples at cell centres, "corner" puts the first and the last on the borders.
        axes: names of the axes.
        moments: coordinates along the first axis of samples that are not equally far apart; None for all others.
    """

    shape: tuple[int, ...]
    box: tuple[Interval, ...]
    alignment: Alignment = "center"
    axes: tuple[str, ...] = ("y", "x")
    moments: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.shape or any(n < 1 for n in self.shape):
            raise SpecError(f"domain: every axis needs at least 1 sample; got shape {self.shape}")
        if not len(self.shape) == len(self.box) == len(self.axes):
            raise SpecError(f"domain: shape {self.shape}, box {self.box} and axes {self.axes} differ in length")
        for low, high in self.box:
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise SpecError(f"domain: every interval needs finite low < high; got {(low, high)}")
        if self.moments is not None and len(self.moments) != self.shape[0]:
            raise SpecError(f"domain: {len(self.moments)} moments do not fit {self.shape[0]} samples")

    @staticmethod
    def of_shape(shape: tuple[int, ...], axes: tuple[str, ...] = ("y", "x")) -> "Domain":
        """The default domain of a grid: centred, longest axis on [-1, 1], cells as wide as high; "t" on [-1, 1]."""
        longest = max((n for n, axis in zip(shape, axes, strict=False) if axis != "t"), default=1)
        box = tuple(
            (-1.0, 1.0) if axis == "t" else (-n / longest, n / longest) for n, axis in zip(shape, axes, strict=False)
        )
        return Domain(shape, box, axes=axes)

    @property
    def ndim(self) -> int:
        """Number of axes, which is the number of inputs of a field."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of samples."""
        return math.prod(self.shape)

    def is_default(self) -> bool:
        """True if `of_shape(shape)` says it all, so that a file stores the shape alone."""
        return self == Domain.of_shape(self.shape, self.axes)

    def resized(self, shape: tuple[int, ...]) -> "Domain":
        """The same box cut into another number of cells."""
        return replace(self, shape=shape)

    def centred(self) -> "Domain":
        """The centre-aligned grid with the same samples; half a cell larger on each side than a corner-aligned one."""
        if self.alignment == "center":
            return self
        box = []
        for n, (low, high) in zip(self.shape, self.box, strict=True):
            half = (high - low) / (2 * (n - 1)) if n > 1 else 0.0
            box.append((low - half, high + half))
        return replace(self, box=tuple(box), alignment="center")

    def cropped(self, start: tuple[int, ...], shape: tuple[int, ...]) -> "Domain":
        """The sub-grid of `shape` cells that begins at index `start`, centre-aligned.

        Raises:
            SpecError: it is not within the grid.
        """
        whole, box = self.centred(), []
        for first, count, n, (low, high), axis in zip(start, shape, whole.shape, whole.box, whole.axes, strict=True):
            if count < 1 or first < 0 or first + count > n:
                raise SpecError(f"region: axis {axis} has samples 0..{n - 1}; got {count} from {first}")
            box.append((low + (high - low) * first / n, low + (high - low) * (first + count) / n))
        moments = None if self.moments is None else self.moments[start[0] : start[0] + shape[0]]
        return replace(whole, shape=tuple(shape), box=tuple(box), moments=moments)

    def with_moments(self, cells: npt.NDArray[np.float64]) -> "Domain":
        """The grid whose samples along the first axis lie at these places, in cells of this grid, `(n,)`."""
        whole, n = self.centred(), self.shape[0]
        low, high = whole.box[0]
        moments = tuple((low + (high - low) * cells / n).tolist())
        return replace(whole, shape=(len(moments), *self.shape[1:]), moments=moments)

    def window(self, axis: int, first: float, last: float, count: int) -> "Domain":
        """`count` cells over part of one axis, from `first` to `last` in cells of this grid; centre-aligned.

        Raises:
            SpecError: it is not within the grid, or empty.
        """
        whole, n = self.centred(), self.shape[axis]
        if not 0 <= first < last <= n + 1e-6 or count < 1:
            raise SpecError(f"window: axis {self.axes[axis]} has cells 0..{n}; got {count} from {first:g} to {last:g}")
        low, high = whole.box[axis]
        part = (low + (high - low) * first / n, low + (high - low) * min(last, n) / n)
        box = tuple(part if a == axis else interval for a, interval in enumerate(whole.box))
        shape = tuple(count if a == axis else size for a, size in enumerate(whole.shape))
        return replace(whole, shape=shape, box=box)

    def axis_coordinates(self, axis: int) -> npt.NDArray[np.float64]:
        """Coordinates of the samples along one axis, shape `(shape[axis],)`, increasing."""
        if axis == 0 and self.moments is not None:
            return np.array(self.moments)
        n, (low, high) = self.shape[axis], self.box[axis]
        index = np.arange(n, dtype=np.float64)
        if self.alignment == "corner":
            return low + (high - low) * (index / (n - 1) if n > 1 else index + 0.5)
        return low + (high - low) * (index + 0.5) / n

    def at(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Coordinates of positions in samples `(..., ndim)`: sample i is at i, the borders at -1/2 and n - 1/2.

        >>> Domain.of_shape((2, 4)).at(np.array([[0.5, 1.5], [0.0, 0.0]])).tolist()
        [[0.0, 0.0], [-0.25, -0.75]]
        """
        whole = self.centred()
        low, high = np.array(whole.box, dtype=np.float64).T
        found: npt.NDArray[np.float64] = low + (high - low) * (positions + 0.5) / np.array(whole.shape)
        if self.moments is not None:  # between uneven samples in proportion
            found[..., 0] = np.interp(positions[..., 0], np.arange(self.shape[0]), self.moments)
        return found

    def coordinates(
        self, flat_index: npt.NDArray[np.int64], offset: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Coordinates of samples given by their flat (C order) index.

        Args:
            flat_index: `(n,)`.
            offset: `(n, ndim)` in cells, added to the positions; None for none.

        Returns:
            `(n, ndim)`.
        """
        index = np.unravel_index(flat_index, self.shape)
        columns = [self.axis_coordinates(a).astype(np.float32)[i] for a, i in enumerate(index)]
        positions = np.stack(columns, axis=-1)
        if offset is None:
            return positions
        cells = [(high - low) / n for n, (low, high) in zip(self.shape, self.box, strict=True)]
        return positions + offset * np.array(cells, dtype=np.float32)

    def block_coordinates(self, axes: tuple[npt.NDArray[np.int64], ...]) -> tuple[npt.NDArray[np.float32], ...]:
        """Coordinates along each axis of samples given by their indices along it, `(n_a,)` each."""
        return tuple(self.axis_coordinates(a).astype(np.float32)[index] for a, index in enumerate(axes))

    def row_blocks(self, max_samples: int) -> Iterator["Domain"]:
        """Split along the first axis into consecutive sub-domains of at most `max_samples` (at least one row)."""
        rows = max(1, max_samples // (self.size // self.shape[0]))
        for first in range(0, self.shape[0], rows):
            count = min(rows, self.shape[0] - first)
            yield self.cropped((first, *[0] * (self.ndim - 1)), (count, *self.shape[1:]))
