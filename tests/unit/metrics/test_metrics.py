"""PSNR and SSIM against scikit-image and against numbers worked out by hand."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from inr.errors import SignalError
from inr.metrics.psnr import MAX_REPORTED_PSNR, psnr, reported
from inr.metrics.ssim import ssim

Array = npt.NDArray[Any]
PEAKS = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


def pair(dtype: str, shape: tuple[int, ...], noise: float = 0.05, seed: int = 0) -> tuple[Array, Array]:
    """A smooth picture and a noisy copy."""
    rng = np.random.Generator(np.random.PCG64(seed))
    y, x, c = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    clean = 0.5 + 0.4 * np.sin(0.3 * x + c) * np.cos(0.2 * y)
    noisy = np.clip(clean + noise * rng.standard_normal(shape), 0, 1)
    peak = PEAKS[dtype]
    if dtype.startswith("u"):
        return np.rint(clean * peak).astype(dtype), np.rint(noisy * peak).astype(dtype)
    return clean.astype(dtype), noisy.astype(dtype)


def peer_psnr(one: Array, other: Array, peak: float) -> float:
    """That of scikit-image, in double precision."""
    doubles = one.astype(np.float64), other.astype(np.float64)
    return float(peak_signal_noise_ratio(*doubles, data_range=peak))  # type: ignore[no-untyped-call]


def peer_ssim(one: Array, other: Array, peak: float) -> float:
    """That of scikit-image with the settings of Wang et al. 2004."""
    value = structural_similarity(  # type: ignore[no-untyped-call]
        one.astype(np.float64),
        other.astype(np.float64),
        data_range=peak,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(value)


@pytest.mark.parametrize("dtype", PEAKS)
@pytest.mark.parametrize("shape", [(32, 48, 3), (11, 11, 1), (40, 12, 4), (1, 1, 1), (3, 500, 2)])
def test_psnr_is_that_of_scikit_image(dtype: str, shape: tuple[int, ...]) -> None:
    one, other = pair(dtype, shape)
    other[0, 0, 0] = 0
    assert psnr(one, other, PEAKS[dtype]) == pytest.approx(peer_psnr(one, other, PEAKS[dtype]), abs=1e-9)


@pytest.mark.parametrize("dtype", PEAKS)
@pytest.mark.parametrize("shape", [(32, 48, 3), (11, 11, 1), (40, 12, 4), (11, 60, 2)])
@pytest.mark.parametrize("noise", [0.001, 0.05, 0.5])
def test_ssim_is_that_of_scikit_image(dtype: str, shape: tuple[int, ...], noise: float) -> None:
    one, other = pair(dtype, shape, noise)
    assert ssim(one, other, PEAKS[dtype]) == pytest.approx(peer_ssim(one, other, PEAKS[dtype]), abs=1e-9)


def test_psnr_worked_out_by_hand() -> None:
    black, white = np.zeros((4, 4, 3), dtype=np.uint8), np.full((4, 4, 3), 255, dtype=np.uint8)
    assert psnr(black, white, 255) == 0
    assert psnr(black, black + 1, 255) == pytest.approx(20 * math.log10(255))
    one = black.copy()
    one[2, 1, 0] = 255
    assert psnr(black, one, 255) == pytest.approx(10 * math.log10(48))
    assert psnr(one, black, 255) == psnr(black, one, 255)


def test_differences_of_unsigned_samples_do_not_wrap() -> None:
    low, high = np.full((2, 2, 1), 3, dtype=np.uint8), np.full((2, 2, 1), 5, dtype=np.uint8)
    assert psnr(low, high, 255) == psnr(high, low, 255) == pytest.approx(10 * math.log10(255**2 / 4))


@pytest.mark.parametrize("dtype", PEAKS)
@pytest.mark.parametrize("shape", [(32, 48, 3), (1, 1, 1), (2, 300, 1), (7, 5, 4)])
def test_identical_pictures(dtype: str, shape: tuple[int, ...]) -> None:
    one, _ = pair(dtype, shape)
    assert psnr(one, one.copy(), PEAKS[dtype]) == math.inf
    assert ssim(one, one.copy(), PEAKS[dtype]) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("shape", "window"),
    [((10, 30, 1), 9), ((9, 9, 3), 9), ((8, 20, 1), 7), ((20, 3, 1), 3), ((2, 2, 3), 1), ((1, 5, 1), 1)],
)
def test_ssim_of_small_pictures_takes_the_largest_odd_window_that_fits(shape: tuple[int, ...], window: int) -> None:
    one, other = pair("uint8", shape)
    expected = [slow_ssim(one[..., c], other[..., c], 255, window) for c in range(shape[-1])]
    found = ssim(one, other, 255)
    assert found == pytest.approx(np.mean(expected), abs=1e-9)
    assert -1 <= found < 1


def slow_ssim(x: Array, y: Array, peak: float, window: int) -> float:
    """Wang et al. 2004, one window at a time."""
    offset = np.arange(window) - window // 2
    weights = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    weights /= weights.sum()
    scores = []
    for top in range(x.shape[0] - window + 1):
        for left in range(x.shape[1] - window + 1):
            a, b = (p[top : top + window, left : left + window].astype(np.float64) for p in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            cov = (weights * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
            score = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
            scores.append(score / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    return float(np.mean(scores))


def test_slow_ssim_is_that_of_scikit_image() -> None:
    one, other = pair("uint8", (16, 18, 1))
    expected = peer_ssim(one, other, 255)
    assert slow_ssim(one[..., 0], other[..., 0], 255, 11) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("block", [1, 50, 200, 700])
def test_a_few_rows_at_a_time_have_the_ssim_of_all(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for shape in ((40, 23, 3), (11, 30, 1), (6, 9, 1), (2, 5, 1)):
        one, other = pair("uint8", shape)
        expected = ssim(one, other, 255)
        with monkeypatch.context() as patch:
            patch.setattr("inr.metrics.ssim.SSIM_BLOCK", block)
            assert ssim(one, other, 255) == pytest.approx(expected, abs=1e-12)


def test_more_noise_is_worse() -> None:
    levels = [pair("uint8", (40, 40, 3), noise) for noise in (0.01, 0.03, 0.1, 0.3)]
    for metric in (psnr, ssim):
        values = [metric(one, other, 255) for one, other in levels]
        assert values == sorted(values, reverse=True)


def test_inverted_picture_has_negative_ssim() -> None:
    one, _ = pair("uint8", (40, 40, 1))
    assert ssim(one, 255 - one, 255) < 0


@pytest.mark.parametrize("shape", [(8, 9, 3), (9, 8, 3), (8, 8, 4), (8, 8)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    one = np.zeros((8, 8, 3), dtype=np.uint8)
    for metric in (psnr, ssim):
        with pytest.raises(SignalError, match=r"shape \(8, 8, 3\) with \("):
            metric(one, np.zeros(shape, dtype=np.uint8), 255)


@pytest.mark.parametrize(
    ("value", "expected"), [(math.inf, MAX_REPORTED_PSNR), (120.0, 100.0), (31.4, 31.4), (-3.0, 0.0), (0.0, 0.0)]
)
def test_reported_psnr_is_finite(value: float, expected: float) -> None:
    assert reported(value) == expected
