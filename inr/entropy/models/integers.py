"""Adaptive models of signed integers."""

from typing import final

from inr.entropy.binarise import MAX_BITS, PLACES, read_magnitude, write_magnitude
from inr.entropy.coder import RangeDecoder, RangeEncoder
from inr.entropy.models.adaptive import AdaptiveBits
from inr.errors import CorruptStreamError, SpecError

_CLASSES = 8


@final
class IntegerModel:
    """Adaptive model of a sequence of signed integers whose magnitudes vary slowly.

    A value is coded as: is it zero; its sign; its magnitude, see `inr.entropy.binarise`. Zero flag and exponent are
    conditioned on a class of the two magnitudes before, ``min(bit_length(a + b), 7)``; the two highest bits below the
    leading one on the exponent and on each other, the others on the exponent and their position.
    """

    __slots__ = ("_below", "_exponent", "_recent", "_sign", "_zero")

    def __init__(self) -> None:
        self._zero = AdaptiveBits(_CLASSES)
        self._sign = AdaptiveBits(1)
        self._exponent = AdaptiveBits(_CLASSES * MAX_BITS)
        self._below = AdaptiveBits(PLACES - MAX_BITS)
        self._recent = (0, 0)

    def _context(self) -> int:
        a, b = self._recent
        return min((a + b).bit_length(), _CLASSES - 1)

    def encode(self, encoder: RangeEncoder, value: int) -> None:
        """Code one integer, |value| < 2^31; raises `SpecError` beyond."""
        context = self._context()
        magnitude = abs(value)
        if magnitude.bit_length() > MAX_BITS:
            raise SpecError(f"entropy coder: magnitudes must be below 2^{MAX_BITS}; got {value}")
        self._recent = (magnitude, self._recent[0])
        self._zero.encode(encoder, context, int(magnitude == 0))
        if magnitude == 0:
            return
        self._sign.encode(encoder, 0, int(value < 0))

        first = context * MAX_BITS

        def put(place: int, bit: int) -> None:
            if place < MAX_BITS:
                self._exponent.encode(encoder, first + place, bit)
            else:
                self._below.encode(encoder, place - MAX_BITS, bit)

        write_magnitude(magnitude, put)

    def decode(self, decoder: RangeDecoder) -> int:
        """The next integer; raises `CorruptStreamError`."""
        context = self._context()
        if self._zero.decode(decoder, context):
            self._recent = (0, self._recent[0])
            return 0
        negative = self._sign.decode(decoder, 0)

        first = context * MAX_BITS

        def get(place: int) -> int:
            if place < MAX_BITS:
                return self._exponent.decode(decoder, first + place)
            return self._below.decode(decoder, place - MAX_BITS)

        magnitude = read_magnitude(get)
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
        self._bit = AdaptiveBits(MAX_BITS + 1)
        self._significant = AdaptiveBits(3)
        self._sign = AdaptiveBits(1)
        self._recent = (0, 0)

    def encode(self, encoder: RangeEncoder, coarse: int, value: int) -> None:
        """Code `value`, |value| < 2^31, given its coarse value; raises `SpecError` if they do not belong together."""
        magnitude = abs(value)
        if magnitude.bit_length() > MAX_BITS:
            raise SpecError(f"entropy coder: magnitudes must be below 2^{MAX_BITS}; got {value}")
        if abs(coarse) != magnitude >> 1 or coarse * value < 0:
            raise SpecError(f"entropy coder: {coarse} is not the coarse value of {value}")
        if coarse:
            self._bit.encode(encoder, abs(coarse).bit_length(), magnitude & 1)
        else:
            self._significant.encode(encoder, sum(self._recent), magnitude)
            if magnitude:
                self._sign.encode(encoder, 0, int(value < 0))
        self._recent = (int(magnitude > 0), self._recent[0])

    def decode(self, decoder: RangeDecoder, coarse: int) -> int:
        """The refined value; raises `CorruptStreamError`, or `SpecError` for a coarse value from 2^31 on."""
        if abs(coarse).bit_length() > MAX_BITS:
            raise SpecError(f"entropy coder: magnitudes must be below 2^{MAX_BITS}; got {coarse}")
        if coarse:
            magnitude = 2 * abs(coarse) + self._bit.decode(decoder, abs(coarse).bit_length())
            if magnitude.bit_length() > MAX_BITS:
                raise CorruptStreamError(f"entropy-coded magnitude {magnitude} is not below 2^{MAX_BITS}")
            value = -magnitude if coarse < 0 else magnitude
        else:
            value = self._significant.decode(decoder, sum(self._recent))
            if value and self._sign.decode(decoder, 0):
                value = -1
        self._recent = (int(value != 0), self._recent[0])
        return value
