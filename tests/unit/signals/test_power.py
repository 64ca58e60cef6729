"""The symmetric power transform: it inverts, it centres the histogram, and files keep it."""

import math

import numpy as np
import pytest
import torch

import inr
from inr.codec.info import describe
from inr.container.file import parse
from inr.errors import SignalError, SpecError
from inr.meta import MAX_GAMMA, PowerTransform, SignalMeta
from inr.signals.image.attributes import ImageAttributes
from inr.signals.power import symmetric_power, with_power
from inr.signals.signal import Signal, denormalise, normalise
from tests.support.small_fits import Array, photo, psnr_of, signal_of


def dark(dtype: str) -> Array:
    """Samples crowded at the low end, with all values of an 8-bit type."""
    values = np.linspace(0, 1, 4096).reshape(64, 64) ** 3
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 7)
    return np.asarray(values * top).astype(dtype)


def transformed(samples: Array) -> Signal:
    signal = signal_of(samples)
    return with_power(signal, symmetric_power(signal))


def test_transform_of_all_parts_covers_the_type() -> None:
    """So that what is brighter in a later part is not lost."""
    samples = np.full((8, 8), 20, dtype=np.uint8)
    samples[:4] = 40
    assert symmetric_power(signal_of(samples)).high < 60
    power = symmetric_power(signal_of(samples), whole_range=True)
    assert power.low <= 0
    assert power.high >= 255


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_transform_inverts(dtype: str) -> None:
    signal = transformed(dark(dtype))
    index = np.arange(4096)
    back = denormalise(signal.targets(index), signal.meta)
    tolerance = {"uint8": 0, "uint16": 1, "float32": 1e-5}[dtype]
    np.testing.assert_allclose(
        back.astype(np.float64), signal.samples.reshape(-1, 1).astype(np.float64), atol=tolerance
    )


def test_targets_are_symmetric_about_zero() -> None:
    """The median moves close to 0 (not onto it: the exponent is drawn towards 1, and buffers lie beside it)."""
    plain = signal_of(dark("float32"))
    power = transformed(dark("float32"))
    index = np.arange(4096)
    assert abs(np.median(plain.targets(index))) > 0.7
    assert abs(np.median(power.targets(index))) < 0.1
    assert power.meta.power is not None
    assert power.meta.power.gamma < 1
    bright = transformed(np.sqrt(np.cbrt(dark("float32") / 7)) * 7)
    assert bright.meta.power is not None
    assert bright.meta.power.gamma > 1


def released_gamma(samples: Array) -> float:
    """The exponent by the released steps, with torch's histograms: half of the samples, then the edge that it fills."""
    data = torch.from_numpy(samples.astype(np.float32)).flatten()

    def shares(values: torch.Tensor) -> torch.Tensor:
        counts = torch.histc(values, bins=256, min=float(values.min()), max=float(values.max()))
        return counts / counts.sum()

    before = shares(data)
    place = int(torch.searchsorted(torch.cumsum(before, dim=0), 0.5))
    plain = math.log(0.5) / math.log(place / 256)
    after = shares(((data - data.min()) / (data.max() - data.min())) ** plain)
    edge = slice(0, 12) if plain > 1 else slice(-12, None)
    factor = min(float((after[edge].sum() - before[edge].sum()) / 0.05), 1.0)
    if plain > 1:
        return plain - (plain - 1) * factor
    return 1 / (1 / plain - (1 / plain - 1) * factor)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("brightness", [0.5, 0.8, 1.0, 1.5, 2.5])
def test_exponent_is_that_of_the_released_calibration(invert: bool, brightness: float) -> None:
    """Of a photo, darker and brighter versions of it, and their negatives."""
    samples = np.rint(255 * (photo(64) / 255.0) ** brightness).astype(np.uint8)
    samples = 255 - samples if invert else samples
    gamma = symmetric_power(signal_of(samples)).gamma
    assert gamma == pytest.approx(released_gamma(samples), abs=1e-3)


