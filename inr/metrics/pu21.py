"""PSNR and SSIM of high dynamic range pictures as a viewer sees them.

Mantiuk and Azimi, "PU21: A novel perceptually uniform encoding for adapting existing quality metrics for HDR", PCS
2021. Luminance L in cd/m^2, within 0.005..10,000, becomes

    V = p7 (((p1 + p2 L^p4)/(1 + p3 L^p4))^p5 - p6)

so that equal steps of V are about equally visible: 0 to 595, and 256 at a display's white of 100 cd/m^2. PSNR and SSIM
are then those of V with a peak of 256. The numbers are those for banding with glare, which the authors recommend.
Each colour is encoded by itself, as they do with RGB.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inr.metrics.base import Array, Metric, Tally, check_shapes
from inr.metrics.psnr import psnr_of, reported, squared_error
from inr.metrics.ssim import ssim

PEAK = 256.0
_P1, _P2, _P3, _P4 = 0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627
_P5, _P6, _P7 = 0.09150303166, 0.9099517204, 596.3148142
_DARKEST, _BRIGHTEST = 0.005, 10_000.0


def pu21(luminance: Array) -> Array:
    """PU21 values, 0 to 595, of luminances in cd/m^2, of any shape; what is beyond a display is clamped."""
    power = np.clip(luminance, _DARKEST, _BRIGHTEST) ** _P4
    return np.asarray(np.maximum(_P7 * (((_P1 + _P2 * power) / (1 + _P3 * power)) ** _P5 - _P6), 0))


def _seen(samples: Array, gain: float, colours: int) -> Array:
    """Samples `(..., channels)` as a viewer sees them; what is behind the colours counts as 0..256 for 0..1."""
    values = samples.astype(np.float64)
    return np.concatenate([pu21(values[..., :colours] * gain), PEAK * values[..., colours:]], axis=-1)


@dataclass(frozen=True)
class Pu21Psnr(Metric):
    """PSNR in dB of PU21 values, of all samples and channels together, as reports hold it: 0 to 100.

    Attributes:
        gain: luminance in cd/m^2 of a sample of 1.
        colours: first channels that are light.
    """

    name: ClassVar[str] = "pu21_psnr"
    decibels: ClassVar[bool] = True
    gain: float
    colours: int

    def tally(self, reference: Array, other: Array, peak: float) -> Tally:
        """The squared error of PU21 values, and their number."""
        del peak
        check_shapes(reference, other)
        pairs = zip(reference, other, strict=True)  # a row at a time, as for the PSNR
        seen = ((_seen(a[None], self.gain, self.colours), _seen(b[None], self.gain, self.colours)) for a, b in pairs)
        return Tally(sum(squared_error(a, b) for a, b in seen), reference.size)

    def value(self, tally: Tally, peak: float) -> float:
        """Decibels."""
        del peak
        return reported(psnr_of(tally.total, round(tally.weight), PEAK))


@dataclass(frozen=True)
class Pu21Ssim(Metric):
    """SSIM of PU21 values; of parts, the mean weighted by their lengths.

    Attributes:
        gain: luminance in cd/m^2 of a sample of 1.
        colours: first channels that are light.
    """

    name: ClassVar[str] = "pu21_ssim"
    gain: float
    colours: int

    def tally(self, reference: Array, other: Array, peak: float) -> Tally:
        """Rows, and as often the SSIM."""
        del peak
        check_shapes(reference, other)
        seen = [_seen(samples, self.gain, self.colours) for samples in (reference, other)]
        return Tally(len(reference) * ssim(seen[0], seen[1], PEAK), len(reference))
