"""Curves of rate over quality, and the difference of two: Bjontegaard 2001 (VCEG-M33), with monotone cubics.

The logarithm of the rate is interpolated over quality by the piecewise cubics of Fritsch and Butland 1984 ("PCHIP"), as
is usual since they were shown to be safer than the one cubic of the source: they never overshoot.
"""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inr.errors import SpecError

Floats = npt.NDArray[np.float64]

FEWEST = 2
"""Points of a curve."""


@dataclass(frozen=True)
class Difference:
    """How much more rate one curve needs than another.

    Attributes:
        percent: mean over the qualities that both reach; negative if the first needs less.
        low: where they begin.
        high: where they end.
        share: of the qualities of the first curve that both reach, 0 to 1.
    """

    percent: float
    low: float
    high: float
    share: float


class Pchip:
    """Monotone piecewise cubics through points.

    Args:
        x: increasing, at least two.
        y: as many.
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        self._x, self._y, self._slope = x, y, _slopes(x, y)

    def __call__(self, at: float) -> float:
        """The value at a place within the points."""
        i = int(np.clip(np.searchsorted(self._x, at, side="right") - 1, 0, len(self._x) - 2))
        width = self._x[i + 1] - self._x[i]
        t = (at - self._x[i]) / width
        begin, end = (1 + 2 * t) * (1 - t) ** 2 * self._y[i], t * t * (3 - 2 * t) * self._y[i + 1]
        bent = width * t * (1 - t) * ((1 - t) * self._slope[i] - t * self._slope[i + 1])
        return float(begin + end + bent)

    def mean(self, low: float, high: float) -> float:
        """Mean over an interval within the points."""
        inside = [float(x) for x in self._x if low < x < high]
        edges = [low, *inside, high]
        total = 0.0
        for a, b in itertools.pairwise(edges):  # Simpson's rule is exact for cubics
            total += (b - a) / 6 * (self(a) + 4 * self((a + b) / 2) + self(b))
        return total / (high - low)


def _slopes(x: Floats, y: Floats) -> Floats:
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    if len(d) == 1:
        return np.array([d[0], d[0]])
    slopes = np.zeros(len(x))
    for k in range(1, len(d)):
        if d[k - 1] * d[k] > 0:
            before, after = 2 * h[k] + h[k - 1], h[k] + 2 * h[k - 1]
            slopes[k] = (before + after) * d[k - 1] * d[k] / (before * d[k] + after * d[k - 1])
    slopes[0] = _end_slope(h[0], h[1], d[0], d[1])
    slopes[-1] = _end_slope(h[-1], h[-2], d[-1], d[-2])
    return slopes


def _end_slope(h0: float, h1: float, d0: float, d1: float) -> float:
    """Of the parabola through the last three points, as far as that keeps the curve monotone."""
    slope = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
    if slope * d0 <= 0:
        return 0.0
    return 3 * d0 if d0 * d1 <= 0 and abs(slope) > 3 * abs(d0) else slope


class Curve:
    """Rate over quality. A point that another one equals or beats in both is left out.

    Args:
        points: (rate, quality) in any order; rates above 0.

    Raises:
        SpecError: fewer than two are left.
    """

    def __init__(self, points: Iterable[tuple[float, float]]) -> None:
        kept: list[tuple[float, float]] = []
        for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
            if not kept or quality > kept[-1][1]:
                kept.append((rate, quality))
        if len(kept) < FEWEST:
            raise SpecError(f"curve: at least {FEWEST} points of different quality are needed; got {len(kept)}")
        self._quality = np.array([quality for _, quality in kept])
        self._log_rate = Pchip(self._quality, np.log([rate for rate, _ in kept]))

    @property
    def low(self) -> float:
        """Lowest quality."""
        return float(self._quality[0])

    @property
    def high(self) -> float:
        """Highest quality."""
        return float(self._quality[-1])

    def rate_at(self, quality: float) -> float | None:
        """The rate for a quality; None beyond the ends."""
        return math.exp(self._log_rate(quality)) if self.low <= quality <= self.high else None

    def mean_log_rate(self, low: float, high: float) -> float:
        """Mean of the natural logarithm of the rate over qualities that it reaches."""
        return self._log_rate.mean(low, high)


def bd_rate(curve: Curve, anchor: Curve) -> Difference | None:
    """How much more rate a curve needs than the anchor for equal quality; None if no quality is reached by both."""
    low, high = max(curve.low, anchor.low), min(curve.high, anchor.high)
    if not low < high:
        return None
    more = math.exp(curve.mean_log_rate(low, high) - anchor.mean_log_rate(low, high)) - 1
    return Difference(100 * more, low, high, (high - low) / (curve.high - curve.low))
