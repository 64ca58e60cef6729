"""The two entropy coders are one: same bytes, same integers, same errors, whatever they are given."""

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.coders.weights import stream
from inr.coders.weights.quantize import QuantizedTensor
from inr.entropy import stream as choice
from inr.entropy.models.adaptive import MIN_COST_BITS
from inr.entropy.stream import Decoder, Encoder, Integers, PythonDecoder, PythonEncoder
from inr.errors import CorruptStreamError, SpecError
from tests.property.test_stream import check_same, field_of, layouts_of
from tests.support.entropy_twins import (
    KERNELS,
    array,
    each_twin,
    native,
    native_decoder,
    native_encoder,
    outcome,
    runs,
    twins,
)
from tests.support.strategies import MAX_MAGNITUDE, integers, quantized_tensors

Span = tuple[str, list[int]]
"""The word integers or refinements, and the values."""

Call = tuple[str, tuple[Any, ...]]
"""The name of a method and its arguments."""


def coarse(values: Integers) -> Integers:
    return np.asarray(np.sign(values) * (np.abs(values) >> 1))


def encoded(coder: Encoder, spans: list[Span]) -> bytes:
    for kind, values in spans:
        if kind == "integers":
            coder.encode_integers(array(values))
        else:
            coder.encode_refinements(coarse(array(values)), array(values))
    return coder.finish()


def decoded(coder: Decoder, spans: list[Span]) -> list[list[int]]:
    found = []
    for kind, values in spans:
        if kind == "integers":
            found.append(coder.decode_integers(len(values)).tolist())
        else:
            found.append(coder.decode_refinements(coarse(array(values))).tolist())
    coder.finish()
    return found


@native
@given(st.lists(st.tuples(st.sampled_from(["integers", "refinements"]), runs()), max_size=5))
def test_twins_write_the_same_bytes_and_read_them(spans: list[Span]) -> None:
    data = encoded(PythonEncoder(), spans)
    assert encoded(native_encoder(), spans) == data
    expected = [values for _, values in spans]
    assert decoded(PythonDecoder(data), spans) == expected
    assert decoded(native_decoder(data), spans) == expected


@native
@pytest.mark.parametrize("scale", [0.3, 4.0, 300.0, 1e8])
def test_twins_agree_on_long_spans(scale: float) -> None:
    """Long enough for full counters, probabilities at both ends, and carries through bytes of all ones."""
    rng = np.random.Generator(np.random.PCG64(11))
    values = np.clip(np.rint(rng.laplace(0, scale, 30_000)), -MAX_MAGNITUDE, MAX_MAGNITUDE).astype(np.int64)
    values[10_000:15_000] = 0
    values[15_000:18_000] = -MAX_MAGNITUDE
    spans = [("integers", values.tolist()), ("refinements", values.tolist()), ("integers", values[::-1].tolist())]
    data = encoded(PythonEncoder(), spans)
    assert encoded(native_encoder(), spans) == data
    assert decoded(native_decoder(data), spans) == [found for _, found in spans]


def any_arrays() -> st.SearchStrategy[Integers]:
    """Arrays for an encoder, some with integers that it must refuse."""
    edges = st.sampled_from([2**31, -(2**31), 2**32, 2**63 - 1, 1 - 2**63, -(2**63)])
    return st.lists(integers() | edges | st.integers(-(2**63), 2**63 - 1), max_size=5).map(array) | runs().map(array)


def encoder_calls() -> st.SearchStrategy[Call]:
    right = runs().map(array).map(lambda fine: ("encode_refinements", (coarse(fine), fine)))
    wrong = st.tuples(any_arrays(), any_arrays()).map(lambda pair: ("encode_refinements", pair))
    finish: Call = ("finish", ())
    return any_arrays().map(lambda values: ("encode_integers", (values,))) | right | wrong | st.just(finish)


@native
@given(st.lists(encoder_calls(), max_size=6))
def test_encoders_answer_alike_whatever_they_are_told(calls: list[Call]) -> None:
    """Also after an error, when what came before the refused value stays coded, and after the end."""
    reference, compiled = PythonEncoder(), native_encoder()
    for name, arguments in [*calls, ("finish", ()), ("finish", ())]:
        assert outcome(compiled, name, *arguments) == outcome(reference, name, *arguments)


def decoder_calls() -> st.SearchStrategy[Call]:
    known = any_arrays() | st.integers(0, 300).map(lambda count: np.zeros(count, dtype=np.int64))
    finish: Call = ("finish", ())
    return (
        st.integers(0, 400).map(lambda count: ("decode_integers", (count,)))
        | known.map(lambda values: ("decode_refinements", (values,)))
        | st.just(finish)
    )


