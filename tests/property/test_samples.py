"""Samples and a field's [-1, 1]: the way there and back is exact for every integer sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.domain import Domain
from inr.errors import SignalError
from inr.meta import SampleType, SignalMeta
from inr.signals.image.attributes import ImageAttributes
from inr.signals.signal import Signal, denormalise, normalise


def check_exact(dtype: SampleType, low: int, high: int) -> None:
    meta = SignalMeta(dtype, (float(low), float(high)), ImageAttributes())
    samples = np.arange(low, high + 1).astype(dtype)
    values = normalise(samples, meta)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[[0, -1]], [-1, 1], atol=1e-6)
    again = denormalise(values, meta)
    assert again.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(again, samples)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 1), (16, 235), (254, 255), (3, 77)])
def test_all_8_bit_samples(low: int, high: int) -> None:
    check_exact("uint8", low, high)


@pytest.mark.parametrize(("low", "high"), [(0, 65535), (0, 1), (0, 4095), (1000, 60000), (65000, 65535), (1, 65534)])
def test_all_16_bit_samples(low: int, high: int) -> None:
    check_exact("uint16", low, high)


@given(st.sampled_from(["uint8", "uint16"]), st.data())
def test_all_samples_of_any_range(dtype: SampleType, data: st.DataObject) -> None:
    top = 255 if dtype == "uint8" else 65535
    low = data.draw(st.integers(0, top - 1))
    check_exact(dtype, low, data.draw(st.integers(low + 1, top)))


@given(
    st.sampled_from(["float16", "float32"]),
    st.floats(-60000, 60000, width=16),
    st.floats(-60000, 60000, width=16),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_float_samples_come_back_to_within_the_precision_of_a_field(
    dtype: SampleType, one: float, other: float, shares: list[float]
) -> None:
    low, high = sorted((one, other))
    if low == high:
        high = low + 1
    meta = SignalMeta(dtype, (low, high), ImageAttributes())
    samples = np.array([low + (high - low) * share for share in shares], dtype=dtype)
    again = denormalise(normalise(samples, meta), meta).astype(np.float64)
    precision = 2.0**-9 if dtype == "float16" else 2.0**-21
    allowed = precision * max(abs(low), abs(high)) + 1e-7
    np.testing.assert_allclose(again, samples.astype(np.float64), rtol=0, atol=allowed)


@pytest.mark.parametrize(("low", "high"), [(-3.4e38, 3.4e38), (0.0, 1e-38), (1e30, 1.01e30), (-1e-30, 1e30)])
def test_extreme_ranges_of_float_samples(low: float, high: float) -> None:
    """Neither the width of the range nor its reciprocal fits into 32 bits."""
    meta = SignalMeta("float32", (low, high), ImageAttributes())
    samples = np.array([low, low / 2 + high / 2, high], dtype=np.float32)
    values = normalise(samples, meta)
    np.testing.assert_allclose(values, [-1, 0, 1], atol=1e-4)
    np.testing.assert_allclose(denormalise(values, meta), samples, rtol=1e-4, atol=high * 1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32"])
def test_outputs_beyond_the_range_are_clamped(dtype: SampleType) -> None:
    meta = SignalMeta(dtype, (10.0, 90.0), ImageAttributes())
    values = np.array([-1e30, -np.inf, np.nan, -1.0, 0.0, 1.0, 1.5, np.inf], dtype=np.float32)
    np.testing.assert_array_equal(denormalise(values, meta), [10, 10, 10, 10, 50, 90, 90, 90])


def test_half_a_level_decides() -> None:
    meta = SignalMeta("uint8", (0.0, 255.0), ImageAttributes())
    levels = np.array([99.4, 99.6, 100.4, 100.6], dtype=np.float32)
    np.testing.assert_array_equal(denormalise(levels / np.float32(127.5) - 1, meta), [99, 100, 100, 101])


def test_targets_are_normalised_samples_by_flat_index() -> None:
    samples = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    signal = Signal(samples, Domain.of_shape((2, 4)), SignalMeta("uint8", (0.0, 255.0), ImageAttributes()))
    assert signal.channels == 3
    index = np.array([5, 0, 7], dtype=np.int64)
    np.testing.assert_array_equal(signal.targets(index), normalise(samples.reshape(8, 3)[index], signal.meta))


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((2, 3, 3), "uint8", "do not fit the domain"),
        ((2, 4, 0), "uint8", "do not fit"),
        ((2, 4, 3), "uint16", "uint16"),
    ],
)
def test_samples_that_do_not_fit_are_refused(shape: tuple[int, ...], dtype: str, message: str) -> None:
    with pytest.raises(SignalError, match=message):
        Signal(
            np.zeros(shape, dtype=dtype), Domain.of_shape((2, 4)), SignalMeta("uint8", (0.0, 255.0), ImageAttributes())
        )
