"""A binary range coder, in integers only (after Martin 1979 and Lempel-Ziv-Markov): bits at given probabilities.

The interval has 32 bits and is renormalised by whole bytes. What predicts the probabilities is no part of it, see
`inr.entropy.models`.
"""

from typing import final

from inr.errors import CorruptStreamError

PROBABILITY_BITS = 16
"""A probability p stands for p / 2^16, 0 < p < 2^16."""
ONE = 1 << PROBABILITY_BITS

_MASK = 0xFFFFFFFF
_RENORMALISE = 1 << 24


@final
class RangeEncoder:
    """Turns decisions into bytes."""

    def __init__(self) -> None:
        self._low = 0
        self._range = _MASK
        self._out = bytearray()

    def encode(self, bit: int, probability: int) -> None:
        """Code one decision (0 or 1) of which a 1 has this probability in 1/65536, 1 to 65535."""
        bound = (self._range >> PROBABILITY_BITS) * probability
        if bit:
            self._range = bound
        else:
            self._range -= bound
            self._low += bound
            if self._low > _MASK:
                self._low &= _MASK
                self._carry()
        while self._range < _RENORMALISE:
            self._out.append(self._low >> 24)
            self._low = (self._low << 8) & _MASK
            self._range <<= 8

    def finish(self) -> bytes:
        """The shortest bytes that decode to what was coded; the encoder is spent afterwards."""
        length, value = _ending(self._low, self._range)
        if value > _MASK:
            self._carry()
        self._out += (value & _MASK).to_bytes(4, "big")[:length]
        return bytes(self._out)

    def _carry(self) -> None:
        i = len(self._out) - 1
        while self._out[i] == 0xFF:
            self._out[i] = 0
            i -= 1
        self._out[i] += 1


@final
class RangeDecoder:
    """Turns bytes back into decisions; bytes past the end read as zero, at most four of them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._range = _MASK
        self._code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self._position = 4

    def decode(self, probability: int) -> int:
        """The next decision, of which a 1 has this probability; raises `CorruptStreamError` beyond the end."""
        bound = (self._range >> PROBABILITY_BITS) * probability
        if self._code < bound:
            bit = 1
            self._range = bound
        else:
            bit = 0
            self._range -= bound
            self._code -= bound
        while self._range < _RENORMALISE:
            self._code = ((self._code << 8) & _MASK) | self._next_byte()
            self._range <<= 8
        return bit

    def finish(self) -> None:
        """Check that the payload is exactly what `RangeEncoder` writes for these decisions.

        Raises:
            CorruptStreamError: it is longer, shorter, or begins or ends in another way.
        """
        if self._data[:4] == b"\xff" * 4:  # the interval starts one short of 2^32, and this is what it lacks
            raise CorruptStreamError(f"entropy-coded payload of {len(self._data)} bytes does not begin as it should")
        window = int.from_bytes(self._data[self._position - 4 : self._position].ljust(4, b"\0"), "big")
        length, value = _ending((window - self._code) & _MASK, self._range)
        expected = self._position - 4 + length
        if len(self._data) != expected:
            raise CorruptStreamError(
                f"entropy-coded payload has {len(self._data)} bytes; its symbols take {expected} bytes"
            )
        if window != value & _MASK:
            raise CorruptStreamError(f"entropy-coded payload of {len(self._data)} bytes does not end as it should")

    def _next_byte(self) -> int:
        position = self._position
        self._position = position + 1
        if position < len(self._data):
            return self._data[position]
        if position >= len(self._data) + 4:
            raise CorruptStreamError(f"entropy-coded payload of {len(self._data)} bytes ends before its symbols do")
        return 0


def _ending(low: int, width: int) -> tuple[int, int]:
    """The fewest bytes (0 or 1) that, zeros after them, name a value in [low, low + width); and that value.

    One is enough because a renormalised `width` is at least 2^24.
    """
    if low == 0:
        return 0, 0
    if low + width > _MASK + 1:
        return 0, _MASK + 1
    return 1, (low + _RENORMALISE - 1) & -_RENORMALISE