def payloads() -> st.SearchStrategy[bytes]:
    """Any bytes, and right ones that are then changed a little."""
    right = st.lists(st.tuples(st.just("integers"), runs()), max_size=3).map(
        lambda spans: encoded(PythonEncoder(), spans)
    )
    return st.binary(max_size=40) | st.tuples(right, st.binary(max_size=2), st.integers(0, 3)).map(
        lambda parts: parts[0][: len(parts[0]) - parts[2]] + parts[1]
    )


@native
@given(payloads(), st.lists(decoder_calls(), max_size=8))
def test_decoders_answer_alike_whatever_they_read(data: bytes, calls: list[Call]) -> None:
    """Also after the end, and after an error."""
    reference, compiled = PythonDecoder(data), native_decoder(data)
    for name, arguments in [*calls, ("finish", ())]:
        assert outcome(compiled, name, *arguments) == outcome(reference, name, *arguments)


@native
@pytest.mark.parametrize("size", [0, 1, 7, 1000])
def test_decoders_refuse_from_the_same_count_on(size: int) -> None:
    data = bytes(size)
    most = math.floor(8 * (size + 4) / MIN_COST_BITS)
    for count in range(most - 1, most + 3):
        found = outcome(native_decoder(data), "decode_integers", count)
        assert found == outcome(PythonDecoder(data), "decode_integers", count)
        refused = (CorruptStreamError, f"a payload of {size} bytes cannot hold {count} symbols")
        assert (found == refused) == (count > most)
        known = np.zeros(count, dtype=np.int64)
        found = outcome(native_decoder(data), "decode_refinements", known)
        assert found == outcome(PythonDecoder(data), "decode_refinements", known)
        assert (found == refused) == (count > most)


def unaligned() -> Integers:
    return np.frombuffer(bytes(25), dtype=np.int64, offset=1)


BAD_ARRAYS: dict[str, Any] = {
    "list": [1, 2],
    "nothing": None,
    "number": 3,
    "bytes": b"12345678",
    "float64": np.zeros(3),
    "int32": np.zeros(3, dtype=np.int32),
    "uint64": np.zeros(3, dtype=np.uint64),
    "bool": np.zeros(3, dtype=np.bool_),
    "object": np.zeros(3, dtype=object),
    "date": np.zeros(3, dtype="M8[s]"),
    "other byte order": np.zeros(3, dtype=">i8"),
    "two axes": np.zeros((2, 2), dtype=np.int64),
    "no axis": np.zeros((), dtype=np.int64),
    "every other": np.zeros(8, dtype=np.int64)[::2],
    "backwards": np.arange(4)[::-1],
    "one repeated": np.broadcast_to(np.int64(1), (4,)),
    "column": np.zeros((3, 2), dtype=np.int64)[:, 0],
    "unaligned": unaligned(),
}

GOOD_ARRAYS: dict[str, Integers] = {
    "empty": np.zeros(0, dtype=np.int64),
    "empty and strided": np.zeros(8, dtype=np.int64)[:0:2],
    "read only": np.frombuffer(bytes(24), dtype=np.int64),
    "part": np.arange(8)[3:6],
}


def check_refused(error: pytest.ExceptionInfo[Exception], name: str) -> None:
    message = str(error.value)
    assert message.count("\n") == 0
    assert name in message


