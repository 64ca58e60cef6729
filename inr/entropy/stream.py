"""Spans of bits and integers to payloads and back: compiled where the extension module is installed, else in Python.

Both twins write the same bytes, read the same numbers and raise the same errors. Bits come with the probability of
each; every call of another ``encode_*`` or ``decode_*`` is one span with a fresh adaptive model.
"""

import operator
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from inr.entropy.coder import RangeDecoder, RangeEncoder
from inr.entropy.models.adaptive import MIN_COST_BITS
from inr.entropy.models.integers import IntegerModel, RefinementModel
from inr.errors import CorruptStreamError, SpecError
from inr.native import load

Integers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]
"""Zeros and ones."""
Probabilities = npt.NDArray[np.uint16]
"""Of a 1, in 1/65536; never 0."""


class Encoder(Protocol):
    """Turns spans of bits and integers into bytes."""

    def encode_bits(self, bits: Bits, probabilities: Probabilities) -> None:
        """Code bits, each at its own probability; raises `SpecError` for other numbers, with the ones before coded."""

    def encode_integers(self, values: Integers) -> None:
        """Code integers of any kind; raises `SpecError` from 2^31 on, with the ones before it coded."""

    def encode_refinements(self, coarse: Integers, fine: Integers) -> None:
        """Code one more bit of magnitude; raises `SpecError` if the arrays do not belong together."""

    def finish(self) -> bytes:
        """The shortest bytes that decode to what was coded; every later call raises `SpecError`."""


class Decoder(Protocol):
    """Turns bytes back into spans of bits and integers."""

    def decode_bits(self, probabilities: Probabilities) -> Bits:
        """The next bits, one for each probability; raises `CorruptStreamError`, or `SpecError` for a probability 0."""

    def decode_integers(self, count: int) -> Integers:
        """The next integers; raises `CorruptStreamError`, for a count beyond all bounds before any work."""

    def decode_refinements(self, coarse: Integers) -> Integers:
        """The integers whose coarse values are known; raises `CorruptStreamError`, or `SpecError` for bad input."""

    def finish(self) -> None:
        """Check that the payload ends exactly here; raises `CorruptStreamError`."""


def encoder() -> Encoder:
    """The fastest encoder there is."""
    kernels = load()
    if kernels is None:
        return PythonEncoder()
    native: Encoder = kernels.RangeEncoder()
    return native


def decoder(data: bytes) -> Decoder:
    """The fastest decoder there is."""
    kernels = load()
    if kernels is None:
        return PythonDecoder(data)
    native: Decoder = kernels.RangeDecoder(data)
    return native


def check_holds(size: int, symbols: int) -> None:
    """Every symbol takes at least one decision, so a short payload cannot hold many: refuse before working."""
    if symbols * MIN_COST_BITS > 8 * (size + 4):
        raise CorruptStreamError(f"a payload of {size} bytes cannot hold {symbols} symbols")


@final
class PythonEncoder:
    """The reference `Encoder`."""

    def __init__(self) -> None:
        self._coder = RangeEncoder()
        self._finished = False

    def encode_bits(self, bits: Bits, probabilities: Probabilities) -> None:
        """See `Encoder`."""
        _check_array(bits, "bits", np.uint8)
        _check_array(probabilities, "probabilities", np.uint16)
        if len(bits) != len(probabilities):
            raise SpecError(
                "entropy coder: bits and probabilities must have the same length; "
                f"got {len(bits)} and {len(probabilities)}"
            )
        self._check_open()
        for bit, probability in zip(bits.tolist(), probabilities.tolist(), strict=True):
            if bit > 1:
                raise SpecError(f"entropy coder: bits must be 0 or 1; got {bit}")
            self._coder.encode(bit, _checked_probability(probability))

    def encode_integers(self, values: Integers) -> None:
        """See `Encoder`."""
        _check_array(values, "values")
        self._check_open()
        model = IntegerModel()
        for value in values.tolist():
            model.encode(self._coder, value)

    def encode_refinements(self, coarse: Integers, fine: Integers) -> None:
        """See `Encoder`."""
        _check_array(coarse, "coarse")
        _check_array(fine, "fine")
        if len(coarse) != len(fine):
            raise SpecError(
                f"entropy coder: coarse and fine must have the same length; got {len(coarse)} and {len(fine)}"
            )
        self._check_open()
        model = RefinementModel()
        for known, value in zip(coarse.tolist(), fine.tolist(), strict=True):
            model.encode(self._coder, known, value)

    def finish(self) -> bytes:
        """See `Encoder`."""
        self._check_open()
        self._finished = True
        return self._coder.finish()

    def _check_open(self) -> None:
        if self._finished:
            raise SpecError("entropy coder: this encoder is finished")


@final
class PythonDecoder:
    """The reference `Decoder`."""

    def __init__(self, data: bytes) -> None:
        _check_bytes(data)
        self._size = len(data)
        self._coder = RangeDecoder(data)

    def decode_bits(self, probabilities: Probabilities) -> Bits:
        """See `Decoder`."""
        _check_array(probabilities, "probabilities", np.uint16)
        found = (self._coder.decode(_checked_probability(p)) for p in probabilities.tolist())
        return np.fromiter(found, np.uint8, len(probabilities))

    def decode_integers(self, count: int) -> Integers:
        """See `Decoder`."""
        count = operator.index(count)
        if not 0 <= count < 2**63:
            raise SpecError("entropy coder: count must be within 0..2^63 - 1")
        check_holds(self._size, count)
        model = IntegerModel()
        return np.fromiter((model.decode(self._coder) for _ in range(count)), np.int64, count)

    def decode_refinements(self, coarse: Integers) -> Integers:
        """See `Decoder`."""
        _check_array(coarse, "coarse")
        check_holds(self._size, len(coarse))
        model = RefinementModel()
        return np.fromiter((model.decode(self._coder, known) for known in coarse.tolist()), np.int64, len(coarse))

    def finish(self) -> None:
        """See `Decoder`."""
        self._coder.finish()


def _check_bytes(data: object) -> None:
    if not isinstance(data, bytes):
        raise SpecError(f"entropy coder: data must be bytes; got {type(data).__name__}")


def _check_array(values: object, name: str, kind: type[np.integer[Any]] = np.int64) -> None:
    if not isinstance(values, np.ndarray) or values.dtype != kind or values.ndim != 1:
        raise SpecError(
            f"entropy coder: {name} must be an array of {np.dtype(kind)} with one axis; got {_described(values)}"
        )
    if not (values.flags.c_contiguous and values.flags.aligned):
        raise SpecError(f"entropy coder: {name} must be contiguous and aligned in memory")


def _checked_probability(probability: int) -> int:
    if probability == 0:
        raise SpecError("entropy coder: probabilities must be within 1..65535; got 0")
    return probability


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__
