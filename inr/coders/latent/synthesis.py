"""The picture that latents stand for, at its own pixels and anywhere between them, compiled or in numpy.

Grids are brought to the size of the picture by learned filters: feature maps, known at the centres of pixels. Between
those they are interpolated by the cubic kernel that the filters start from (Keys 1981, a = -0.75), which passes through
what it interpolates; beyond the centres of the outermost pixels they stay as they are. A 3x3 layer is a stencil whose
arms are one pixel of the picture long, wherever its middle lies, clamped to the same range. So a value is defined by
the file and the place alone, and at the centres of pixels it is what a convolution over the picture gives.

Places are in pixels, the centre of the first at 0, and are rounded to 2^-10 pixels, about what coordinates in 32 bits
tell apart: then neighbours that several places share are found to be equal, and computed once.
"""

from collections.abc import Mapping, Sequence
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inr.coders.latent.compiled import Axis, CompiledSynthesis, compiled_synthesis
from inr.coders.latent.spec import UP_SOURCES, LatentSpec

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

LARGEST: Final = 1e6
"""Values of hostile networks are cut to this; no sound ones come near."""

_SNAP = float(1 << 10)
_ARMS = (-1.0, 0.0, 1.0)
_A = -0.75
_BATCH: Final = 1 << 16
"""Places that are synthesised at once."""