@each_twin
@pytest.mark.parametrize("bad", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_what_is_no_array_of_integers_is_refused_by_name(twin: str, bad: Any) -> None:
    encoder, decoder = twins(twin, b"\x87\xc6")
    with pytest.raises(SpecError, match="must be") as error:
        encoder.encode_integers(bad)
    check_refused(error, "values")
    with pytest.raises(SpecError, match="must be") as error:
        encoder.encode_refinements(bad, array([0]))
    check_refused(error, "coarse")
    with pytest.raises(SpecError, match="must be") as error:
        encoder.encode_refinements(array([0]), bad)
    check_refused(error, "fine")
    with pytest.raises(SpecError, match="must be") as error:
        decoder.decode_refinements(bad)
    check_refused(error, "coarse")
    assert encoder.finish() == b""
    assert len(decoder.decode_integers(3)) == 3


@native
@pytest.mark.parametrize("bad", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_twins_refuse_arrays_in_the_same_words(bad: Any) -> None:
    assert outcome(native_encoder(), "encode_integers", bad) == outcome(PythonEncoder(), "encode_integers", bad)


@each_twin
@pytest.mark.parametrize("good", GOOD_ARRAYS.values(), ids=GOOD_ARRAYS)
def test_every_other_array_of_integers_is_taken(twin: str, good: Integers) -> None:
    encoder, _ = twins(twin)
    encoder.encode_integers(good)
    encoder.encode_refinements(coarse(good), good)
    spans = [("integers", good.tolist()), ("refinements", good.tolist())]
    assert decoded(twins(twin, encoder.finish())[1], spans) == [good.tolist()] * 2


@each_twin
@pytest.mark.parametrize(
    "bad", [None, "text", bytearray(3), memoryview(b"abc"), np.zeros(3), 7], ids=lambda bad: type(bad).__name__
)
def test_payload_that_is_not_bytes_is_refused(twin: str, bad: Any) -> None:
    with pytest.raises(SpecError, match="data must be bytes; got") as error:
        twins(twin, bad)
    check_refused(error, type(bad).__name__)


@each_twin
def test_counts_that_make_no_sense_are_refused(twin: str) -> None:
    _, decoder = twins(twin, b"\x87\xc6")
    for negative in (-1, -(2**31), -(2**63), -(2**70), 2**63, 2**64, 2**64 + 1, 10**5000):
        with pytest.raises(SpecError, match=r"count must be within 0\.\."):
            decoder.decode_integers(negative)
    for huge in (10**5, 2**31, 2**32 + 1, 2**61, 2**62, 2**63 - 1):
        with pytest.raises(CorruptStreamError, match=f"a payload of 2 bytes cannot hold {huge} symbols"):
            decoder.decode_integers(huge)
    bad: Any
    for bad in (1.0, None, "3", array([1, 2])):
        with pytest.raises(TypeError, match="integer") as error:
            decoder.decode_integers(bad)
        assert "\n" not in str(error.value)
    assert len(decoder.decode_integers(3)) == 3


@each_twin
def test_lengths_that_differ_are_refused(twin: str) -> None:
    encoder, _ = twins(twin)
    with pytest.raises(SpecError, match="same length; got 2 and 3"):
        encoder.encode_refinements(array([0, 0]), array([0, 0, 0]))
    assert encoder.finish() == b""


@each_twin
def test_finished_encoder_takes_nothing_more(twin: str) -> None:
    encoder, _ = twins(twin)
    encoder.encode_integers(array([1, 2, 3]))
    encoder.finish()
    for name, arguments in (
        ("encode_integers", (array([1]),)),
        ("encode_refinements", (array([0]), array([1]))),
        ("finish", ()),
    ):
        with pytest.raises(SpecError, match="this encoder is finished"):
            getattr(encoder, name)(*arguments)


@each_twin
def test_decoded_integers_are_an_array_of_their_own(twin: str) -> None:
    """They may be written to, and they outlive the decoder and its payload."""
    values = array([5, -7, 0, 1000])
    encoder, _ = twins(twin)
    encoder.encode_integers(values)
    _, decoder = twins(twin, bytes(bytearray(encoder.finish())))
    found = decoder.decode_integers(4)
    del decoder
    assert found.dtype == np.int64
    assert found.flags.c_contiguous
    found += 1
    np.testing.assert_array_equal(found, values + 1)


@native
def test_threads_that_share_a_coder_come_one_after_another() -> None:
    """The compiled coder works without the interpreter's lock; every span is whole all the same."""
    encoder = native_encoder()
    values = np.full(20_000, 77, dtype=np.int64)
    run_together(lambda: encoder.encode_integers(values))
    data = encoder.finish()
    assert data == encoded(native_encoder(), 4 * [("integers", values.tolist())])
    decoder = native_decoder(data)
    found: list[Integers] = []
    run_together(lambda: found.append(decoder.decode_integers(len(values))))
    decoder.finish()
    assert [part.tolist() for part in found] == 4 * [values.tolist()]


def run_together(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@native
@given(quantized_tensors(), st.integers(1, 8), st.binary(max_size=3))
def test_files_do_not_depend_on_the_twin(tensors: tuple[QuantizedTensor, ...], layers: int, extra: bytes) -> None:
    field, found = field_of(tensors, layers), layouts_of(tensors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "encoder", PythonEncoder)
        patch.setattr(stream, "decoder", PythonDecoder)
        payloads = stream.encode(field)
        damaged = outcome(stream, "decode", (payloads[0] + extra, *payloads[1:]), found, "uniform")
    assert stream.encode(field) == payloads
    check_same(stream.decode(payloads, found, "uniform"), tensors)
    again = outcome(stream, "decode", (payloads[0] + extra, *payloads[1:]), found, "uniform")
    if isinstance(damaged[0], type):
        assert again == damaged
    else:
        check_same(again, damaged)


@native
def test_the_compiled_twin_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KERNELS is not None
    assert isinstance(choice.encoder(), KERNELS.RangeEncoder)
    assert isinstance(choice.decoder(b""), KERNELS.RangeDecoder)
    monkeypatch.setenv("INR_NATIVE", "0")
    assert isinstance(choice.encoder(), PythonEncoder)
    assert isinstance(choice.decoder(b""), PythonDecoder)
