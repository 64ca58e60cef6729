"""Quantisation: the error of every entry is bounded by its step, with all layers and with some."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.coders.weights.quantize import QuantizedTensor, QuantSpec, coarsened, dequantize, quantize, step_sizes
from inr.errors import SpecError
from inr.fitting.trained import TrainedNetwork
from inr.layers.layout import FloatTensor
from inr.models.base import ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from tests.support.random_fields import random_field

MODELS = (
    Siren(width=5, depth=1),
    HashGridMlp(log2_hashmap_size=4, finest_resolution=9, n_levels=3, base_resolution=3, width=3, depth=1),
)


@st.composite
def fields(draw: st.DrawFn) -> TrainedNetwork:
    """Small models whose tensors have sizes far apart, some of them zero."""
    field = random_field(draw(st.sampled_from(MODELS)), seed=draw(st.integers(0, 999)))
    scaled = {
        name: tensor * np.float32(draw(st.sampled_from([0.0, 1e-20, 1e-4, 1.0, 1e4])))
        for name, tensor in field.tensors.items()
    }
    return replace(field, tensors=scaled)


def steps_of(tensor: QuantizedTensor) -> npt.NDArray[np.float64]:
    """The step of every entry."""
    rows = np.repeat(step_sizes(tensor.step_codes), tensor.layout.groups)
    return np.broadcast_to(rows.reshape(-1, *[1] * (tensor.symbols.ndim - 1)), tensor.symbols.shape)


def error(tensor: FloatTensor, other: FloatTensor) -> npt.NDArray[np.float64]:
    return np.abs(tensor.astype(np.float64) - other.astype(np.float64))


def rounding(tensor: FloatTensor) -> npt.NDArray[np.float64]:
    """What float32 adds to an error."""
    return np.abs(tensor.astype(np.float64)) * 2.0**-22 + 1e-40


@given(fields(), st.floats(1, 16), st.floats(0, 4))
def test_error_is_at_most_half_a_step(field: TrainedNetwork, bits: float, bias_bits: float) -> None:
    quantized = quantize(field, QuantSpec(bits=bits, bias_bits=bias_bits))
    restored = dequantize(quantized)
    assert list(restored) == list(field.tensors)
    for tensor in quantized.tensors:
        original = field.tensors[tensor.layout.name]
        assert restored[tensor.layout.name].dtype == np.float32
        assert restored[tensor.layout.name].shape == original.shape
        allowed = steps_of(tensor) / 2 + rounding(original)
        assert (error(restored[tensor.layout.name], original) <= allowed).all()


@given(fields(), st.floats(4, 12), st.integers(2, 8), st.data())
def test_error_with_missing_layers_is_bounded(
    field: TrainedNetwork, bits: float, layers: int, data: st.DataObject
) -> None:
    """Zeros are within 2^m - 1/2 steps, everything else within half of its interval of 2^m steps."""
    quantized = quantize(field, QuantSpec(bits=bits, layers=layers))
    some = data.draw(st.integers(1, layers))
    part = coarsened(quantized, some)
    missing = layers - some
    assert part.missing == missing
    restored = dequantize(part)
    for tensor in part.tensors:
        original = field.tensors[tensor.layout.name]
        reach = np.where(tensor.symbols == 0, 2.0**missing - 0.5, 2.0**missing / 2)
        found = restored[tensor.layout.name]
        assert (error(found, original) <= reach * steps_of(tensor) + rounding(original) + rounding(found)).all()
        assert (found[tensor.symbols == 0] == 0).all()


@given(fields(), st.floats(3, 10), st.floats(0.5, 4))
def test_more_bits_make_the_step_smaller(field: TrainedNetwork, bits: float, more: float) -> None:
    """One bit halves it, to within the rounding of two step codes."""
    coarse, fine = (quantize(field, QuantSpec(bits=b)) for b in (bits, bits + more))
    for one, other in zip(coarse.tensors, fine.tensors, strict=True):
        difference = one.step_codes - other.step_codes
        clipped = one.step_codes == -800
        assert (clipped | (np.abs(difference - 8 * more) <= 1)).all()


@given(fields(), st.integers(1, 8))
def test_all_layers_are_the_whole(field: TrainedNetwork, layers: int) -> None:
    quantized = quantize(field, QuantSpec(layers=layers))
    for name, tensor in dequantize(coarsened(quantized, layers)).items():
        np.testing.assert_array_equal(tensor, dequantize(quantized)[name])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.kind))
@pytest.mark.parametrize(("coding", "dtype"), [("float16", np.float16), ("float32", np.float32)])
def test_stored_floats_are_rounded_once(model: ModelSpec, coding: str, dtype: npt.DTypeLike) -> None:
    field = random_field(model)
    restored = dequantize(quantize(field, QuantSpec.from_json(f'{{"coding": "{coding}"}}')))
    for name, tensor in field.tensors.items():
        np.testing.assert_array_equal(restored[name], tensor.astype(dtype).astype(np.float32))


def test_uniform_groups_take_the_bits_asked_for() -> None:
    """For uniformly distributed weights the symbols fill 2^bits values, to within the rounding of the step code."""
    rng = np.random.Generator(np.random.PCG64(4))
    field = random_field(Siren(width=64, depth=1))
    name = "2.weight"
    field.tensors[name][:] = rng.uniform(-0.1, 0.1, (64, 64)).astype(np.float32)
    for bits in (3.0, 6.0, 9.0):
        tensor = next(t for t in quantize(field, QuantSpec(bits=bits)).tensors if t.layout.name == name)
        spread = float(tensor.symbols.max() - tensor.symbols.min())
        assert abs(np.log2(spread) - bits) < 0.4


def test_extra_bits_go_to_the_tensor_or_group_they_are_for() -> None:
    field = random_field(MODELS[1])
    plain = {t.layout.name: t.step_codes for t in quantize(field, QuantSpec()).tensors}
    extra = {"0.table": (0.0, 2.0, -1.0), "1.weight": (3.0,)}
    for tensor in quantize(field, QuantSpec(extra_bits=extra)).tensors:
        change = np.array(extra.get(tensor.layout.name, (0.0,)))
        np.testing.assert_array_equal(
            plain[tensor.layout.name] - tensor.step_codes, np.broadcast_to(8 * change, tensor.step_codes.shape)
        )


@pytest.mark.parametrize(
    ("value", "spec", "message"),
    [
        (np.nan, QuantSpec(), "not finite"),
        (np.inf, QuantSpec(coding="float16"), "not finite"),
        (1e6, QuantSpec(coding="float16"), "beyond the range of float16"),
    ],
)
def test_weights_that_cannot_be_stored_are_refused(value: float, spec: QuantSpec, message: str) -> None:
    field = random_field(MODELS[0])
    field.tensors["2.weight"][1, 2] = value
    with pytest.raises(SpecError, match=f"2.weight.*{message}"):
        quantize(field, spec)


def test_outlier_of_a_large_group_is_refused() -> None:
    field = random_field(HashGridMlp(log2_hashmap_size=16, finest_resolution=512, n_levels=1, base_resolution=512))
    field.tensors["0.table"][:] = 0
    field.tensors["0.table"][7, 0] = 1
    with pytest.raises(SpecError, match="outlier"):
        quantize(field, QuantSpec(bits=20, extra_bits={"0.table": (5.0,)}))


def test_settings_that_contradict_are_refused() -> None:
    field = random_field(MODELS[0])
    with pytest.raises(SpecError, match="1 layer"):
        quantize(field, QuantSpec(coding="float32", layers=2))
    with pytest.raises(SpecError, match="3 groups; got 2 values"):
        quantize(random_field(MODELS[1]), QuantSpec(extra_bits={"0.table": (1.0, 2.0)}))
