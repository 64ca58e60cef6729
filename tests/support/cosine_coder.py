"""A coder as another package would bring it, in this one file: a signal as a few terms of its cosine series.

Registering `Cosine` is all that is needed; nothing of the library knows it.
"""

import copy
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
import numpy.typing as npt
from pydantic import Field as Limits

from inr.backends.base import DEFAULT_RESOURCES, Positions, Resources, Values
from inr.coders.base import Coder, Encoded, Facts, Files, Opened, Plan, coder_in, refuse_others, stored
from inr.coders.request import CompressSpec
from inr.container.header import CoderPart, Header
from inr.domain import Domain
from inr.entropy.stream import Decoder, Encoder, Probabilities, decoder, encoder
from inr.errors import CorruptStreamError, LimitExceededError, TargetError
from inr.fitting.spec import Budget
from inr.fitting.trained import FitReport, Trained
from inr.fitting.training import State, Training
from inr.samplers.base import Moment
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal
from inr.spec import Wire

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAX_COEFFICIENTS = 2**16
COARSEST, USUAL, FINEST = -12, 4, 16
"""A coefficient is a multiple of 2^-s for s in this range."""
HALF = 1 << 15


class CosinePlan(Plan):
    """How many terms."""

    coder: Literal["cosine"] = "cosine"
    terms: int
    layers: int


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedCosines(Trained):
    """Coefficients `(terms of each axis, channels)`."""

    coefficients: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class EncodedCosines(Encoded):
    """Coefficients as multiples of 2^-fineness; they lack `missing` bits."""

    coder: ClassVar[str] = "cosine"
    terms: int
    fineness: int
    symbols: Integers


