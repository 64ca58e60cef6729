"""The range coder: exact round trips, exact bytes, one stream for each sequence of decisions, size near the ideal."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inr.entropy.coder import RangeDecoder, RangeEncoder
from inr.entropy.models.adaptive import MIN_COST_BITS, AdaptiveBits
from inr.errors import CorruptStreamError

CONTEXTS = 4

Decision = tuple[int, int]
"""Context and bit."""


def encode(decisions: list[Decision]) -> bytes:
    encoder, bits = RangeEncoder(), AdaptiveBits(CONTEXTS)
    for context, bit in decisions:
        bits.encode(encoder, context, bit)
    return encoder.finish()


def decode(data: bytes, contexts: list[int]) -> list[Decision]:
    decoder, bits = RangeDecoder(data), AdaptiveBits(CONTEXTS)
    decisions = [(context, bits.decode(decoder, context)) for context in contexts]
    decoder.finish()
    return decisions


def decisions() -> st.SearchStrategy[list[Decision]]:
    """Sequences with every degree of predictability."""
    anything = st.lists(st.tuples(st.integers(0, CONTEXTS - 1), st.integers(0, 1)), max_size=300)
    runs = st.lists(st.tuples(st.integers(0, CONTEXTS - 1), st.integers(0, 1), st.integers(1, 200)), max_size=8)
    return anything | runs.map(lambda found: [(context, bit) for context, bit, count in found for _ in range(count)])


@given(decisions())
def test_round_trip(sequence: list[Decision]) -> None:
    assert decode(encode(sequence), [context for context, _ in sequence]) == sequence


@given(decisions(), st.binary(min_size=1, max_size=3))
def test_appended_bytes_never_pass_unnoticed(sequence: list[Decision], extra: bytes) -> None:
    """They raise, or they are what another sequence is coded as; never the same sequence a second time."""
    try:
        found = decode(encode(sequence) + extra, [context for context, _ in sequence])
    except CorruptStreamError:
        return
    assert found != sequence
    assert encode(found) == encode(sequence) + extra


@given(decisions(), st.integers(1, 3))
def test_cut_bytes_never_pass_unnoticed(sequence: list[Decision], cut: int) -> None:
    data = encode(sequence)
    assume(len(data) >= cut)
    try:
        found = decode(data[:-cut], [context for context, _ in sequence])
    except CorruptStreamError:
        return
    assert found != sequence
    assert encode(found) == data[:-cut]


@given(st.binary(max_size=12), st.lists(st.integers(0, CONTEXTS - 1), max_size=120))
def test_what_decodes_is_what_the_encoder_writes(data: bytes, contexts: list[int]) -> None:
    """However many decisions a reader takes from any bytes: `finish` passes only on the encoder's own bytes."""
    decoder, bits, found = RangeDecoder(data), AdaptiveBits(CONTEXTS), []
    for context in contexts:
        try:
            found.append((context, bits.decode(decoder, context)))
        except CorruptStreamError:
            assert encode(found).startswith(data) or encode(found)[: len(data) - 1] == data[:-1]
            return
        try:
            decoder.finish()
        except CorruptStreamError:
            assert encode(found) != data
        else:
            assert encode(found) == data


@pytest.mark.parametrize("change", ["cut", "appended"])
def test_another_length_of_a_long_payload_raises(change: str) -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    sequence = [(int(context), int(bit)) for context, bit in rng.integers(0, 2, (4000, 2))]
    data = encode(sequence)
    with pytest.raises(CorruptStreamError, match="payload"):
        decode(data[:-5] if change == "cut" else data + b"\x55", [context for context, _ in sequence])


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ([], ""),
        ([(0, 1)], ""),
        ([(0, 0)], "80"),
        ([(0, 1), (0, 0)], "60"),
        ([(0, 0)] * 50, "ec"),
        ([(0, 1)] * 50, ""),
        ([(i % 4, i % 3 % 2) for i in range(64)], "b36509160b6affc05d"),
        ([(i % 4, i * i % 7 % 2) for i in range(100)], "bd44e3ddbd9cf638f20eb7a8"),
        ([(3, int(i % 10 == 0)) for i in range(200)], "7de2a73a0ae96898fe9369abbb"),
    ],
)
def test_bytes_are_pinned(sequence: list[Decision], expected: str) -> None:
    """A change of these bytes makes every existing file unreadable."""
    assert encode(sequence).hex() == expected
    assert decode(bytes.fromhex(expected), [context for context, _ in sequence]) == sequence


@pytest.mark.parametrize("probability", [0.5, 0.3, 0.1, 0.05])
def test_size_of_independent_decisions_is_near_their_entropy(probability: float) -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    sequence = [(0, int(bit)) for bit in rng.random(60_000) < probability]
    ones = sum(bit for _, bit in sequence)
    ideal = -(ones * math.log2(probability) + (len(sequence) - ones) * math.log2(1 - probability)) / 8
    data = encode(sequence)
    assert 0.99 * ideal <= len(data) <= 1.02 * ideal + 8
    assert decode(data, [0] * len(sequence)) == sequence  # long enough for carries through bytes of all ones


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("count", [10, 1000, 50_000])
def test_constant_decisions_cost_the_least_but_not_less(bit: int, count: int) -> None:
    size = len(encode([(0, bit)] * count))
    assert 8 * (size + 4) >= count * MIN_COST_BITS, AdaptiveBits
    assert size <= 1.02 * count * MIN_COST_BITS / 8 + 8
