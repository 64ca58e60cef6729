"""Adaptive models of signed integers on top of the binary range coder."""

from typing import final

from inr.entropy.rangecoder import Bits, RangeDecoder, RangeEncoder
from inr.errors import CorruptStreamError, SpecError

MAX_BITS = 31
"""Magnitudes are below 2^31."""

_CLASSES = 8


@final
class IntegerModel:
    """Adaptive model of a sequence of signed integers whose magnitudes vary slowly.

    A value is coded as: is it zero; its sign; the exponent e of its magnitude m (2^e <= m < 2^(e+1)) in unary;
    the e bits below the leading one, highest first. Zero flag and exponent are conditioned on a class of the two
    magnitudes before, ``min(bit_length(a + b), 7)``; the two highest mantissa bits on e and on each other, the
    others on e and their position.
    """

    __slots__ = ("_exponent", "_low", "_mantissa", "_recent", "_sign", "_zero")

    def __init__(self) -> None:
        self._zero = Bits(_CLASSES)
        self._sign = Bits(1)
        self._exponent = Bits(_CLASSES * MAX_BITS)
        self._mantissa = Bits(3 * MAX_BITS)
        self._low = Bits(MAX_BITS * MAX_BITS)
        self._recent = (0, 0)

    def _context(self) -> int:
        a, b = self._recent
        return min((a + b).bit_length(), _CLASSES - 1)

    def encode(self, encoder: RangeEncoder, value: int) -> None:
        """Code one integer, |value| < 2^31; raises `SpecError` beyond."""
        context = self._context()
        magnitude = abs(value)
        exponent = magnitude.bit_length() - 1
        if exponent >= MAX_BITS:
            raise SpecError(f"entropy coder: magnitudes must be below 2^{MAX_BITS}; got {value}")
        self._recent = (magnitude, self._recent[0])
        encoder.encode(self._zero, context, int(magnitude == 0))
        if magnitude == 0:
            return
        encoder.encode(self._sign, 0, int(value < 0))
        first = context * MAX_BITS
        for k in range(exponent):
            encoder.encode(self._exponent, first + k, 1)
        if exponent < MAX_BITS - 1:
            encoder.encode(self._exponent, first + exponent, 0)
        node = 0
        for position in range(exponent - 1, -1, -1):
            bit = (magnitude >> position) & 1
            if exponent - position <= 2:
                encoder.encode(self._mantissa, 3 * exponent + node, bit)
                node = 1 + bit
            else:
                encoder.encode(self._low, MAX_BITS * exponent + position, bit)

    def decode(self, decoder: RangeDecoder) -> int:
        """The next integer; raises `CorruptStreamError`."""
        context = self._context()
        if decoder.decode(self._zero, context):
            self._recent = (0, self._recent[0])
            return 0
        negative = decoder.decode(self._sign, 0)
        first = context * MAX_BITS
        exponent = 0
        while exponent < MAX_BITS - 1 and decoder.decode(self._exponent, first + exponent):
            exponent += 1
        magnitude = 1
        node = 0
        for position in range(exponent - 1, -1, -1):
            if exponent - position <= 2:
                bit = decoder.decode(self._mantissa, 3 * exponent + node)
                node = 1 + bit
            else:
                bit = decoder.decode(self._low, MAX_BITS * exponent + position)
            magnitude = 2 * magnitude + bit
        self._recent = (magnitude, self._recent[0])
        return -magnitude if negative else magnitude


@final
class RefinementModel:
    """Adaptive model of one more bit of magnitude for integers whose coarser magnitude is known.

    The coarse value of v is ``sign(v) (|v| >> 1)``. If it is not zero, the missing bit of |v| is coded,
    conditioned on the size of the coarse magnitude. If it is zero, v is -1, 0 or 1: whether it is non-zero,
    conditioned on how many of the two values before are, then its sign.
    """

    __slots__ = ("_bit", "_recent", "_sign", "_significant")

    def __init__(self) -> None:
        self._bit = Bits(MAX_BITS + 1)
        self._significant = Bits(3)
        self._sign = Bits(1)
        self._recent = (0, 0)

    def encode(self, encoder: RangeEncoder, coarse: int, value: int) -> None:
        """Code `value`, |value| < 2^31, given its coarse value; raises `SpecError` if they do not belong together."""
        magnitude = abs(value)
        if magnitude.bit_length() > MAX_BITS:
            raise SpecError(f"entropy coder: magnitudes must be below 2^{MAX_BITS}; got {value}")
        if abs(coarse) != magnitude >> 1 or coarse * value < 0:
            raise SpecError(f"entropy coder: {coarse} is not the coarse value of {value}")
        if coarse:
            encoder.encode(self._bit, abs(coarse).bit_length(), magnitude & 1)
        else:
            encoder.encode(self._significant, sum(self._recent), magnitude)
            if magnitude:
                encoder.encode(self._sign, 0, int(value < 0))
        self._recent = (int(magnitude > 0), self._recent[0])

    def decode(self, decoder: RangeDecoder, coarse: int) -> int:
        """The refined value; raises `CorruptStreamError`, or `SpecError` for a coarse value from 2^31 on."""
        if abs(coarse).bit_length() > MAX_BITS:
            raise SpecError(f"entropy coder: magnitudes must be below 2^{MAX_BITS}; got {coarse}")
        if coarse:
            magnitude = 2 * abs(coarse) + decoder.decode(self._bit, abs(coarse).bit_length())
            if magnitude.bit_length() > MAX_BITS:
                raise CorruptStreamError(f"entropy-coded magnitude {magnitude} is not below 2^{MAX_BITS}")
            value = -magnitude if coarse < 0 else magnitude
        else:
            value = decoder.decode(self._significant, sum(self._recent))
            if value and decoder.decode(self._sign, 0):
                value = -1
        self._recent = (int(value != 0), self._recent[0])
        return value
