"""Payloads: all symbols come back, and a prefix of the layers gives exactly the coarser field."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.coders.weights.quantize import (
    Coding,
    EncodedWeights,
    QuantizedTensor,
    QuantSpec,
    coarsened,
    dequantize,
    quantize,
)
from inr.coders.weights.stream import Layouts, decode, encode
from inr.entropy.models.adaptive import MIN_COST_BITS
from inr.errors import CorruptStreamError
from inr.layers.layout import TensorLayout
from inr.models.siren import Siren
from tests.support.random_fields import random_field
from tests.support.strategies import layouts, quantized_tensors

MODEL = Siren(width=3, depth=1)
FITTED = random_field(MODEL)
Tensors = tuple[QuantizedTensor, ...]


def field_of(tensors: Tensors, layers: int, coding: Coding = "uniform") -> EncodedWeights:
    """A field around any tensors: coding looks at nothing else."""
    return EncodedWeights(
        model=MODEL,
        tensors=tensors,
        coding=coding,
        channels=3,
        domain=FITTED.domain,
        meta=FITTED.meta,
        layers=layers,
    )


def layouts_of(tensors: Tensors) -> Layouts:
    return tuple(tensor.layout for tensor in tensors)


def check_same(found: Tensors, expected: Tensors) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.layout == other.layout
        assert one.symbols.dtype == other.symbols.dtype == np.int64
        np.testing.assert_array_equal(one.symbols, other.symbols)
        np.testing.assert_array_equal(one.step_codes, other.step_codes)


@given(quantized_tensors(), st.integers(1, 8))
def test_every_prefix_decodes(tensors: Tensors, layers: int) -> None:
    field = field_of(tensors, layers)
    payloads = encode(field)
    assert len(payloads) == layers
    check_same(decode(payloads, layouts_of(tensors), "uniform"), tensors)
    for some in range(1, layers):
        check_same(decode(payloads[:some], layouts_of(tensors), "uniform"), coarsened(field, some).tensors)


@given(quantized_tensors(), st.integers(1, 3), st.integers(0, 2), st.binary(min_size=1, max_size=1))
def test_changed_payloads_raise_or_are_a_field_of_their_own(
    tensors: Tensors, layers: int, which: int, extra: bytes
) -> None:
    """Whatever decodes encodes to the same bytes again: no field has two files."""
    payloads = list(encode(field_of(tensors, layers)))
    payloads[which % layers] += extra
    try:
        found = decode(tuple(payloads), layouts_of(tensors), "uniform")
    except CorruptStreamError:
        return
    assert list(encode(field_of(found, layers))) == payloads


@given(layouts(), st.data())
def test_stored_floats_round_trip(found: Layouts, data: st.DataObject) -> None:
    coding: Coding = data.draw(st.sampled_from(["float16", "float32"]))
    width, top = (16, 0x7C00) if coding == "float16" else (32, 0x7F800000)
    tensors = []
    for layout in found:
        count = math.prod(layout.shape)
        magnitudes = data.draw(st.lists(st.integers(0, top - 1), min_size=count, max_size=count))
        signs = data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
        symbols = np.array(magnitudes, dtype=np.int64) | np.array(signs, dtype=np.int64) << (width - 1)
        tensors.append(QuantizedTensor(layout, symbols.reshape(layout.shape), np.zeros(0, dtype=np.int64)))
    (payload,) = encode(field_of(tuple(tensors), 1, coding))
    assert len(payload) == width // 8 * sum(math.prod(layout.shape) for layout in found)
    check_same(decode((payload,), found, coding), tuple(tensors))
    with pytest.raises(CorruptStreamError, match="bytes"):
        decode((payload + b"\0",), found, coding)
    with pytest.raises(CorruptStreamError, match="bytes"):
        decode((payload[:-1],), found, coding)


@pytest.mark.parametrize("pattern", [b"\x00\x7c", b"\x00\xfc", b"\x01\x7c", b"\xff\xff"])
def test_stored_float_that_is_not_finite_is_corrupt(pattern: bytes) -> None:
    with pytest.raises(CorruptStreamError, match="not finite"):
        decode((b"\0\0" + pattern,), (TensorLayout("0.w", (2,), (2,)),), "float16")


def test_model_coding_survives_quantisation_of_real_tensors() -> None:
    """The same through `quantize`: what a reader rebuilds is what the writer had."""
    for layers in (1, 3, 8):
        field = quantize(FITTED, QuantSpec(bits=9, layers=layers))
        found = decode(encode(field), layouts_of(field.tensors), "uniform")
        rebuilt = dequantize(field_of(found, layers))
        for name, tensor in dequantize(field).items():
            np.testing.assert_array_equal(rebuilt[name], tensor)


def test_payload_too_short_for_its_symbols_is_refused_before_work() -> None:
    layout = TensorLayout("0.w", (2**24,), (2**24,))
    longest = int(2**24 * MIN_COST_BITS / 8) - 5
    for size in (0, 100, longest):
        with pytest.raises(CorruptStreamError, match="cannot hold 16777216 symbols"):
            decode((bytes(size),), (layout,), "uniform")


def test_most_compressible_tensor_is_not_refused() -> None:
    """The bound above is safe: constant tensors, the cheapest there are, stay above it."""
    count = 100_000
    layout = TensorLayout("0.w", (count,), (count,))
    for value in (0, 1):
        symbols = np.full(count, value, dtype=np.int64)
        tensors = (QuantizedTensor(layout, symbols, np.zeros(1, dtype=np.int64)),)
        payloads = encode(field_of(tensors, 2))
        check_same(decode(payloads, (layout,), "uniform"), tensors)


@pytest.mark.parametrize("code", [-801, 401, 2**20, -(2**31) + 1])
def test_step_code_out_of_range_is_corrupt(code: int) -> None:
    layout = TensorLayout("0.w", (2,), (2,))
    tensors = (QuantizedTensor(layout, np.zeros(2, dtype=np.int64), np.array([code])),)
    with pytest.raises(CorruptStreamError, match=r"step code .* is not within -800\.\.400"):
        decode(encode(field_of(tensors, 1)), (layout,), "uniform")


def test_groups_with_models_of_their_own_save_bytes() -> None:
    """`separate_models` changes the stream: groups of different statistics are coded apart."""
    rng = np.random.Generator(np.random.PCG64(5))
    symbols = np.concatenate([rng.integers(-2, 3, 500), rng.integers(-500, 501, 500)]).astype(np.int64)
    sizes = []
    for separate in (False, True):
        layout = TensorLayout("0.t", (1000,), (500, 500), separate_models=separate)
        tensors = (QuantizedTensor(layout, symbols, np.zeros(2, dtype=np.int64)),)
        payloads = encode(field_of(tensors, 1))
        check_same(decode(payloads, (layout,), "uniform"), tensors)
        sizes.append(len(payloads[0]))
    assert sizes[0] != sizes[1]
