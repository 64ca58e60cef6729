"""Networks to integers: a power-of-two step for the weights and for the biases of each, by the cost of the whole.

Source of the search: Ladune et al. 2023, "COOL-CHIC", section 3.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inr.coders.latent.engine import Engine, Floats, Measured
from inr.coders.latent.stream import GROUPS, VALUE_BITS, Group, Networks, tensors_of

EXPONENTS: Mapping[Group, range] = {
    ("context", False): range(2, 9),
    ("context", True): range(2, 13),
    ("parents", False): range(2, 11),
    ("upsampling", False): range(4, 13),
    ("synthesis", False): range(4, 13),
    ("synthesis", True): range(4, 15),
}
"""Exponents k of a step 2^-k that are tried."""

_ORDERS = range(13)
_ORDER_BITS = 4


@dataclass(frozen=True, eq=False)
class Quantised:
    """Networks in integers and what they cost.

    Attributes:
        networks: as a file stores them.
        measured: of the picture with these.
        bits: estimate of the networks' size, by exp-Golomb codes.
    """

    networks: Networks
    measured: Measured
    bits: int


def golomb_bits(values: npt.NDArray[np.int64]) -> int:
    """Bits of integers as signed exp-Golomb codes of the best order in 0..12, and of that order."""
    codes = 2 * np.abs(values) - (values > 0)
    if codes.size == 0:
        return _ORDER_BITS
    return _ORDER_BITS + min(
        int(sum(1 + order + 2 * (int((code >> order) + 1).bit_length() - 1) for code in codes.ravel()))
        for order in _ORDERS
    )


def quantise(
    engine: Engine,
    symbols: Floats,
    networks: Floats,
    lmbda: float,
    pixels: int | None = None,
) -> Quantised:
    """The steps that minimise ``MSE / lambda + bits of latents and networks a pixel``, one group after the other.

    Args:
        engine: of the picture.
        symbols: all grids, hard-rounded, ``(size,)``.
        networks: in floating point, ``(parameters,)``.
        lmbda: as in training.
        pixels: that share the networks; None for those of the picture.
    """
    spec, shared = engine.spec, engine.height * engine.width if pixels is None else pixels
    floats = spec.split(networks)
    values = spec.split(networks.copy())
    state = _Costs(engine, symbols, lmbda)
    state.settle(values)
    integers: dict[str, npt.NDArray[np.int64]] = {}
    exponents: dict[Group, int] = {}
    total = 0
    for group in GROUPS:
        names = [tensor.name for tensor in tensors_of(spec, group)]
        if not names:
            continue
        tries = []
        for exponent in EXPONENTS.get(group, range(13)):
            found = {name: _rounded(floats[name], exponent) for name in names}
            bits = golomb_bits(np.concatenate([array.ravel() for array in found.values()]))
            trial = values | {name: _floats(array, exponent) for name, array in found.items()}
            cost = state.cost(trial, group) + bits / shared
            tries.append((cost, exponent, found, bits))
        _, exponent, found, bits = min(tries, key=lambda entry: entry[0])
        values |= {name: _floats(array, exponent) for name, array in found.items()}
        integers |= found
        exponents[group] = exponent
        total += bits
        state.settle(values)
    return Quantised(Networks(integers, exponents), state.known, total)


class _Costs:
    """The cost of a picture while one network after the other changes; only what that network changes is computed."""

    def __init__(self, engine: Engine, symbols: Floats, lmbda: float) -> None:
        self._engine, self._symbols, self._lmbda = engine, symbols, lmbda
        self.known = Measured(0.0, 0.0, lmbda)

    def cost(self, networks: Mapping[str, Floats], group: Group) -> float:
        engine = self._engine
        flat = engine.spec.joined(networks)
        if group[0] in ("context", "parents"):
            bits = engine.bits(self._symbols, flat)
            return self.known.mse / self._lmbda + bits / (engine.height * engine.width)
        return engine.mse(self._symbols, flat) / self._lmbda + self.known.bpp

    def settle(self, networks: Mapping[str, Floats]) -> None:
        self.known = self._engine.measure(self._symbols, self._engine.spec.joined(networks), 1.0, self._lmbda)


def _rounded(tensor: Floats, exponent: int) -> npt.NDArray[np.int64]:
    limit = 1 << (VALUE_BITS + exponent)
    scaled = np.rint(tensor.astype(np.float64) * 2.0**exponent)
    result: npt.NDArray[np.int64] = scaled.clip(-limit, limit).astype(np.int64)
    return result


def _floats(values: npt.NDArray[np.int64], exponent: int) -> Floats:
    return (values * 2.0**-exponent).astype(np.float32)
