"""Multi-scale SSIM against a direct computation."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from skimage import data

from inr.errors import SignalError
from inr.metrics.base import Array
from inr.metrics.ms_ssim import SMALLEST_SIDE, ms_ssim

PHOTO: Array = data.astronaut()[100:290, 60:241]  # type: ignore[no-untyped-call]


def noisy(deviation: float) -> Array:
    noise = np.random.default_rng(0).normal(0, deviation, PHOTO.shape)
    return np.asarray(np.clip(np.rint(PHOTO + noise), 0, 255).astype(np.uint8))


def directly(x: Array, y: Array) -> float:
    """Of one channel, window by window in two dimensions."""
    offset = np.arange(-5, 6)
    kernel = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    found = []
    for _ in range(5):
        a, b = (sliding_window_view(image, (11, 11)) for image in (x, y))
        mean_a, mean_b = (np.tensordot(v, kernel, 2) for v in (a, b))
        spread_a, spread_b = a - mean_a[..., None, None], b - mean_b[..., None, None]
        var_a, var_b, cov = (np.tensordot(v, kernel, 2) for v in (spread_a**2, spread_b**2, spread_a * spread_b))
        structure = (2 * cov + 58.5225) / (var_a + var_b + 58.5225)
        luminance = (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
        found.append((structure.mean(), (luminance * structure).mean()))
        h, w = (n // 2 * 2 for n in x.shape)
        x, y = ((v[0:h:2, 0:w:2] + v[1:h:2, 0:w:2] + v[0:h:2, 1:w:2] + v[1:h:2, 1:w:2]) / 4 for v in (x, y))
    means = [structure for structure, _ in found[:4]] + [found[4][1]]
    return float(np.prod(np.power(means, (0.0448, 0.2856, 0.3001, 0.2363, 0.1333))))


@pytest.mark.parametrize("deviation", [3.0, 40.0])
def test_it_is_what_its_definition_says(deviation: float) -> None:
    other = noisy(deviation)
    wanted = [directly(PHOTO[..., c].astype(float), other[..., c].astype(float)) for c in range(3)]
    assert ms_ssim(PHOTO, other, 255) == pytest.approx(float(np.mean(wanted)), abs=1e-9)


def test_it_falls_as_noise_grows_and_ends_at_one_and_zero() -> None:
    values = [ms_ssim(PHOTO, noisy(deviation), 255) for deviation in (0.0, 5.0, 20.0, 80.0)]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    wide = (PHOTO.astype(np.uint16) * 257, noisy(20.0).astype(np.uint16) * 257)
    assert ms_ssim(*wide, 65535) == pytest.approx(values[2])
    stripes = np.tile(np.array([[[0.0], [255.0]]]), (SMALLEST_SIDE, SMALLEST_SIDE // 2, 1))
    assert ms_ssim(stripes, 255 - stripes, 255) == 0


def test_what_is_too_small_or_of_another_shape_is_refused() -> None:
    small = PHOTO[: SMALLEST_SIDE - 1]
    with pytest.raises(SignalError, match="MS-SSIM: sides of at least 176 samples; got 181 x 175"):
        ms_ssim(small, small, 255)
    with pytest.raises(SignalError, match="cannot compare samples of shape"):
        ms_ssim(PHOTO, small, 255)
