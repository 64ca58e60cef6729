"""A field on a grid: evaluation in blocks that bound memory, straight into the original sample type."""

from collections.abc import Sequence

import numpy as np

from inr.backends.base import Coordinates, Field
from inr.domain import Domain
from inr.meta import SignalMeta
from inr.signals.signal import Samples, denormalise

BLOCK = 262_144
"""Samples a block; its coordinates and values take a few megabytes."""


def render(field: Field, domain: Domain, meta: SignalMeta, channels: int, supersample: int = 1) -> Samples:
    """Evaluate a field at the samples of a grid.

    Args:
        field: what to evaluate.
        domain: where.
        meta: type and range of the result.
        channels: outputs of the field.
        supersample: a sample is the mean over this many points along each axis of its cell (a box filter
            against aliasing when the grid is coarser than the field).

    Returns:
        Samples `(*domain.shape, channels)` of the type in `meta`.
    """
    samples = np.empty((*domain.shape, channels), dtype=meta.dtype)
    row = 0
    for block in domain.row_blocks(max(1, BLOCK // supersample**domain.ndim)):
        fine = block.resized(tuple(n * supersample for n in block.shape))
        values = field.grid(axis_coordinates(fine))
        if supersample > 1:
            split = [n for size in block.shape for n in (size, supersample)]
            clamped = np.clip(values, -1, 1)  # as the finer picture would be: what overshoots counts as its limit
            means = clamped.reshape(*split, channels).mean(axis=tuple(range(1, 2 * block.ndim, 2)))
            values = means.reshape(-1, channels)
        samples[row : row + block.shape[0]] = denormalise(values, meta).reshape(*block.shape, channels)
        row += block.shape[0]
    return samples


def axis_coordinates(domain: Domain) -> tuple[Coordinates, ...]:
    """Coordinates along each axis, `(shape[a],)` each."""
    return tuple(domain.axis_coordinates(axis).astype(np.float32) for axis in range(domain.ndim))


def mesh(axes: Sequence[Coordinates]) -> Coordinates:
    """All points of a grid in C order: `(n_a,)` for each axis -> `(prod n_a, ndim)`."""
    grid = np.empty((*[len(x) for x in axes], len(axes)), dtype=np.float32)
    for axis, x in enumerate(axes):
        grid[..., axis] = x.reshape([-1 if a == axis else 1 for a in range(len(axes))])
    return grid.reshape(-1, len(axes))
