"""Pyramids of random symbols and random networks."""

import numpy as np

from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import GROUPS, Networks, Pyramid

SIZES = ((1, 1), (1, 7), (9, 1), (2, 3), (33, 47))


def random_networks(spec: LatentSpec, rng: np.random.Generator, amplitude: float = 0.1) -> Networks:
    """Normal parameters in steps of 2^-8."""
    integers = {
        tensor.name: np.rint(rng.normal(0, amplitude * 256, tensor.shape)).astype(np.int64) for tensor in spec.layout()
    }
    integers["context.out.bias"][1] = 4 * 256  # scales about 1
    return Networks(integers, dict.fromkeys(GROUPS, 8))


def random_pyramid(height: int, width: int, seed: int, spec: LatentSpec | None = None) -> Pyramid:
    """Symbols of a Laplace distribution, with a few at both ends of the range."""
    spec, rng = spec or LatentSpec(), np.random.default_rng(seed)
    grids = {}
    for grid in spec.grids(height, width):
        symbols = np.rint(rng.laplace(0, 0.7, (grid.height, grid.width)))
        symbols[rng.random(symbols.shape) < 0.002] = 63
        symbols[rng.random(symbols.shape) < 0.002] = -64
        grids[grid.name] = np.clip(symbols, -64, 63).astype(np.int64)
    return Pyramid(spec, height, width, random_networks(spec, rng), grids)