@final
class Cosine(Coder[CosinePlan, TrainedCosines, EncodedCosines]):
    """The first terms of the cosine series along each axis, bit plane after bit plane."""

    kind: Literal["cosine"] = "cosine"
    wire_id: ClassVar[int] = 77_001
    paper: ClassVar[str] = "Ahmed, Natarajan and Rao 1974, Discrete Cosine Transform"
    takes: ClassVar[frozenset[str] | None] = frozenset({"size", "psnr", "layers"})
    thread_invariant: ClassVar[bool] = True
    EXAMPLES: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"coder": "cosine", "size": 300},
        {"coder": "cosine:terms=12", "size": 600, "layers": 4},
        {"coder": "cosine:terms=5", "psnr": 14.0},
    )

    terms: Annotated[int, Limits(ge=1, le=64), Wire(0)] = 8
    """Along each axis, at most."""

    def check(self, request: CompressSpec) -> None:
        """See `Coder`."""
        refuse_others(self, request)

    def plan(
        self, signal: SignalInfo, request: CompressSpec, files: Files, like: CoderPart | None = None
    ) -> CosinePlan:
        """See `Coder`: the coder's own setting says how many terms, or the file that a further part belongs to."""
        del files
        first = None if like is None else coder_in(like)
        return self._planned(signal, request, first.terms if isinstance(first, Cosine) else self.terms)

    def _planned(self, signal: SignalInfo, request: CompressSpec, terms: int) -> CosinePlan:
        return CosinePlan(
            size=request.size,
            named=request.size is not None,
            psnr=request.psnr,
            model=self.kind,
            parameters=math.prod(_shape(signal, terms)),
            terms=terms,
            layers=request.layers,
        )

    def again(self, signal: SignalInfo, request: CompressSpec, plan: CosinePlan, files: Files) -> CosinePlan | None:
        """See `Coder`: twice as many terms."""
        terms = 2 * plan.terms
        if terms > 64 or math.prod(_shape(signal, terms)) > MAX_COEFFICIENTS:
            return None
        return self._planned(signal, request, terms)

    def start(self, signal: Signal, plan: CosinePlan) -> Training[TrainedCosines]:
        """See `Coder`."""
        return _Projection(signal, plan.terms)

    def encode(self, trained: TrainedCosines, plan: CosinePlan, files: Files) -> EncodedCosines | None:
        """See `Coder`: the finest step that fits, or the coarsest one that is good enough."""
        if plan.psnr is not None:
            tried = (self._quantised(trained, plan, s) for s in range(COARSEST, FINEST + 1))
            return next((encoded for encoded in tried if files.psnr(encoded) >= plan.psnr), None)
        if plan.size is None:
            return self._quantised(trained, plan, USUAL)
        for fineness in range(FINEST, COARSEST - 1, -1):
            encoded = self._quantised(trained, plan, fineness)
            if files.size(encoded) <= plan.size:
                return encoded
        raise TargetError(f"size: {plan.size} bytes are too few for a cosine file")

    def _quantised(self, trained: TrainedCosines, plan: CosinePlan, fineness: int) -> EncodedCosines:
        return EncodedCosines(
            terms=plan.terms,
            fineness=fineness,
            symbols=np.rint(trained.coefficients * 2.0**fineness).astype(np.int64),
            channels=trained.channels,
            domain=trained.domain,
            meta=trained.meta,
            layers=plan.layers,
        )

    def part(self, encoded: EncodedCosines) -> CoderPart:
        """See `Coder`."""
        return stored(Cosine(terms=encoded.terms))

    def payloads(self, encoded: EncodedCosines) -> tuple[bytes, ...]:
        """See `Coder`: the planes but the last ones, then a plane each."""
        symbols, present = encoded.symbols.reshape(-1), encoded.layers - encoded.missing
        lowest = range(present - 1, -1, -1)
        highest = max(int(np.abs(symbols).max()).bit_length(), present) - 1
        out = []
        for plane in lowest:
            coder = encoder()
            if plane == present - 1:
                _put(coder, encoded.fineness - COARSEST, 5)
                _put(coder, highest - plane, 5)
            for one in range(highest if plane == present - 1 else plane, plane - 1, -1):
                _encode_plane(coder, symbols, one)
            out.append(coder.finish())
        return tuple(out)

    def parse(self, header: Header, signal: SignalInfo, payloads: tuple[bytes, ...]) -> EncodedCosines:
        """See `Coder`."""
        shape, fineness = _shape(signal, self.terms), USUAL
        if math.prod(shape) > MAX_COEFFICIENTS:
            raise LimitExceededError(f"{math.prod(shape)} coefficients; at most {MAX_COEFFICIENTS} are allowed")
        symbols: Integers = np.zeros(math.prod(shape), dtype=np.int64)
        for number, payload in enumerate(payloads):
            coder, planes = decoder(payload), 1
            if number == 0:
                fineness, planes = COARSEST + _taken(coder, 5), 1 + _taken(coder, 5)
            if fineness > FINEST:
                raise CorruptStreamError(f"fineness {fineness} is not within {COARSEST}..{FINEST}")
            for _ in range(planes):
                symbols = _decode_plane(coder, symbols)
            coder.finish()
        encoded = EncodedCosines(
            terms=self.terms,
            fineness=fineness,
            symbols=symbols.reshape(shape),
            channels=signal.channels,
            domain=signal.domain,
            meta=signal.meta,
            layers=header.layers,
            missing=header.layers - len(payloads),
        )
        if self.payloads(encoded) != payloads:
            raise CorruptStreamError("bit planes are not what a writer writes")
        return encoded

    def open(
        self,
        encoded: EncodedCosines,
        backend: str = "auto",
        device: str = "auto",
        resources: Resources = DEFAULT_RESOURCES,
    ) -> Opened:
        """See `Coder`."""
        del backend, device, resources
        known = np.abs(encoded.symbols).astype(np.float64)
        middle = np.where(known > 0, (2**encoded.missing - 1) / 2, 0.0)
        values = np.sign(encoded.symbols) * (known * 2**encoded.missing + middle)
        return Opened(_CosineField(encoded.domain, values * 2.0**-encoded.fineness))

    def facts(self, encoded: EncodedCosines) -> Facts:
        """See `Coder`."""
        return Facts(self.kind, Cosine(terms=encoded.terms), encoded.symbols.size)


