"""Networks to integers: a power-of-two step for the weights and for the biases of each, by the cost of the whole.

Source of the search: Ladune et al. 2023, "COOL-CHIC", section 3.3.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.coders.latent.engine import Engine, Floats, Measured
from inr.coders.latent.shipped import OWN, shipped
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import GROUPS, VALUE_BITS, Group, Networks, tensors_of
from inr.entropy.stream import encoder

EXPONENTS: Mapping[Group, tuple[int, int, int]] = {
    ("context", False): (2, 5, 8),
    ("context", True): (2, 6, 12),
    ("parents", False): (2, 5, 10),
    ("upsampling", False): (4, 8, 12),
    ("synthesis", False): (4, 7, 12),
    ("synthesis", True): (4, 9, 14),
}
"""Exponents k of a step 2^-k: the least, the usual one, the largest."""

COARSER = 2
"""How much smaller exponents are tried for a difference to shipped networks; it may also be left out."""
DEAD_ZONES = (0.6, 0.75, 0.9)
"""Shares of a step up to which differences become 0 that are tried beside a half."""


@dataclass(frozen=True, eq=False)
class Quantised:
    """Networks in integers and what they cost.

    Attributes:
        networks: as a file stores them.
        measured: of the picture with these.
        bits: that the networks take in a file.
    """

    networks: Networks
    measured: Measured
    bits: int

    def cost(self, pixels: int) -> float:
        """``MSE / lambda + bits of latents and networks`` a pixel, if so many share the networks."""
        return self.measured.cost + self.bits / pixels


def coded_bits(values: npt.NDArray[np.int64]) -> int:
    """What a span of integers takes in a file."""
    coder = encoder()
    coder.encode_integers(np.ascontiguousarray(values.ravel(), dtype=np.int64))
    return 8 * len(coder.finish())


def quantise(
    engine: Engine,
    symbols: Floats,
    networks: Floats,
    lmbda: float,
    pixels: int | None = None,
    number: int = OWN,
) -> Quantised:
    """The steps that minimise ``MSE / lambda + bits of latents and networks a pixel``, one group after the other.

    Args:
        engine: of the picture.
        symbols: all grids, hard-rounded, ``(size,)``.
        networks: in floating point, ``(parameters,)``.
        lmbda: as in training.
        pixels: that share the networks; None for those of the picture.
        number: of shipped networks, whose difference is stored if that costs less; 0 for none.
    """
    shared = engine.height * engine.width if pixels is None else pixels
    found = _quantised(engine, symbols, networks, lmbda, shared, number)
    if number == OWN or found.bits <= _complete_bits(engine.spec, networks, found.networks.exponents):
        return found
    complete = _quantised(engine, symbols, networks, lmbda, shared, OWN)
    return min(found, complete, key=lambda one: one.cost(shared))


def _complete_bits(spec: LatentSpec, networks: Floats, exponents: Mapping[Group, int]) -> int:
    """What networks with these steps take that are no difference."""
    floats, total = spec.split(networks), 0
    for group, exponent in exponents.items():
        values = [_rounded(floats[tensor.name], exponent, 0.5).ravel() for tensor in tensors_of(spec, group)]
        total += coded_bits(np.concatenate(values))
    return total


def _quantised(engine: Engine, symbols: Floats, networks: Floats, lmbda: float, shared: int, number: int) -> Quantised:
    spec = engine.spec
    base = np.zeros_like(networks) if number == OWN else shipped(number).values()
    floats, bases = spec.split(networks.astype(np.float64) - base), spec.split(base)
    values = spec.split(networks)
    state = _Costs(engine, symbols, engine.measure(symbols, networks, 1.0, lmbda))
    integers: dict[str, npt.NDArray[np.int64]] = {}
    exponents: dict[Group, int] = {}
    total = 0
    for group in GROUPS:
        names = [tensor.name for tensor in tensors_of(spec, group)]
        if not names:
            continue
        some = {name: floats[name] for name in names}, {name: bases[name] for name in names}
        best = _searched(lambda step: _tried(state, values, group, some, step, shared), group, number)  # noqa: B023
        values |= best.values
        integers |= best.integers
        exponents[group] = best.exponent
        total += best.bits
        state.known = best.measured
    return Quantised(Networks(integers, exponents, number), state.known, total)


class _Costs:
    """What a picture costs while one network after the other changes; only what that network changes is computed."""

    def __init__(self, engine: Engine, symbols: Floats, known: Measured) -> None:
        self._engine, self._symbols, self.known = engine, symbols, known

    def measured(self, networks: Mapping[str, Floats], group: Group) -> Measured:
        """With networks that differ in one group from those that `known` is about."""
        engine = self._engine
        flat = engine.spec.joined(networks)
        if group[0] in ("context", "parents"):
            return replace(self.known, bpp=engine.bits(self._symbols, flat) / (engine.height * engine.width))
        return replace(self.known, mse=engine.mse(self._symbols, flat))


@dataclass(frozen=True, eq=False)
class _Try:
    measured: Measured
    cost: float
    exponent: int
    integers: dict[str, npt.NDArray[np.int64]]
    values: dict[str, Floats]
    bits: int


def _searched(tried: Callable[[tuple[int, float]], _Try], group: Group, number: int) -> _Try:
    """The step of least cost: downhill from the usual one, as finer steps cost bits and coarser ones quality.

    Args:
        tried: makes a try of an exponent and of the share of a step up to which parameters become 0.
        group: of the networks.
        number: of shipped networks that the parameters are a difference to, which may be left out; 0 for none.
    """
    lowest, usual, highest = EXPONENTS[group]
    lowest = max(lowest - (COARSER if number else 0), 0)
    best = tried((usual, 0.5))
    for way in (-1, 1):
        exponent = best.exponent + way
        while lowest <= exponent <= highest:
            trial = tried((exponent, 0.5))
            if trial.cost >= best.cost:
                break
            best, exponent = trial, exponent + way
        if best.exponent != usual:
            break
    if number != OWN:
        tries = [tried((best.exponent, dead)) for dead in DEAD_ZONES]
        best = min([best, *tries, tried((0, math.inf))], key=lambda one: one.cost)
    return best


def _tried(
    state: "_Costs",
    known: Mapping[str, Floats],
    group: Group,
    some: tuple[Mapping[str, Floats], Mapping[str, Floats]],
    step: tuple[int, float],
    shared: int,
) -> _Try:
    """What a step of a group costs; `some` are the group's parameters less those of the base, and these."""
    exponent, dead = step
    integers = {name: _rounded(value, exponent, dead) for name, value in some[0].items()}
    values = {name: (array * 2.0**-exponent + some[1][name]).astype(np.float32) for name, array in integers.items()}
    bits = coded_bits(np.concatenate([array.ravel() for array in integers.values()]))
    measured = state.measured({**known, **values}, group)
    return _Try(measured, measured.cost + bits / shared, exponent, integers, values, bits)


def _rounded(tensor: npt.NDArray[np.floating[Any]], exponent: int, dead: float) -> npt.NDArray[np.int64]:
    limit = 1 << (VALUE_BITS + exponent)
    scaled = tensor.astype(np.float64) * 2.0**exponent
    rounded = np.where(np.abs(scaled) <= dead, 0, np.rint(scaled))
    result: npt.NDArray[np.int64] = rounded.clip(-limit, limit).astype(np.int64)
    return result
