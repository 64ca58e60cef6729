"""Binary decisions whose probabilities are learnt from the decisions before them."""

from typing import final

from inr.entropy.coder import ONE, PROBABILITY_BITS, RangeDecoder, RangeEncoder

MIN_COST_BITS = 0.0113
"""-log2(127/128), rounded down: what the most predictable decision costs."""

_FLOOR = ONE >> 7
_CEIL = ONE - _FLOOR
_MAX_COUNT = 126
_RATE = tuple(ONE // (n + 2) for n in range(_MAX_COUNT + 1))


@final
class AdaptiveBits:
    """A set of adaptive binary models: the probability of a 1 in each context, and how often it was seen.

    After a decision p moves towards it by (target - p)/(n + 2), with n capped, in 16-bit fixed point with floor
    rounding: at first a frequency count, later an exponential average over about 128 decisions.

    Probabilities never leave [1/128, 127/128], so a decision costs at least `MIN_COST_BITS`: the number of symbols
    a payload can hold is bounded by its length, and a decoder can refuse a lying count before it starts.
    """

    __slots__ = ("_count", "_p")

    def __init__(self, contexts: int) -> None:
        self._p = [ONE >> 1] * contexts
        self._count = [0] * contexts

    def encode(self, encoder: RangeEncoder, context: int, bit: int) -> None:
        """Code one decision (0 or 1) with the model of a context, and adapt the model."""
        encoder.encode(bit, self._p[context])
        self._adapt(context, bit)

    def decode(self, decoder: RangeDecoder, context: int) -> int:
        """The next decision; raises `CorruptStreamError` if the bytes have run out."""
        bit = decoder.decode(self._p[context])
        self._adapt(context, bit)
        return bit

    def _adapt(self, context: int, bit: int) -> None:
        p, n = self._p[context], self._count[context]
        if bit:
            p += ((ONE - p) * _RATE[n]) >> PROBABILITY_BITS
            self._p[context] = p if p < _CEIL else _CEIL
        else:
            p += (-p * _RATE[n]) >> PROBABILITY_BITS
            self._p[context] = p if p > _FLOOR else _FLOOR
        if n < _MAX_COUNT:
            self._count[context] = n + 1
