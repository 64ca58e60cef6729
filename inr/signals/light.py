"""The light of high dynamic range pictures: which pictures have it, and the curve that they are fitted on.

A network fits with about the same absolute error everywhere. Beside a sun of 60,000 times the light of the scene that
error is larger than the scene. So the colours of such a picture are fitted as

    y = sign(x) ln(1 + |x|/scale)

whose errors are relative ones in what is brighter than `scale`, as an eye sees them (Weber's law), and absolute ones
below. `scale` follows from the middle of the light that is there.

Measured with hash grids of 1.5 bits a pixel at equal bytes, PSNR in dB of the picture shown with its middle as middle
gray (clamped, sRGB, 8 bits), on three photos: without a curve 22.1, 26.9 and 24.6, with the power transform 24.5, 31.8
and 26.4, with this curve 32.4, 35.8 and 31.9. Scales of 2 to 8 octaves below the middle differ by
0.5 dB. PU21 and PQ as curves are within 0.4 dB of this one, but end at 10,000 cd/m^2: a sun of 50,000 becomes 200.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from inr.meta import LightCurve, SignalMeta
from inr.signals.signal import Array, Samples

MIDDLE_GRAY = 18.0
"""Luminance in cd/m^2 that the middle of the light has on a display whose white has 100."""
SCALE_OCTAVES = 4
"""How many octaves the scale of the curve lies below the middle."""
_OCTAVES, _ZERO = 320, 160
"""Octaves that are counted, and the place of 0.5 to 1 among them: floats of 32 bits have -148 to 128."""
_PIECE = 2**20
"""Samples that are counted at once."""
_DARK = 16
"""Octaves below the brightest per cent that are taken for black."""
_NEGATIVE = 0.05
"""Share of the samples that may be negative in a picture of light, as filters and narrow gamuts leave them."""
_WHITE = 2.0
"""What is brighter is brighter than white, whatever a filter added to it."""


@dataclass(frozen=True)
class Span:
    """How far the brightest light must lie above the middle, in octaves, for a picture to be one of high range.

    Attributes:
        beyond_white: if values are beyond white.
        within_white: if not.
    """

    beyond_white: int
    within_white: int | None


LINEAR = Span(3, 8)
"""Of pictures whose colours are known to be light."""
COLOURS = Span(7, None)
"""Of pictures of which nothing is known but that they have colours; what lies in [0, 1] is made for a display."""
MEASURED = Span(10, None)
"""Of gray pictures of which nothing is known: measurements of any kind."""


class LightSurvey:
    """Counts the light of a picture, in as many pieces as it comes.

    Args:
        channels: values a sample.
        alpha: that the last channel is alpha.
        span: what makes the picture one of high range.
        plane: samples of a channel if channels lie one after the other; 0 if they alternate.
    """

    def __init__(self, channels: int, alpha: bool, span: Span, plane: int = 0) -> None:
        self._channels, self._alpha, self._span, self._plane = channels, alpha, span, plane
        self._octaves = np.zeros(_OCTAVES, np.int64)
        self._values, self._negative = 0, 0
        self._low, self._high = math.inf, -math.inf

    def add(self, piece: Array, first: int) -> None:
        """Count samples, flat and finite, of which the first has this place in the picture."""
        for start in range(0, piece.size, _PIECE):
            self._add(piece[start : start + _PIECE], first + start)

    def _add(self, piece: Array, first: int) -> None:
        if self._alpha:
            place = np.arange(first, first + piece.size)
            channel = place // self._plane if self._plane else place % self._channels
            piece = piece[channel != self._channels - 1]
        if not piece.size:
            return
        self._values += piece.size
        self._negative += int(np.count_nonzero(piece < 0))
        self._low, self._high = min(self._low, float(piece.min())), max(self._high, float(piece.max()))
        octave = np.frexp(piece[piece > 0].astype(np.float32))[1]
        self._octaves += np.bincount(octave + _ZERO, minlength=_OCTAVES)

    def judged(self, meta: SignalMeta) -> SignalMeta:
        """The same, with the curve and the range of the colours if they are light of high dynamic range."""
        curve = self._curve()
        if curve is None:
            return meta
        return replace(meta, light=curve, value_range=(self._low, self._high))

    def _curve(self) -> LightCurve | None:
        if self._high <= 0 or self._low == self._high or self._negative > _NEGATIVE * self._values:
            return None
        bright = _octave_of(self._octaves, 0.99)
        seen = np.where(np.arange(_OCTAVES) >= bright - _DARK, self._octaves, 0)
        middle = _octave_of(seen, 0.5) - _ZERO
        brightest = max(self._high, 1.0) if self._alpha else self._high
        needed = self._span.beyond_white if brightest >= _WHITE else self._span.within_white
        if needed is None or math.frexp(brightest)[1] - middle < needed:
            return None
        return LightCurve(math.ldexp(1.0, middle - SCALE_OCTAVES), self._channels - self._alpha)


def _octave_of(counts: npt.NDArray[np.int64], share: float) -> int:
    """Where this share of the counted samples is reached."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum()))


def luminance_gain(light: LightCurve) -> float:
    """Luminance in cd/m^2 of light 1 as a viewer sees it: the middle of the picture is middle gray."""
    return MIDDLE_GRAY / (light.scale * math.pow(2.0, SCALE_OCTAVES - 0.5))


def exposed(samples: Samples, light: LightCurve) -> Array:
    """Light as an 8-bit picture to look at: its middle as middle gray, highlights compressed, the sRGB curve.

    Reinhard et al. 2002: ``L/(1 + L)``, with L scaled so that the middle becomes 0.18.
    """
    values = samples.astype(np.float64)
    colours = np.maximum(values[..., : light.colours], 0) * (luminance_gain(light) * 0.18 / 0.82 / MIDDLE_GRAY)
    colours /= 1 + colours
    values[..., : light.colours] = np.where(colours <= 0.0031308, 12.92 * colours, 1.055 * colours ** (1 / 2.4) - 0.055)
    return np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)


def linear(meta: SignalMeta, channels: int) -> SignalMeta:
    """Fitted without the curve: how bright the picture is stays known, for measures; alpha joins the value range."""
    if meta.curve is None:
        return meta
    low, high = meta.value_range
    if meta.curve.colours < channels:
        low, high = min(low, 0.0), max(high, 1.0)
    return replace(meta, light=replace(meta.curve, fitted=False), value_range=(low, high))