@final
class Synthesis:
    """A pyramid as a function of places.

    Attributes:
        maps: all levels at the size of the picture, ``(levels, height, width)``, finest first.
    """

    def __init__(
        self,
        spec: LatentSpec,
        height: int,
        width: int,
        parameters: Mapping[str, Floats],
        grids: Mapping[str, npt.NDArray[np.int64]],
        threads: int | None = None,
    ) -> None:
        """Bring all levels to the size of the picture.

        Args:
            spec: of the pyramid.
            height: of the picture, in pixels.
            width: of the picture, in pixels.
            parameters: all tensors of `LatentSpec.layout`.
            grids: symbols by the names of grids; levels that are missing count as zeros.
            threads: at most, of compiled kernels; None for those of `inr.native.threads`.
        """
        self._spec, self._shape, self._parameters = spec, (height, width), parameters
        self._compiled = compiled_synthesis(spec, parameters, threads)
        with np.errstate(all="ignore"):
            self.maps = _feature_maps(self._compiled, spec, (height, width), parameters, grids)

    def picture(self) -> Floats:
        """Values at the pixels, `(height, width, channels)`, about [0, 1]."""
        height, width = self._shape
        return self.grid(np.arange(height, dtype=np.float64), np.arange(width, dtype=np.float64))

    def grid(self, rows: Places, columns: Places) -> Floats:
        """Values where rows `(m,)` and columns `(n,)` cross, `(m, n, channels)`, about [0, 1]."""
        if self._compiled is not None:
            order = np.argsort(rows, kind="stable")  # neighbours in the result share what they need
            axes = [
                _axis(_stencils(_snapped(places, size), size, self._spec.residuals), size)
                for places, size in zip((rows[order], columns), self._shape, strict=True)
            ]
            values = self._compiled.show(self.maps, *axes)
            return values if np.array_equal(order, np.arange(len(rows))) else values[np.argsort(order)]
        out = np.empty((len(rows), len(columns), self._spec.channels), dtype=np.float32)
        band = max(1, _BATCH // max(len(columns), 1))
        reach = _stencils(_snapped(columns, self._shape[1]), self._shape[1], self._spec.residuals)
        for first in range(0, len(rows), band):
            some = _snapped(rows[first : first + band], self._shape[0])
            out[first : first + band] = self._crossings(_stencils(some, self._shape[0], self._spec.residuals), reach)
        return out

    def points(self, rows: Places, columns: Places) -> Floats:
        """Values at single places, `(n,)` each, `(n, channels)`, about [0, 1]."""
        out = np.empty((len(rows), self._spec.channels), dtype=np.float32)
        count = max(1, _BATCH >> (4 * self._spec.residuals))
        down, right = _snapped(rows, self._shape[0]), _snapped(columns, self._shape[1])
        left = np.arange(len(rows))
        if self._compiled is not None:  # all but those whose arms are clamped
            reach = self._spec.residuals
            inner = _within(down, self._shape[0], reach) & _within(right, self._shape[1], reach)
            places = [
                (np.floor(axis[inner]).astype(np.int64), _kernel(axis[inner], size)[1])
                for axis, size in zip((down, right), self._shape, strict=True)
            ]
            out[inner] = self._compiled.points(self.maps, *places)
            left = np.flatnonzero(~inner)
        for first in range(0, len(left), count):
            some = left[first : first + count]
            out[some] = self._singles(down[some], right[some])
        return out

    def _crossings(self, rows: "list[_Stencil]", columns: "list[_Stencil]") -> Floats:
        with np.errstate(all="ignore"):
            maps = _taken(_taken(self.maps, rows[0].places, 1), columns[0].places, 2)
            values = self._mixed(maps)
            for layer in range(self._spec.residuals):
                down, right = rows[layer + 1], columns[layer + 1]
                arms = [[values[:, i][:, :, j] for j in right.arms] for i in down.arms]
                values = self._layer(layer, arms)
                maps = maps[:, down.arms[1]][:, :, right.arms[1]]
            return self._finished(values, maps)

    def _singles(self, rows: Places, columns: Places) -> Floats:
        height, width = self._shape
        for _ in range(self._spec.residuals):  # a 3x3 block of places around every place
            rows = np.clip(rows[..., None] + np.repeat(_ARMS, 3), 0.0, height - 1.0)
            columns = np.clip(columns[..., None] + np.tile(_ARMS, 3), 0.0, width - 1.0)
        with np.errstate(all="ignore"):
            maps = _interpolated(self.maps, rows, columns)
            values = self._mixed(maps)
            for layer in range(self._spec.residuals):
                arms = [[values[..., 3 * i + j] for j in range(3)] for i in range(3)]
                values = self._layer(layer, arms)
                maps = maps[..., 4]
            return self._finished(values, maps)

    def _mixed(self, maps: Floats) -> Floats:
        """The 1x1 layers, `(levels, ...)` to `(channels, ...)`."""
        p, flat = self._parameters, maps.reshape(len(maps), -1)
        hidden = p["synthesis.mix0.weight"] @ flat
        hidden += p["synthesis.mix0.bias"][:, None]
        np.maximum(hidden, 0, out=hidden)
        values = p["synthesis.mix1.weight"] @ hidden
        values += p["synthesis.mix1.bias"][:, None]
        found: Floats = values.reshape(len(values), *maps.shape[1:])
        return found

    def _layer(self, layer: int, arms: Sequence[Sequence[Floats]]) -> Floats:
        """A 3x3 residual layer of the values at the arms of its stencils, `(channels, ...)` each."""
        weight = self._parameters[f"synthesis.residual{layer}.weight"]
        bias = self._parameters[f"synthesis.residual{layer}.bias"]
        middle = arms[1][1]
        total = np.repeat(bias[:, None], middle[0].size, axis=1)
        for i in range(3):
            for j in range(3):
                total += weight[:, :, i, j] @ arms[i][j].reshape(len(middle), -1)
        total = total.reshape(middle.shape) + middle
        return total if layer + 1 == self._spec.residuals else np.maximum(total, 0)

    def _finished(self, values: Floats, maps: Floats) -> Floats:
        """With the bypass, channels last."""
        bypass = self._parameters["synthesis.bypass.weight"] @ maps.reshape(len(maps), -1)
        total = np.nan_to_num(np.moveaxis(values + bypass.reshape(values.shape), 0, -1), nan=0.0)
        found: Floats = np.clip(total, -LARGEST, LARGEST)
        return found


@final
class _Stencil:
    """Places along one axis `(n,)`, and where the values at their arms stand among those of the layer before."""

    def __init__(self, places: Places, arms: tuple[Index, ...] = ()) -> None:
        self.places, self.arms = places, arms


def _stencils(places: Places, size: int, residuals: int) -> list[_Stencil]:
    """What every layer needs along an axis, from the features to the result."""
    found: list[_Stencil] = []
    for _ in range(residuals):
        reached = [np.clip(places + arm, 0.0, size - 1.0) for arm in _ARMS]
        needed = np.unique(np.concatenate(reached))
        found.append(_Stencil(places, tuple(np.searchsorted(needed, arm) for arm in reached)))
        places = needed
    found.append(_Stencil(places))
    return found[::-1]


def _axis(stencils: list[_Stencil], size: int) -> Axis:
    """The same as indices and weights."""
    places = stencils[0].places
    whole = places.astype(np.int64)
    sources, weights = (whole[:, None], None) if np.array_equal(whole, places) else _kernel(places, size)
    return sources, weights, [np.stack(stencil.arms) for stencil in stencils[1:]]


def _snapped(places: Places, size: int) -> Places:
    found: Places = np.clip(np.rint(places * _SNAP) / _SNAP, 0.0, size - 1.0)
    return found


def _within(places: Places, size: int, reach: int) -> npt.NDArray[np.bool_]:
    """Where arms of so many layers end at centres or between them."""
    found: npt.NDArray[np.bool_] = (places >= reach) & (places <= size - 1.0 - reach)
    return found


def _kernel(places: Places, size: int) -> tuple[Index, Floats]:
    """The four sources of every place `(..., 4)`, and their weights (Keys 1981)."""
    base = np.floor(places)
    t = places - base
    weights = np.stack([_outer(1 + t), _inner(t), _inner(1 - t), _outer(2 - t)], axis=-1)
    sources = np.clip(base.astype(np.int64)[..., None] + np.arange(-1, 3), 0, size - 1)
    return sources, weights.astype(np.float32)


def _inner(d: Places) -> Places:
    return ((_A + 2) * d - (_A + 3)) * d * d + 1


def _outer(d: Places) -> Places:
    return ((_A * d - 5 * _A) * d + 8 * _A) * d - 4 * _A


def _taken(maps: Floats, places: Places, axis: int) -> Floats:
    """Maps at places along an axis."""
    whole = places.astype(np.int64)
    if np.array_equal(whole, places):
        return np.take(maps, whole, axis=axis)
    sources, weights = _kernel(places, maps.shape[axis])
    shape = [1] * maps.ndim
    shape[axis] = len(places)
    total = np.take(maps, sources[:, 0], axis=axis) * weights[:, 0].reshape(shape)
    for tap in range(1, 4):
        total += np.take(maps, sources[:, tap], axis=axis) * weights[:, tap].reshape(shape)
    return total


def _interpolated(maps: Floats, rows: Places, columns: Places) -> Floats:
    """Maps at single places of any shape, `(levels, ...)`."""
    down, by_row = _kernel(rows, maps.shape[1])
    right, by_column = _kernel(columns, maps.shape[2])
    total = np.zeros((len(maps), *rows.shape), dtype=np.float32)
    for i in range(4):
        for j in range(4):
            total += maps[:, down[..., i], right[..., j]] * (by_row[..., i] * by_column[..., j])
    return total


def _feature_maps(
    compiled: CompiledSynthesis | None,
    spec: LatentSpec,
    shape: tuple[int, int],
    parameters: Mapping[str, Floats],
    grids: Mapping[str, npt.NDArray[np.int64]],
) -> Floats:
    """All levels at the size of the picture, `(levels, height, width)`, finest first."""
    shapes = {grid.level: (grid.height, grid.width) for grid in spec.grids(*shape)}
    maps = np.zeros((0, *shapes[spec.levels - 1]), dtype=np.float32)
    for level in reversed(range(spec.levels)):
        known = grids.get(f"latent{level}")
        if compiled is not None and level < spec.levels - 1:
            up, pre = (parameters[f"upsampling.{kind}{level}.weight"] for kind in ("up", "pre"))
            maps = compiled.level(maps, up, known, pre, shapes[level])
            continue
        latent = np.zeros((1, *shapes[level]), dtype=np.float32) if known is None else known[None].astype(np.float32)
        if level < spec.levels - 1:
            taps = parameters[f"upsampling.up{level}.weight"]
            maps = _doubled(_doubled(maps, taps, shapes[level][0], 1), taps, shapes[level][1], 2)
            if known is not None:
                taps = parameters[f"upsampling.pre{level}.weight"]
                latent = _smoothed(_smoothed(latent, taps, 1), taps, 2)
        maps = np.concatenate([latent, maps])
    return maps


def _doubled(maps: Floats, taps: Floats, size: int, axis: int) -> Floats:
    """Maps through the 8-tap filter that doubles an axis, cut to a size."""
    every = np.arange(maps.shape[axis])
    shape = list(maps.shape)
    shape[axis] = size
    out = np.empty(shape, dtype=np.float32)
    for parity, offsets in enumerate(UP_SOURCES):
        count = (size + 1 - parity) // 2
        total = np.zeros((), dtype=np.float32)
        for tap, offset in zip(taps, offsets, strict=True):
            sources = np.clip(every[:count] + offset, 0, maps.shape[axis] - 1)
            total = total + tap * np.take(maps, sources, axis=axis)
        out[(slice(None),) * axis + (slice(parity, None, 2),)] = total
    return out


def _smoothed(maps: Floats, taps: Floats, axis: int) -> Floats:
    """Maps through a symmetric 7-tap filter along an axis."""
    size = maps.shape[axis]
    every = np.arange(size)
    total: Floats = taps[0] * maps
    for reach in range(1, len(taps)):
        for offset in (-reach, reach):
            total = total + taps[reach] * np.take(maps, np.clip(every + offset, 0, size - 1), axis=axis)
    return total