class _Projection(Training[TrainedCosines]):
    """A step finds all terms of one order."""

    def __init__(self, signal: Signal, terms: int) -> None:
        self.signal, self.budget, self.seed, self.backend = signal, Budget(steps=terms), 0, "numpy"
        self.identity, self.on_grids = f"cosine of {terms} terms", True
        shape = _shape(SignalInfo.of(signal), terms)
        self._coefficients = np.zeros(shape)
        self._orders = np.indices(shape[:-1]).max(axis=0)

    @functools.cached_property
    def _exact(self) -> Floats:
        """All coefficients."""
        domain = self.signal.domain
        axes = tuple(np.arange(n) for n in domain.shape)
        values: Floats = self.signal.block_targets(axes).reshape(*domain.shape, -1).astype(np.float64)
        for axis, terms in enumerate(self._coefficients.shape[:-1]):
            basis = _basis(domain, axis, domain.axis_coordinates(axis), terms)
            values = np.moveaxis(np.tensordot(basis, values, axes=(0, axis)), 0, axis)
        return values

    def step(self, moment: Moment) -> float:
        chosen = self._orders == moment.step
        self._coefficients[chosen] = self._exact[chosen]
        rest = self._exact - self._coefficients
        return float((rest * rest).sum() / self.signal.samples.size)

    def field(self) -> "_CosineField":
        return _CosineField(self.signal.domain, self._coefficients.copy())

    def trained(self, report: FitReport) -> TrainedCosines:
        signal = self.signal
        return TrainedCosines(
            coefficients=self._coefficients,
            channels=signal.channels,
            domain=signal.domain,
            meta=signal.meta,
            report=report,
        )

    def state(self) -> State:
        return {"coefficients": self._coefficients.copy()}

    def restore(self, state: State) -> None:
        self._coefficients = copy.deepcopy(state["coefficients"])


class _CosineField:
    """A cosine series as a function."""

    def __init__(self, domain: Domain, coefficients: Floats) -> None:
        self._domain, self._coefficients = domain, coefficients

    def __call__(self, coordinates: Positions) -> Values:
        values: Any = np.broadcast_to(self._coefficients, (len(coordinates), *self._coefficients.shape))
        for axis in range(self._domain.ndim):
            basis = _basis(self._domain, axis, coordinates[:, axis], values.shape[1])
            values = np.einsum("nk,nk...->n...", basis, values)
        found: Values = values.astype(np.float32)
        return found

    def grid(self, axes: Sequence[Positions]) -> Values:
        values = self._coefficients
        for axis, x in enumerate(axes):
            basis = _basis(self._domain, axis, x, values.shape[axis])
            values = np.moveaxis(np.tensordot(basis, values, axes=(1, axis)), 0, axis)
        return values.reshape(-1, values.shape[-1]).astype(np.float32)


def _shape(signal: SignalInfo, terms: int) -> tuple[int, ...]:
    """Terms along each axis, and channels."""
    return (*(min(terms, n) for n in signal.domain.shape), signal.channels)


def _basis(domain: Domain, axis: int, x: Positions, terms: int) -> Floats:
    """`(n, terms)`: orthonormal over the samples of an axis."""
    low, high = domain.box[axis]
    place = (x.astype(np.float64) - low) / (high - low)
    scale = np.where(np.arange(terms) == 0, 1.0, math.sqrt(2)) / math.sqrt(domain.shape[axis])
    basis: Floats = np.cos(math.pi * np.outer(place, np.arange(terms))) * scale
    return basis


def _put(coder: Encoder, number: int, bits: int) -> None:
    """A number of so many bits."""
    coder.encode_bits(np.array([number >> i & 1 for i in range(bits)], dtype=np.uint8), _halves(bits))


def _taken(coder: Decoder, bits: int) -> int:
    return sum(int(bit) << i for i, bit in enumerate(coder.decode_bits(_halves(bits))))


def _halves(count: int) -> Probabilities:
    return np.full(count, HALF, dtype=np.uint16)


def _encode_plane(coder: Encoder, symbols: Integers, plane: int) -> None:
    """A bit of each magnitude, and the signs of those that are not zero any more."""
    coarse = np.abs(symbols) >> (plane + 1)
    bits = (np.abs(symbols) >> plane & 1).astype(np.uint8)
    fresh = coarse == 0
    ones = int(bits[fresh].sum())
    probability = min(max((ones << 16) // max(int(fresh.sum()), 1), 1), 65535)
    _put(coder, probability, 16)
    coder.encode_bits(bits, np.where(fresh, probability, HALF).astype(np.uint16))
    signs = (symbols[fresh & (bits == 1)] < 0).astype(np.uint8)
    coder.encode_bits(signs, _halves(len(signs)))


def _decode_plane(coder: Decoder, symbols: Integers) -> Integers:
    probability = _taken(coder, 16)
    if probability == 0:
        raise CorruptStreamError("a probability of 0")
    fresh = symbols == 0
    bits = coder.decode_bits(np.where(fresh, probability, HALF).astype(np.uint16)).astype(np.int64)
    refined = np.sign(symbols) * (2 * np.abs(symbols) + bits)
    new = fresh & (bits == 1)
    negative = coder.decode_bits(_halves(int(new.sum())))
    refined[new] = np.where(negative == 1, -1, 1)
    return refined
