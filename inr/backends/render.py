"""A field on a grid: evaluation in blocks that bound memory, straight into the original sample type."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from inr.backends.base import Coordinates, Field, SampleField, Values
from inr.domain import Domain
from inr.meta import LightCurve, SignalMeta
from inr.signals.signal import Samples, clamped, denormalise, light_of

BLOCK = 262_144
"""Samples a block; its coordinates and values take a few megabytes."""
PIECE = 2**22
"""Points evaluated at once, where even one row of samples has more."""


def render(
    field: Field, domain: Domain, meta: SignalMeta, channels: int, supersample: tuple[int, ...] | None = None
) -> Samples:
    """Evaluate a field at the samples of a grid.

    Args:
        field: what to evaluate.
        domain: where.
        meta: type and range of the result.
        channels: outputs of the field.
        supersample: for each axis, over how many points of its cell along that axis a sample is the mean (a box
            filter against aliasing when the grid is coarser than the field); None for the sample's own point.

    Returns:
        Samples `(*domain.shape, channels)` of the type in `meta`.
    """
    samples = np.empty((*domain.shape, channels), dtype=meta.dtype)
    row = 0
    for block in render_blocks(field, domain, meta, channels, supersample):
        samples[row : row + len(block)] = block
        row += len(block)
    return samples


def render_blocks(
    field: Field, domain: Domain, meta: SignalMeta, channels: int, supersample: tuple[int, ...] | None = None
) -> Iterator[Samples]:
    """As `render`, in consecutive blocks of whole rows (frames of a video) `(rows, *domain.shape[1:], channels)`."""
    fineness = supersample or (1,) * domain.ndim
    for block in domain.row_blocks(max(1, BLOCK // math.prod(fineness))):
        samples = field.samples(block, meta) if isinstance(field, SampleField) and math.prod(fineness) == 1 else None
        if samples is not None:
            yield samples.reshape(*block.shape, channels)
            continue
        if meta.curve is None or math.prod(fineness) == 1:
            samples = denormalise(_means(field, block, fineness, _limited), meta)
        else:  # a mean of light, as a lens makes it, and not of the logarithms of light
            light = partial(_light, curve=meta.curve, value_range=meta.value_range)
            samples = _means(field, block, fineness, light).astype(meta.dtype)
        yield samples.reshape(*block.shape, channels)


def _light(values: Values, curve: LightCurve, value_range: tuple[float, float]) -> Values:
    """The light that values stand for; not a mean yet."""
    light: Values = light_of(clamped(values), curve, value_range).astype(np.float32)
    return light


def _limited(values: Values) -> Values:
    """As the finer picture would be: what overshoots counts as its limit."""
    return np.clip(values, -1, 1)


def _means(field: Field, block: Domain, fineness: tuple[int, ...], seen: Callable[[Values], Values]) -> Values:
    """Means of what is `seen` of the field over the cells of a grid, `(size, channels)`, or values at their centres.

    Memory is bounded for any grid and fineness.
    """
    if block.size * math.prod(fineness) <= PIECE:
        finer = _finer(block, fineness)
        values = field.grid([finer.axis_coordinates(axis) for axis in range(finer.ndim)])
        if math.prod(fineness) == 1:
            return values
        return cell_means(seen(values), block.shape, fineness)
    if block.size > 1:
        axis = max(range(block.ndim), key=lambda a: block.shape[a])
        halves = _halves(block.shape[axis])
        parts = [_means(field, _part(block, axis, *half), fineness, seen) for half in halves]
        grids = [part.reshape(*_part(block, axis, *half).shape, -1) for part, half in zip(parts, halves, strict=True)]
        return np.concatenate(grids, axis=axis).reshape(block.size, -1)
    axis = max(range(block.ndim), key=lambda a: fineness[a])  # one cell of very many points: cut the cell
    halves = _halves(fineness[axis])
    total = np.zeros((1, 1), dtype=np.float64)
    for first, count in halves:
        part = block.window(axis, first / fineness[axis], (first + count) / fineness[axis], 1)
        own = tuple(count if a == axis else f for a, f in enumerate(fineness))
        total = total + _means(field, part, own, seen).astype(np.float64) * (count / fineness[axis])
    mean: Values = total.astype(np.float32)
    return mean


def _finer(domain: Domain, fineness: tuple[int, ...]) -> Domain:
    return domain.resized(tuple(n * f for n, f in zip(domain.shape, fineness, strict=True)))


def _halves(count: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and number of both halves."""
    return (0, count // 2), (count // 2, count - count // 2)


def _part(domain: Domain, axis: int, first: int, count: int) -> Domain:
    """Some of the samples along one axis."""
    start = tuple(first if a == axis else 0 for a in range(domain.ndim))
    return domain.cropped(start, tuple(count if a == axis else n for a, n in enumerate(domain.shape)))


def cell_means(values: Values, shape: tuple[int, ...], fineness: tuple[int, ...]) -> Values:
    """Means over the cells of a grid: `(prod shape * prod fineness, channels)` -> `(prod shape, channels)`."""
    channels = values.shape[1]
    split = [n for pair in zip(shape, fineness, strict=True) for n in pair]
    means: Values = values.reshape(*split, channels).mean(axis=tuple(range(1, 2 * len(shape), 2)))
    return means.reshape(-1, channels)


def axis_coordinates(domain: Domain) -> tuple[Coordinates, ...]:
    """Coordinates along each axis, `(shape[a],)` each."""
    return tuple(domain.axis_coordinates(axis).astype(np.float32) for axis in range(domain.ndim))


def mesh(axes: Sequence[Coordinates]) -> Coordinates:
    """All points of a grid in C order: `(n_a,)` for each axis -> `(prod n_a, ndim)`."""
    grid = np.empty((*[len(x) for x in axes], len(axes)), dtype=np.float32)
    for axis, x in enumerate(axes):
        grid[..., axis] = x.reshape([-1 if a == axis else 1 for a in range(len(axes))])
    return grid.reshape(-1, len(axes))
