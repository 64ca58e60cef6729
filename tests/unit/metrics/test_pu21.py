"""PU21 against the numbers that its authors publish, and what is measured with it."""

import numpy as np
import pytest

from inr.errors import SignalError
from inr.metrics.psnr import psnr
from inr.metrics.pu21 import Pu21Psnr, Pu21Ssim, pu21
from inr.metrics.ssim import ssim


@pytest.mark.parametrize(
    # Of the released encoder: its smallest and its largest value, which its source states, and others that it computes.
    ("luminance", "expected"),
    [(0.005, 5.4705e-10), (10_000.0, 595.3939), (1e9, 595.3939), (-1.0, 0.0), (100.0, 256.384)],
)
def test_values_are_the_published_ones(luminance: float, expected: float) -> None:
    assert float(pu21(np.array(luminance))) == pytest.approx(expected, abs=0.05)


def test_steps_are_about_equally_visible() -> None:
    """A hundredth more light is about as many steps in the light as in the shade, and none in the dark."""
    steps = [float(pu21(np.array(1.01 * light)) - pu21(np.array(light))) for light in (0.01, 10.0, 100.0, 1000.0)]
    assert steps[0] < 0.1
    assert max(steps[1:]) < 2 * min(steps[1:])


def test_tallies_are_those_of_encoded_samples() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    light = np.exp(rng.normal(size=(20, 24, 4))).astype(np.float32)
    light[..., 3] = rng.random((20, 24))
    other = light * np.float32(1.1)
    seen = [np.concatenate([pu21(s[..., :3] * 50.0), 256.0 * s[..., 3:]], axis=-1) for s in (light, other)]
    metric = Pu21Psnr(50.0, 3)
    halves = [metric.tally(light[a:b], other[a:b], 1.0) for a, b in ((0, 7), (7, 20))]
    assert metric.value(halves[0] + halves[1], 1.0) == pytest.approx(psnr(seen[0], seen[1], 256.0), abs=1e-4)
    alike = Pu21Ssim(50.0, 3)
    assert alike.value(alike.tally(light, other, 1.0), 1.0) == pytest.approx(ssim(seen[0], seen[1], 256.0), abs=1e-6)
    assert metric.value(metric.tally(light, light, 1.0), 1.0) == 100
    for wrong in (metric, alike):
        with pytest.raises(SignalError, match="cannot compare"):
            wrong.tally(light, light[:4], 1.0)


def test_what_no_display_shows_does_not_count() -> None:
    light = np.full((4, 4, 3), 0.2)
    sun, brighter = light.copy(), light.copy()
    sun[0, 0], brighter[0, 0] = 1e4, 1e5
    metric = Pu21Psnr(100.0, 3)
    assert metric.value(metric.tally(sun, brighter, 1.0), 1.0) == 100
    assert metric.value(metric.tally(sun, light, 1.0), 1.0) < 20
