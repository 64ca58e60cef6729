"""A field on a grid: evaluation in blocks that bound memory, straight into the original sample type."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from inr.backends.base import Coordinates, Field, Values
from inr.domain import Domain
from inr.meta import SignalMeta
from inr.signals.signal import Samples, denormalise

BLOCK = 262_144
"""Samples a block; its coordinates and values take a few megabytes."""


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
        fine = block.resized(tuple(n * f for n, f in zip(block.shape, fineness, strict=True)))
        values = field.grid(axis_coordinates(fine))
        if math.prod(fineness) > 1:
            values = _cell_means(values, block.shape, fineness)
        yield denormalise(values, meta).reshape(*block.shape, channels)


def _cell_means(values: Values, shape: tuple[int, ...], fineness: tuple[int, ...]) -> Values:
    """Means over the cells of a grid: `(prod shape * prod fineness, channels)` -> `(prod shape, channels)`."""
    channels = values.shape[1]
    split = [n for pair in zip(shape, fineness, strict=True) for n in pair]
    clamped = np.clip(values, -1, 1)  # as the finer picture would be: what overshoots counts as its limit
    means: Values = clamped.reshape(*split, channels).mean(axis=tuple(range(1, 2 * len(shape), 2)))
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
