"""Networks to integers: a power-of-two step for the weights and for the biases of each, by the cost of the whole.

Parameters are rounded one after the other, those first whose errors would cost most, and each makes up for the errors
of those before it as far as the curvature of the cost says: steps may be twice as large then.

Sources: Ladune et al. 2023, "COOL-CHIC", section 3.3 (the search for steps); Chee, Cai, Kuleshov, De Sa 2023, "QuIP",
section 3 (rounding with feedback through the triangular factor of the matrix).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inr.coders.latent.curvature import Floats64, of_prediction, of_synthesis
from inr.coders.latent.engine import Engine, Floats, Index, Measured
from inr.coders.latent.shipped import OWN, shipped
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import VALUE_BITS, Group, Networks, tensors_of
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

BLOCKS: tuple[tuple[Group, ...], ...] = (
    (("context", False), ("context", True), ("parents", False)),
    (("upsampling", False),),
    (("synthesis", False), ("synthesis", True)),
)
"""Groups whose parameters make up for each other's errors."""
DAMPING: Final = 0.01
"""Share of the mean of a matrix's diagonal that is added to it: the cost is quadratic for small changes only."""
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
        scaled = [floats[tensor.name].ravel() * 2.0**exponent for tensor in tensors_of(spec, group)]
        values = [_rounded(one, 0.5, 2.0 ** (VALUE_BITS + exponent)) for one in scaled]
        total += coded_bits(np.concatenate(values))
    return total


def _quantised(engine: Engine, symbols: Floats, networks: Floats, lmbda: float, shared: int, number: int) -> Quantised:
    spec = engine.spec
    base = np.zeros(networks.size) if number == OWN else shipped(number).values().astype(np.float64)
    state = _State(engine, symbols, networks.astype(np.float64), engine.measure(symbols, networks, 1.0, lmbda))
    integers = np.zeros(networks.size, dtype=np.int64)
    exponents: dict[Group, int] = {}
    total = 0
    for groups in BLOCKS:
        block = _Block.of(spec, groups)
        if not block.groups:
            continue
        rounding = _Rounding(block, state.values, base, state.curvature(block))
        best = _searched(lambda choice: _tried(state, rounding, choice, shared), block, number)  # noqa: B023
        state.values, state.known = best.values, best.measured
        integers[block.places] = best.integers
        exponents |= best.choice.exponents
        total += best.bits
    return Quantised(Networks(spec.split(integers), exponents, number), state.known, total)


@dataclass(frozen=True, eq=False)
class _Block:
    """Some groups of parameters.

    Attributes:
        groups: those of them that have any.
        places: of all their parameters among those of the networks, ascending.
        owners: of each parameter the place of its group in `groups`.
    """

    groups: tuple[Group, ...]
    places: Index
    owners: Index

    @classmethod
    def of(cls, spec: LatentSpec, groups: tuple[Group, ...]) -> "_Block":
        known = tuple(group for group in groups if tensors_of(spec, group))
        owners, places, first = [], [], 0
        for tensor in spec.layout():
            group: Group = (tensor.module, tensor.bias)
            if group in known:
                places.append(np.arange(first, first + tensor.size))
                owners.append(np.full(tensor.size, known.index(group)))
            first += tensor.size
        empty = [np.zeros(0, dtype=np.int64)]
        return cls(known, np.concatenate(places or empty), np.concatenate(owners or empty))


class _State:
    """A picture whose networks are rounded one block after the other; only what a block changes is computed."""

    def __init__(self, engine: Engine, symbols: Floats, values: Floats64, known: Measured) -> None:
        self._engine, self._symbols, self.values, self.known = engine, symbols, values, known

    def measured(self, values: Floats64, block: _Block) -> Measured:
        """With parameters that differ in one block from those that `known` is about."""
        engine, flat = self._engine, values.astype(np.float32)
        if block.groups[0][0] in ("context", "parents"):
            return replace(self.known, bpp=engine.bits(self._symbols, flat) / (engine.height * engine.width))
        return replace(self.known, mse=engine.mse(self._symbols, flat))

    def curvature(self, block: _Block) -> Floats64 | None:
        """The matrix of a block; None for filters, which are few."""
        engine = self._engine
        spec, shape, module = engine.spec, (engine.height, engine.width), block.groups[0][0]
        if module == "upsampling":
            return None
        flat, symbols = self.values.astype(np.float32), self._symbols
        networks = spec.split(flat)
        if module == "synthesis":
            return of_synthesis(spec, shape, networks, partial(engine.features, symbols, flat))
        return of_prediction(spec, shape, networks, spec.split_grids(symbols, *shape))


@dataclass(frozen=True, eq=False)
class _Choice:
    """Exponents of a block's groups, and the shares of a step up to which parameters become 0."""

    exponents: dict[Group, int]
    dead: dict[Group, float] = field(default_factory=dict)


