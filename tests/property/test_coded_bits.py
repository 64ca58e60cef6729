"""Bits at given probabilities: both coders write the same bytes, near the entropy, and refuse in the same words."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.entropy.stream import Bits, Probabilities, PythonDecoder, PythonEncoder
from inr.errors import CorruptStreamError, SpecError
from tests.support.entropy_twins import array, each_twin, native, native_decoder, native_encoder, outcome, runs, twins


def probabilities() -> st.SearchStrategy[int]:
    """Of a 1 in 1/65536, those next to 0 and 1 more often."""
    return st.integers(1, 65535) | st.sampled_from([1, 2, 32768, 65534, 65535])


def coin_tosses() -> st.SearchStrategy[list[tuple[int, int]]]:
    """Bits with their probabilities, each alone or many times."""
    toss = st.tuples(st.integers(0, 1), probabilities())
    repeated = st.lists(st.tuples(toss, st.integers(1, 300)), max_size=6)
    return st.lists(toss, max_size=80) | repeated.map(lambda found: [one for one, count in found for _ in range(count)])


def bits_of(tosses: list[tuple[int, int]]) -> tuple[Bits, Probabilities]:
    bits = np.array([bit for bit, _ in tosses], dtype=np.uint8)
    return bits, np.array([probability for _, probability in tosses], dtype=np.uint16)


@native
@given(st.lists(coin_tosses() | runs(), max_size=4))
def test_twins_code_bits_at_given_probabilities(spans: list[Any]) -> None:
    """Between spans of integers, too: the same bytes, and the same bits back."""
    made = []
    for encoder in (PythonEncoder(), native_encoder()):
        for span in spans:
            if span and isinstance(span[0], tuple):
                encoder.encode_bits(*bits_of(span))
            else:
                encoder.encode_integers(array(span))
        made.append(encoder.finish())
    assert made[0] == made[1]
    for decoder in (PythonDecoder(made[0]), native_decoder(made[0])):
        for span in spans:
            if span and isinstance(span[0], tuple):
                bits, at = bits_of(span)
                found = decoder.decode_bits(at)
                assert found.dtype == np.uint8
                np.testing.assert_array_equal(found, bits)
            else:
                assert decoder.decode_integers(len(span)).tolist() == span
        decoder.finish()


@each_twin
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.0005])
def test_size_of_bits_is_near_their_entropy(twin: str, share: float) -> None:
    """Far below what an adaptive model can reach, which never gives a decision less than 1/128."""
    rng = np.random.Generator(np.random.PCG64(7))
    bits = (rng.random(40_000) < share).astype(np.uint8)
    at = np.full(len(bits), max(1, round(65536 * share)), dtype=np.uint16)
    encoder, _ = twins(twin)
    encoder.encode_bits(bits, at)
    data = encoder.finish()
    ones, p = int(bits.sum()), int(at[0]) / 65536
    ideal = -(ones * math.log2(p) + (len(bits) - ones) * math.log2(1 - p)) / 8
    assert ideal - 1 <= len(data) <= 1.001 * ideal + 2
    decoder = twins(twin, data)[1]
    np.testing.assert_array_equal(decoder.decode_bits(at), bits)
    decoder.finish()


BAD_BITS: dict[str, tuple[Any, Any, str]] = {
    "two": (np.array([1, 2], np.uint8), np.array([9, 9], np.uint16), "bits must be 0 or 1; got 2"),
    "never": (np.array([1], np.uint8), np.array([0], np.uint16), r"within 1\.\.65535; got 0"),
    "lengths": (np.array([1], np.uint8), np.array([9, 9], np.uint16), "same length; got 1 and 2"),
    "bits of int64": (
        np.array([1]),
        np.array([9], np.uint16),
        "bits must be an array of uint8 with one axis; got int64",
    ),
    "floats": (np.array([1], np.uint8), np.array([0.5]), "probabilities must be an array of uint16"),
    "list": ([1], np.array([9], np.uint16), "bits must be an array of uint8 with one axis; got list"),
    "strided": (np.zeros(4, np.uint8)[::2], np.array([9, 9], np.uint16), "bits must be contiguous"),
}


@each_twin
@pytest.mark.parametrize(("bits", "at", "message"), BAD_BITS.values(), ids=BAD_BITS)
def test_bits_that_make_no_sense_are_refused(twin: str, bits: Any, at: Any, message: str) -> None:
    encoder, _ = twins(twin)
    with pytest.raises(SpecError, match=message):
        encoder.encode_bits(bits, at)


@each_twin
def test_probability_of_0_is_refused_and_bytes_run_out(twin: str) -> None:
    with pytest.raises(SpecError, match=r"within 1\.\.65535; got 0"):
        twins(twin, b"abc")[1].decode_bits(np.zeros(1, dtype=np.uint16))
    with pytest.raises(CorruptStreamError, match="ends before its symbols do"):
        twins(twin, b"abc")[1].decode_bits(np.full(100, 32768, dtype=np.uint16))


@native
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 65535)), max_size=20))
def test_encoders_answer_alike_to_any_bits(tosses: list[tuple[int, int]]) -> None:
    """Also to those that they must refuse, with the ones before them coded."""
    reference, compiled = PythonEncoder(), native_encoder()
    bits, at = bits_of(tosses)
    assert outcome(compiled, "encode_bits", bits, at) == outcome(reference, "encode_bits", bits, at)
    assert compiled.finish() == reference.finish()
    assert outcome(compiled, "encode_bits", bits, at) == outcome(reference, "encode_bits", bits, at)


@native
@given(st.binary(max_size=30), st.lists(st.integers(0, 65535), max_size=200))
def test_decoders_answer_alike_to_any_probabilities(data: bytes, at: list[int]) -> None:
    reference, compiled = PythonDecoder(data), native_decoder(data)
    for part in (at[:7], at[7:]):
        given_ = np.array(part, dtype=np.uint16)
        assert outcome(compiled, "decode_bits", given_) == outcome(reference, "decode_bits", given_)
    assert outcome(compiled, "finish") == outcome(reference, "finish")


@each_twin
def test_payloads_that_begin_outside_the_interval_are_refused(twin: str) -> None:
    """A code of 2^32 - 1 is not below the first range; it decodes to zeros, and no zeros are written so."""
    at = np.full(40, 65000, dtype=np.uint16)
    encoder, _ = twins(twin)
    encoder.encode_bits(np.zeros(40, dtype=np.uint8), at)
    _, decoder = twins(twin, b"\xff" * 4 + encoder.finish()[4:])
    decoder.decode_bits(at)
    with pytest.raises(CorruptStreamError, match="begin"):
        decoder.finish()
