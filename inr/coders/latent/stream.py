"""Grids and networks to payloads and back.

The networks come first, then every level, coarse to fine, its hyper grid before its latents. A layer of a file is a run
of these with a range coder of its own: the finest levels have a layer each, the first layer has the rest.

The networks begin with eight bits: 0, or the number of the shipped ones that they are a difference to. A network is,
for its weights and for its biases: five bits for the exponent k of their step 2^-k, then the integers as one span. A
grid is coded front after front (see `inr.coders.latent.context`): for all symbols of a front whether each is the centre
of its distribution; then, for those that are not, the side and whether they are further than 1 away; then, for those
that are, seven bits of how far (see `inr.coders.latent.tables`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inr.coders.latent.context import PARAMETER_BITS, Context, Integers, Wavefront
from inr.coders.latent.shipped import EXPONENT, OWN, Shipped, shipped
from inr.coders.latent.spec import MODULES, SYMBOL_MAX, SYMBOL_MIN, Grid, LatentSpec, Module, Tensor
from inr.coders.latent.tables import MIN_SYMBOL_BITS, TAIL_BITS, centre, costs, tables
from inr.entropy.stream import Decoder, Encoder, decoder, encoder
from inr.errors import CorruptStreamError, FormatError, LimitExceededError, SpecError

MAX_PIXELS: Final = 1 << 24
"""Of a pyramid; larger pictures are cut into tiles."""
MAX_SIDE: Final = 1 << 16
"""Rows and columns of a pyramid: a front costs some time, however few symbols it has."""
MAX_EXPONENT: Final = 24
MAX_FIXED_EXPONENT: Final = PARAMETER_BITS
"""Of what is evaluated in fixed point."""
VALUE_BITS: Final = 7
"""Parameters lie within +-2^7."""

_EXPONENT_BITS = 5
_NUMBER_BITS = 8
_HALF = 1 << 15

Group = tuple[Module, bool]
"""A network, and True for its biases."""
GROUPS: tuple[Group, ...] = tuple((module, bias) for module in MODULES for bias in (False, True))


@dataclass(frozen=True, eq=False)
class Networks:
    """Quantised networks.

    Attributes:
        integers: tensors by their names, or their differences to shipped ones.
        exponents: k of the step 2^-k of a group, for all groups.
        number: of the shipped networks, or 0 if the integers are complete.
    """

    integers: Mapping[str, Integers]
    exponents: Mapping[Group, int]
    number: int = OWN

    def fixed(self, spec: LatentSpec) -> dict[str, Integers]:
        """Parameters of what is evaluated in fixed point, over 2^16."""
        base = self._base()
        return {
            tensor.name: _sum(self.integers[tensor.name], self._exponent(tensor), base, tensor, PARAMETER_BITS)
            for tensor in spec.layout()
            if _is_fixed(tensor.module)
        }

    def values(self, spec: LatentSpec) -> dict[str, npt.NDArray[np.float32]]:
        """All parameters as numbers; exact, as long as they have at most 24 bits."""
        base = self._base()
        return {
            tensor.name: (
                _sum(self.integers[tensor.name], self._exponent(tensor), base, tensor, MAX_EXPONENT)
                * 2.0**-MAX_EXPONENT
            ).astype(np.float32)
            for tensor in spec.layout()
        }

    def _base(self) -> Shipped | None:
        return None if self.number == OWN else shipped(self.number)

    def _exponent(self, tensor: Tensor) -> int:
        return self.exponents[tensor.module, tensor.bias]


@dataclass(frozen=True, eq=False)
class Pyramid:
    """A picture in integers, as far as its levels are there.

    Attributes:
        spec: of the pyramid.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        networks: all that is evaluated.
        grids: symbols by the names of grids, `(height, width)`; levels that are missing have none.
    """

    spec: LatentSpec
    height: int
    width: int
    networks: Networks
    grids: Mapping[str, Integers]


def tensors_of(spec: LatentSpec, group: Group) -> list[Tensor]:
    """Those of a group, in the order of a file; none where a network has no biases."""
    return [tensor for tensor in spec.layout() if (tensor.module, tensor.bias) == group]


def runs(levels: int, layers: int) -> tuple[tuple[int, ...], ...]:
    """The levels of each layer, coarse to fine; those of the first come after the networks, and may be none.

    Raises:
        LimitExceededError: more layers than the networks and the levels.
    """
    if not 1 <= layers <= levels + 1:
        raise LimitExceededError(f"a pyramid of {levels} levels has 1 to {levels + 1} layers; got {layers}")
    first = tuple(range(levels - 1, layers - 2, -1))
    return (first, *((level,) for level in range(layers - 2, -1, -1)))


def encode(pyramid: Pyramid, layers: int) -> tuple[bytes, ...]:
    """The payloads of a pyramid in so many layers, coarse to fine; of those that are there.

    Raises:
        SpecError: what is there are no numbers that a file can hold.
    """
    spec, known = pyramid.spec, pyramid.grids
    try:
        context = Context(spec, pyramid.networks.fixed(spec))
    except FormatError as error:
        raise SpecError(str(error)) from None
    out: list[bytes] = []
    for number, levels in enumerate(runs(spec.levels, layers)):
        grids = [grid for grid in spec.grids(pyramid.height, pyramid.width) if grid.level in levels]
        if any(grid.name not in known for grid in grids):
            break
        coder = encoder()
        if number == 0:
            _encode_networks(coder, spec, pyramid.networks)
        for grid in grids:
            bits, probabilities = decisions(context, grid, known)
            coder.encode_bits(bits, probabilities)
        out.append(coder.finish())
    return tuple(out)


def decode(spec: LatentSpec, height: int, width: int, payloads: tuple[bytes, ...], layers: int) -> Pyramid:
    """The pyramid that the first payloads of so many layers stand for.

    Raises:
        FormatError: they are not what a writer writes.
    """
    if height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
        raise LimitExceededError(
            f"latents: {height} x {width} pixels; at most {MAX_PIXELS}, and {MAX_SIDE} a side, are allowed"
        )
    levels = runs(spec.levels, layers)
    if not 1 <= len(payloads) <= layers:
        raise CorruptStreamError(f"latents: {len(payloads)} payloads of {layers} layers")
    known: dict[str, Integers] = {}
    coder = decoder(payloads[0])
    networks = _decode_networks(coder, spec)
    context = Context(spec, networks.fixed(spec))
    for number, payload in enumerate(payloads):
        grids = [grid for grid in spec.grids(height, width) if grid.level in levels[number]]
        if number > 0:
            coder = decoder(payload)
        check_holds(len(payload), sum(grid.size for grid in grids))
        for grid in grids:
            known[grid.name] = decode_grid(coder, context, grid, known)
        coder.finish()
    return Pyramid(spec, height, width, networks, known)


def check_holds(size: int, symbols: int) -> None:
    """Refuse to work on more symbols than a payload of so many bytes can hold; raises `CorruptStreamError`."""
    if symbols * MIN_SYMBOL_BITS > 8 * (size + 4):
        raise CorruptStreamError(f"a payload of {size} bytes cannot hold {symbols} symbols")


def bits_of(context: Context, grid: Grid, known: Mapping[str, Integers]) -> float:
    """What a grid takes, but for the few bits that its layer ends with."""
    bits, probabilities = decisions(context, grid, known)
    p = probabilities.astype(np.int64)
    return float(costs()[np.where(bits == 1, p, (1 << 16) - p)].sum())


def decisions(
    context: Context, grid: Grid, known: Mapping[str, Integers]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """The decisions about a grid, in coding order, and the probability that each is 1.

    Raises:
        SpecError: symbols out of range, or of another shape.
    """
    symbols = known[grid.name]
    if symbols.shape != (grid.height, grid.width):
        raise SpecError(f"latents: {grid.name} has shape {symbols.shape}; expected {(grid.height, grid.width)}")
    if int(symbols.min()) < SYMBOL_MIN or int(symbols.max()) > SYMBOL_MAX:
        raise SpecError(f"latents: {grid.name} has symbols beyond {SYMBOL_MIN}..{SYMBOL_MAX}")
    if context.compiled is not None:
        return context.compiled.decisions(grid, known)
    table = tables()
    mean, scale = context.whole(grid, symbols, known)
    nearest, apart = centre(mean)
    order, front = Wavefront.order(grid)
    scale, nearest, apart = scale[order], nearest[order], apart[order]
    distance = symbols.reshape(-1)[order] - nearest
    away = np.flatnonzero(distance)
    far = np.flatnonzero(np.abs(distance) > 1)
    side = np.stack([distance[away] > 0, np.abs(distance[away]) > 1], axis=1)
    tail = ((np.abs(distance[far]) - 2)[:, None] >> np.arange(TAIL_BITS)) & 1
    bits = np.concatenate([distance != 0, side.reshape(-1), tail.reshape(-1)]).astype(np.uint8)
    side_odds = np.stack([table.up[apart[away] + 128, scale[away]], table.more[scale[away]]], axis=1)
    probabilities = np.concatenate(
        [table.away[np.abs(apart), scale], side_odds.reshape(-1), table.tail[scale[far]].reshape(-1)]
    )
    key = np.concatenate([3 * front, np.repeat(3 * front[away] + 1, 2), np.repeat(3 * front[far] + 2, TAIL_BITS)])
    coded = np.argsort(key, kind="stable")
    return bits[coded], probabilities[coded]


def decode_grid(coder: Decoder, context: Context, grid: Grid, known: Mapping[str, Integers]) -> Integers:
    """The next grid; raises `CorruptStreamError`."""
    if context.compiled is not None and context.compiled.reads(coder):
        return context.compiled.decode(coder, grid, known)
    table = tables()
    wave = Wavefront(context, grid, known)
    for rows, columns in wave.fronts():
        mean, scale = wave.predict(rows, columns)
        nearest, apart = centre(mean)
        away = np.flatnonzero(coder.decode_bits(table.away[np.abs(apart), scale]))
        symbols = nearest
        if away.size:
            some = scale[away]
            odds = np.stack([table.up[apart[away] + 128, some], table.more[some]], axis=1)
            up, more = coder.decode_bits(odds.reshape(-1)).reshape(-1, 2).T
            distance = 1 + more.astype(np.int64)
            far = np.flatnonzero(more)
            if far.size:
                tail = coder.decode_bits(table.tail[some[far]].reshape(-1)).reshape(-1, TAIL_BITS)
                distance[far] += (tail.astype(np.int64) << np.arange(TAIL_BITS)).sum(axis=1)
            symbols[away] += np.where(up == 1, distance, -distance)
            if int(symbols.min()) < SYMBOL_MIN or int(symbols.max()) > SYMBOL_MAX:
                raise CorruptStreamError(f"latents: {grid.name} has symbols beyond {SYMBOL_MIN}..{SYMBOL_MAX}")
        wave.put(rows, columns, symbols)
    return wave.symbols()


def _is_fixed(module: Module) -> bool:
    return module in ("context", "parents")


def _most(group: Group) -> int:
    """The largest exponent of a group."""
    return MAX_FIXED_EXPONENT if _is_fixed(group[0]) else MAX_EXPONENT


def _sum(integers: Integers, exponent: int, base: Shipped | None, tensor: Tensor, common: int) -> Integers:
    """Parameters over 2^common, which is finer than both steps."""
    found = integers << (common - exponent)
    return found if base is None else found + (base.integers[tensor.name] << (common - EXPONENT))


def _base_of(spec: LatentSpec, number: int) -> Shipped | None:
    """What integers are a difference to; raises `UnsupportedFeatureError` or `CorruptStreamError`."""
    if number == OWN:
        return None
    base = shipped(number)
    if base.spec != spec:
        raise CorruptStreamError(
            f"networks: the shipped ones of number {number} have another shape than this file says"
        )
    return base


def _check_group(group: Group, networks: Networks, tensors: list[Tensor], base: Shipped | None) -> None:
    """Refuse steps and parameters that are out of range; raises `CorruptStreamError`."""
    exponent = networks.exponents.get(group, 0)
    if not 0 <= exponent <= _most(group):
        raise CorruptStreamError(f"networks: step 2^-{exponent} of {group[0]}; exponents lie within 0..{_most(group)}")
    for tensor in tensors:
        values = networks.integers[tensor.name]
        small = int(np.abs(values).max()) <= 1 << (VALUE_BITS + exponent)
        if small and base is not None:
            whole = _sum(values, exponent, base, tensor, MAX_EXPONENT)
            small = int(np.abs(whole).max()) <= 1 << (VALUE_BITS + MAX_EXPONENT)
        if not small:
            raise CorruptStreamError(f"networks: {group[0]} has parameters beyond +-{1 << VALUE_BITS}")


def _encode_networks(coder: Encoder, spec: LatentSpec, networks: Networks) -> None:
    """Raises `SpecError`."""
    if not 0 <= networks.number < 1 << _NUMBER_BITS:
        raise SpecError(f"networks: number {networks.number}; it lies within 0..{(1 << _NUMBER_BITS) - 1}")
    _put(coder, networks.number, _NUMBER_BITS)
    try:
        base = _base_of(spec, networks.number)
        for group in GROUPS:
            tensors = tensors_of(spec, group)
            if tensors:
                _check_group(group, networks, tensors, base)
                _put(coder, networks.exponents.get(group, 0), _EXPONENT_BITS)
                values = [networks.integers[tensor.name].reshape(-1) for tensor in tensors]
                coder.encode_integers(np.concatenate(values).astype(np.int64))
    except FormatError as error:
        raise SpecError(str(error)) from None


def _decode_networks(coder: Decoder, spec: LatentSpec) -> Networks:
    """The networks at the start of the first payload; raises `FormatError`."""
    integers: dict[str, Integers] = {}
    exponents: dict[Group, int] = {}
    networks = Networks(integers, exponents, _take(coder, _NUMBER_BITS))
    base = _base_of(spec, networks.number)
    for group in GROUPS:
        tensors = tensors_of(spec, group)
        if not tensors:
            continue
        exponents[group] = _take(coder, _EXPONENT_BITS)
        values = coder.decode_integers(sum(tensor.size for tensor in tensors))
        first = 0
        for tensor in tensors:
            integers[tensor.name] = values[first : first + tensor.size].reshape(tensor.shape)
            first += tensor.size
        _check_group(group, networks, tensors, base)
    return networks


def _put(coder: Encoder, number: int, count: int) -> None:
    """A number of so many equally likely bits, the lowest first."""
    bits = [number >> i & 1 for i in range(count)]
    coder.encode_bits(np.array(bits, dtype=np.uint8), np.full(count, _HALF, dtype=np.uint16))


def _take(coder: Decoder, count: int) -> int:
    bits = coder.decode_bits(np.full(count, _HALF, dtype=np.uint16))
    return sum(int(bit) << i for i, bit in enumerate(bits))
