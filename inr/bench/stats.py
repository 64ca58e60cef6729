"""Medians, spreads and times over results; nothing here knows what was measured."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inr.bench.results import Curve, Result

GRID = 80
"""Moments at which curves are compared."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Median and quartiles; the quartiles lie between values as numpy's linear rule has it."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of at least one value."""
    low, median, high = (float(q) for q in np.quantile(np.array(values, dtype=np.float64), (0.25, 0.5, 0.75)))
    return Spread(median, low, high)


def seed_deviation(results: Iterable[Result]) -> float | None:
    """Median over the sources of the standard deviation of PSNR over the seeds, dB; None if no source has two seeds."""
    by_source: dict[str, list[float]] = {}
    for result in results:
        by_source.setdefault(result.source, []).append(result.psnr)
    deviations = [statistics.stdev(values) for values in by_source.values() if len(values) > 1]
    return statistics.median(deviations) if deviations else None


def paired_gain(results: Iterable[Result], baseline: Iterable[Result]) -> Spread | None:
    """PSNR above the baseline's on the same source with the same seed, dB; None without such a pair."""
    base = {(result.source, result.seed): result.psnr for result in baseline}
    gains = [r.psnr - base[r.source, r.seed] for r in results if (r.source, r.seed) in base]
    return spread(gains) if gains else None


def value_at(curve: Curve, seconds: Floats) -> Floats:
    """PSNR at some moments, linear in the logarithm of time; constant before the first and after the last point."""
    return np.interp(np.log(seconds), np.log(curve.seconds), curve.psnr)


def median_curve(curves: Sequence[Curve]) -> Curve:
    """The median of curves at each moment that all of them cover; it has no steps."""
    first, last = max(c.seconds[0] for c in curves), min(c.seconds[-1] for c in curves)
    moments = np.geomspace(min(first, last), last, GRID)
    values = np.median([value_at(curve, moments) for curve in curves], axis=0)
    return Curve(seconds=tuple(moments.tolist()), psnr=tuple(values.tolist()))


def best_until(curves: Sequence[Curve], seconds: float) -> float:
    """The highest PSNR that any of the curves had until a moment; -inf if none had begun."""
    best = -math.inf
    for curve in curves:
        if curve.seconds[0] <= seconds:
            known = [psnr for t, psnr in zip(curve.seconds, curve.psnr, strict=True) if t <= seconds]
            now = float(value_at(curve, np.array([seconds]))[0]) if seconds <= curve.seconds[-1] else -math.inf
            best = max(best, now, *known)
    return best


def seconds_to_reach(curves: Sequence[Curve], psnr: float) -> float | None:
    """The least time after which any of the curves first had a PSNR, dB; None if none ever did.

    Between two points a curve is linear in the logarithm of time.
    """
    times = [t for curve in curves if (t := _first_crossing(curve, psnr)) is not None]
    return min(times, default=None)


def _first_crossing(curve: Curve, psnr: float) -> float | None:
    for i, value in enumerate(curve.psnr):
        if value < psnr:
            continue
        if i == 0:
            return curve.seconds[0]
        before, earlier, later = curve.psnr[i - 1], math.log(curve.seconds[i - 1]), math.log(curve.seconds[i])
        return math.exp(earlier + (later - earlier) * (psnr - before) / (value - before))
    return None


def best_curve(curves: Sequence[Curve]) -> Curve:
    """The highest PSNR of any of the curves until each moment; it has no steps."""
    first, last = min(c.seconds[0] for c in curves), max(c.seconds[-1] for c in curves)
    moments = np.geomspace(first, last, GRID).tolist()
    moments[0], moments[-1] = first, last  # rounding must not put a moment outside
    return Curve(seconds=tuple(moments), psnr=tuple(best_until(curves, t) for t in moments))
