"""The last resort of rate control: single symbols nearer to what is expected, until a file fits."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from inr.coders.latent.context import Context
from inr.coders.latent.spec import SYMBOL_MAX, SYMBOL_MIN
from inr.coders.latent.stream import Pyramid
from inr.coders.latent.tables import MEAN_BITS

LEVELS = 3
"""Finest levels whose symbols are rounded towards their means; nearly all bits are in these."""
HALVINGS = 7
"""Of the interval of a parameter."""

Values = Mapping[str, npt.NDArray[np.float32]]
"""Latents before rounding, by the names of grids, `(height, width)`."""


def squeezed(pyramid: Pyramid, values: Values, fits: Callable[[Pyramid], bool]) -> Pyramid:
    """A pyramid with as little less detail as makes it fit.

    Latents move towards the means that the context model predicts by up to a threshold, then they are rounded again:
    those near the border between two symbols change first, which costs least. Where a threshold of 1 is not enough,
    symbols are scaled towards the usual one of their grid, mostly 0, finest level first.

    Args:
        pyramid: what is too large, perhaps.
        values: latents that rounded to its symbols.
        fits: tells whether a pyramid will do.

    Returns:
        The pyramid itself where it fits; one whose grids are constant where nothing fits.
    """
    if fits(pyramid):
        return pyramid
    means = _means(pyramid)
    whole = _nearer(pyramid, values, means, 1.0)
    if fits(whole):
        return _least(lambda threshold: _nearer(pyramid, values, means, threshold), whole, fits)
    for level in range(pyramid.spec.levels):
        without = _scaled(pyramid, level, 1.0)
        if fits(without):
            return _least(partial(_scaled, pyramid, level), without, fits)
        pyramid = without
    return pyramid


def _least(make: Callable[[float], Pyramid], most: Pyramid, fits: Callable[[Pyramid], bool]) -> Pyramid:
    """What is made with the least parameter in 0..1 that fits, by halving; `most` is what 1 makes, which fits."""
    found, low, high = most, 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        trial = make(middle)
        if fits(trial):
            found, high = trial, middle
        else:
            low = middle
    return found


def _means(pyramid: Pyramid) -> dict[str, npt.NDArray[np.float64]]:
    """What the context model expects of the symbols of the finest levels, given those there are."""
    spec = pyramid.spec
    context = Context(spec, pyramid.networks.fixed(spec))
    found: dict[str, npt.NDArray[np.float64]] = {}
    for grid in spec.grids(pyramid.height, pyramid.width):
        if grid.level < LEVELS and not grid.hyper:
            mean, _ = context.whole(grid, pyramid.grids[grid.name], pyramid.grids)
            found[grid.name] = mean.astype(np.float64).reshape(grid.height, grid.width) / (1 << MEAN_BITS)
    return found


def _nearer(
    pyramid: Pyramid, values: Values, means: Mapping[str, npt.NDArray[np.float64]], threshold: float
) -> Pyramid:
    grids = dict(pyramid.grids)
    for name, mean in means.items():
        moved = values[name] - np.clip(values[name] - mean, -threshold, threshold)
        grids[name] = np.clip(np.rint(moved), SYMBOL_MIN, SYMBOL_MAX).astype(np.int64)
    return replace(pyramid, grids=grids)


def _scaled(pyramid: Pyramid, level: int, amount: float) -> Pyramid:
    """With the symbols of a level nearer to the usual one by a share, rounded to the nearest integers."""
    grids = dict(pyramid.grids)
    for name in (f"latent{level}", f"hyper{level}"):
        if name in grids:
            values, counts = np.unique(grids[name], return_counts=True)
            usual = values[np.argmax(counts)]
            grids[name] = usual + np.rint((grids[name] - usual) * (1 - amount)).astype(np.int64)
    return replace(pyramid, grids=grids)