class _Rounding:
    """What a block's parameters are rounded with."""

    def __init__(self, block: _Block, values: Floats64, base: Floats64, matrix: Floats64 | None) -> None:
        self.block, self.values, self._base = block, values, base[block.places]
        self._matrix = None
        if matrix is not None and np.isfinite(matrix).all() and matrix.any():
            self._matrix = matrix + DAMPING * np.mean(np.diag(matrix)) * np.eye(len(matrix))
        self._factors: dict[tuple[int, ...], tuple[Index, Floats64]] = {}

    def rounded(self, choice: _Choice) -> tuple[npt.NDArray[np.int64], Floats64]:
        """Integers of all parameters of the block, less those of the base, and the values of all networks with them."""
        groups, owners, places = self.block.groups, self.block.owners, self.block.places
        exponents = np.array([choice.exponents[group] for group in groups])[owners]
        dead = np.array([choice.dead.get(group, 0.5) for group in groups])[owners]
        scale, limit = 2.0**exponents, 2.0 ** (VALUE_BITS + exponents)
        wanted = (self.values[places] - self._base) * scale
        if self._matrix is None:
            integers = _rounded(wanted, dead, limit)
        else:
            order, factor = self._factor(self._matrix, tuple(choice.exponents[group] for group in groups), scale)
            integers = np.empty(len(order), dtype=np.int64)
            integers[order] = _fed_back(factor, wanted[order], dead[order], limit[order], scale[order])
        values = self.values.copy()
        values[places] = self._base + integers / scale
        return integers, values

    def _factor(self, matrix: Floats64, exponents: tuple[int, ...], scale: Floats64) -> tuple[Index, Floats64]:
        """Parameters by how much their rounding costs, and what each is told about the errors of those before it."""
        if exponents not in self._factors:
            order = np.argsort(-np.diag(matrix) / scale**2, kind="stable")
            back = order[::-1]
            lower = np.linalg.cholesky(matrix[np.ix_(back, back)])
            self._factors[exponents] = order, np.ascontiguousarray((lower / np.diag(lower))[::-1, ::-1].T)
        return self._factors[exponents]


@dataclass(frozen=True, eq=False)
class _Try:
    measured: Measured
    cost: float
    choice: _Choice
    integers: npt.NDArray[np.int64]
    values: Floats64
    bits: int


def _searched(tried: Callable[[_Choice], _Try], block: _Block, number: int) -> _Try:
    """The steps of least cost: downhill from the usual ones, as finer steps cost bits and coarser ones quality.

    Args:
        tried: makes a try.
        block: of the networks.
        number: of shipped networks that the parameters are a difference to, which may be left out; 0 for none.
    """
    best = tried(_Choice({group: EXPONENTS[group][1] for group in block.groups}))
    for group in block.groups:
        lowest, usual, highest = EXPONENTS[group]
        lowest = max(lowest - (COARSER if number else 0), 0)
        for way in (-1, 1):
            exponent = usual + way
            while lowest <= exponent <= highest:
                trial = tried(_Choice({**best.choice.exponents, group: exponent}))
                if trial.cost >= best.cost:
                    break
                best, exponent = trial, exponent + way
            if best.choice.exponents[group] != usual:
                break
    for group in block.groups if number != OWN else ():
        known = best.choice
        choices = [replace(known, dead={**known.dead, group: dead}) for dead in DEAD_ZONES]
        nothing = _Choice({**known.exponents, group: 0}, {**known.dead, group: math.inf})
        best = min([best, *map(tried, [*choices, nothing])], key=lambda one: one.cost)
    return best


def _tried(state: _State, rounding: _Rounding, choice: _Choice, shared: int) -> _Try:
    """What a choice costs."""
    block = rounding.block
    integers, values = rounding.rounded(choice)
    bits = sum(coded_bits(integers[block.owners == i]) for i in range(len(block.groups)))
    measured = state.measured(values, block)
    return _Try(measured, measured.cost + bits / shared, choice, integers, values, bits)


def _fed_back(factor: Floats64, wanted: Floats64, dead: Floats64, limit: Floats64, scale: Floats64) -> list[int]:
    """Integers like those of `_rounded`, one after the other, each told about the errors of those before it."""
    found: list[int] = []
    errors = np.zeros(len(wanted))
    each = zip(factor, *(array.tolist() for array in (wanted, dead, limit, scale)), strict=True)
    for k, (row, want, zero, most, unit) in enumerate(each):
        value = want + unit * float(row[:k] @ errors[:k])
        near = 0 if abs(value) <= zero else int(min(max(round(value), -most), most))
        errors[k] = (want - near) / unit
        found.append(near)
    return found


def _rounded(
    scaled: npt.NDArray[np.floating[Any]], dead: float | Floats64, limit: float | Floats64
) -> npt.NDArray[np.int64]:
    """The nearest integers, 0 for those up to a dead zone."""
    rounded = np.where(np.abs(scaled) <= dead, 0, np.rint(scaled))
    result: npt.NDArray[np.int64] = np.clip(rounded, -limit, limit).astype(np.int64)
    return result
