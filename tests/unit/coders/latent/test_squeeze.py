"""The last resort of rate control."""

import numpy as np
import numpy.typing as npt

from inr.coders.latent.kernels import engine_of
from inr.coders.latent.network_bits import quantise
from inr.coders.latent.shipped import SPEC, shipped
from inr.coders.latent.squeeze import squeezed
from inr.coders.latent.stream import Pyramid, encode


def _pyramid(symbols: npt.NDArray[np.float32], networks: npt.NDArray[np.float32]) -> Pyramid:
    picture = np.full((3, 40, 48), 0.5, np.float32)
    found = quantise(engine_of(SPEC, picture), symbols, networks, 1e-3, number=8)
    grids = SPEC.split_grids(symbols.astype(np.int64), 40, 48)
    return Pyramid(SPEC, 40, 48, found.networks, grids)


def test_symbols_that_expect_another_one_than_zero_go_there() -> None:
    """Zeros would be as dear as any surprise: a file that had to have 600 bytes had a million."""
    networks = shipped(8).values().copy()
    SPEC.split(networks)["context.out.weight"][:] = 0
    SPEC.split(networks)["context.bypass.weight"][:] = 0
    SPEC.split(networks)["context.out.bias"][:] = (1.0, 0.0)
    size = sum(grid.size for grid in SPEC.grids(40, 48))
    symbols = np.ones(size, np.float32)
    symbols[:: size // 40] = 3
    pyramid = _pyramid(symbols, networks)
    whole = sum(map(len, encode(pyramid, 1)))
    values = SPEC.split_grids(symbols, 40, 48)
    found = squeezed(pyramid, values, lambda one: sum(map(len, encode(one, 1))) < whole)
    assert sum(map(len, encode(found, 1))) < whole
    nothing = squeezed(pyramid, values, lambda one: False)
    assert all(np.ptp(grid) == 0 for grid in nothing.grids.values())
    assert sum(map(len, encode(nothing, 1))) <= whole