def test_exponent_of_a_known_histogram() -> None:
    """Half is reached in bin 16, so gamma_0 is 1/4, and it moves no sample into the last 12 bins, which begin at 0.953.

    With 4 of 32 samples at 7/8 it does move these, more than 1/20 of all, so gamma is 1.
    """
    levels = np.array([0.0] * 8 + [1 / 16 + 1e-4] * 9 + [1 / 4] * 14 + [1.0], dtype=np.float32)
    assert symmetric_power(signal_of(levels.reshape(4, 8))).gamma == pytest.approx(0.25, abs=1e-3)
    levels[-5:-1] = 7 / 8
    assert symmetric_power(signal_of(levels.reshape(4, 8))).gamma == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("invert", [False, True])
def test_exponent_stays_within_its_limits(invert: bool) -> None:
    """Nearly black or nearly white pictures want an exponent beyond 5 or below 1/5."""
    samples = np.full((40, 40), 4, dtype=np.uint8)
    samples[0] = np.linspace(0, 255, 40).astype(np.uint8)
    signal = transformed(255 - samples if invert else samples)
    power = signal.meta.power
    assert power is not None
    assert power.gamma == (MAX_GAMMA if invert else pytest.approx(0.2, abs=0.05))
    assert 1 / MAX_GAMMA <= power.gamma <= MAX_GAMMA
    back = denormalise(signal.targets(np.arange(1600)), signal.meta).astype(int)
    assert np.abs(back - signal.samples.reshape(-1, 1)).max() <= 1  # a fifth power leaves 24 bits few digits near 0


def test_limits_lie_outside_the_samples_by_the_mass_at_the_ends() -> None:
    samples = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    samples[:20] = 0  # a fifth of the samples
    power = symmetric_power(signal_of(samples))
    assert power.low == pytest.approx(-256 / 255 * 0.2, abs=0.001)
    assert power.high == pytest.approx(1 + 256 / 255 * 2 / 256, abs=0.001)


def test_field_values_beyond_the_limits_are_clamped() -> None:
    meta = SignalMeta("uint8", (0.0, 255.0), ImageAttributes(), power=PowerTransform(-10.0, 300.0, 0.5))
    values = np.array([[-5.0], [-1.0], [1.0], [5.0], [np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(denormalise(values, meta).ravel(), [0, 0, 255, 255, 0])
    inside = np.array([[0], [100], [255]], dtype=np.uint8)
    np.testing.assert_array_equal(denormalise(normalise(inside, meta), meta), inside)


@pytest.mark.parametrize("settings", [(1.0, 1.0, 1.0), (0.0, 1.0, 0.1), (0.0, 1.0, 6.0), (0.0, float("inf"), 1.0)])
def test_settings_out_of_range_are_refused(settings: tuple[float, float, float]) -> None:
    with pytest.raises(SpecError, match="power transform"):
        PowerTransform(*settings)


def test_constant_picture_has_no_histogram() -> None:
    with pytest.raises(SignalError, match="all samples are 7; it needs different values"):
        symmetric_power(signal_of(np.full((8, 8), 7, dtype=np.uint8)))


def test_file_keeps_the_transform() -> None:
    result = inr.compress(photo(32).copy(), model="siren", size=1500, steps=120, transform="power")
    header = parse(result.data)
    power = symmetric_power(signal_of(photo(32)))
    assert describe(header, len(result.data)).power == (power.low, power.high, power.gamma)
    assert psnr_of(photo(32), inr.open(result.data).decode()) == pytest.approx(result.report.psnr, abs=1e-6)
    plain = inr.compress(photo(32).copy(), model="siren", size=1500, steps=120)
    assert describe(parse(plain.data), len(plain.data)).power is None
    assert result.report.psnr > plain.report.psnr - 1.5  # another fit of the same picture, not a broken one
