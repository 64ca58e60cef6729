"""What the points say: differences of rate at equal quality, means, times."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inr.bench.codec.curves import Curve, Difference, bd_rate
from inr.bench.codec.points import Point
from inr.bench.codec.published import Table
from inr.errors import SpecError

SMALL_SHARE = 0.5
"""Of the qualities of a curve; where two curves share less, their difference says little of the rest."""
LARGEST_DB = 60.0
"""Of a similarity, which is 1 for identical pictures."""


def _similarity_db(value: float) -> float:
    """A similarity up to 1 on a scale where equal steps are about equally visible."""
    return min(-10 * math.log10(max(1 - value, 1e-12)), LARGEST_DB)


QUALITIES: dict[str, Callable[[Point], float | None]] = {
    "psnr": lambda point: point.psnr,
    "ssim": lambda point: None if point.ssim is None else _similarity_db(point.ssim),
    "ms_ssim": lambda point: None if point.ms_ssim is None else _similarity_db(point.ms_ssim),
}
"""Measures by name, in dB: similarities as ``-10 log10(1 - s)``."""


@dataclass(frozen=True)
class Compared:
    """Two codecs on one picture; no difference if they reach no common quality, or one has no curve (see `curve`).

    Attributes:
        codec: the name of one.
        against: the name of the other.
        picture: its name.
        metric: of quality.
        difference: in rate, or None.
    """

    codec: str
    against: str
    picture: str
    metric: str
    difference: Difference | None


@dataclass(frozen=True)
class MeanRate:
    """The mean over the pictures on which two codecs can be compared.

    Attributes:
        codec: the name of one.
        against: the name of the other.
        metric: of quality.
        percent: mean difference in rate; None if no picture has one.
        pictures: how many it is the mean of.
        small: pictures where both share less than `SMALL_SHARE` of the qualities of the first.
        missing: pictures that have no difference.
    """

    codec: str
    against: str
    metric: str
    percent: float | None
    pictures: int
    small: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class AtTheirs:
    """A published point, and the rate of a codec at its PSNR; None beyond the ends of its curve."""

    codec: str
    against: str
    picture: str
    value: str
    psnr: float
    theirs: float
    bpp: float | None


@dataclass(frozen=True)
class MeanPoint:
    """The means of a codec at one value of its parameter, over pictures; None where not every picture has a number."""

    codec: str
    value: float
    pictures: int
    bpp: float
    psnr: float
    ssim: float
    ms_ssim: float | None
    encode_s: float | None
    decode_s: float | None


def done(points: Sequence[Point], codec: str, picture: str | None = None) -> list[Point]:
    """The points of a codec that have a picture."""
    return [p for p in points if p.codec == codec and p.outcome == "done" and picture in (None, p.picture)]


def names(points: Sequence[Point]) -> list[str]:
    """The pictures, in order."""
    return list(dict.fromkeys(point.picture for point in points))


def curve(points: Sequence[Point], codec: str, picture: str, metric: str) -> Curve | None:
    """The curve of a codec on a picture; None with less than two points that no other one beats in both."""
    found = [(p.bpp, QUALITIES[metric](p)) for p in done(points, codec, picture)]
    return _curve([(bpp, quality) for bpp, quality in found if bpp is not None and quality is not None])


def beaten_points(points: Sequence[Point], codec: str, picture: str) -> list[Point]:
    """The points that are not on the curve by PSNR of a codec on a picture, as another one is at least as good."""
    beaten, best = [], -math.inf
    measured = [(p.bpp, p.psnr, p) for p in done(points, codec, picture) if p.bpp is not None and p.psnr is not None]
    for _, psnr, point in sorted(measured, key=lambda one: (one[0], -one[1])):
        if psnr <= best:
            beaten.append(point)
        best = max(best, psnr)
    return beaten


def _curve(points: Sequence[tuple[float, float]]) -> Curve | None:
    try:
        return Curve(points)
    except SpecError:
        return None


def compare(points: Sequence[Point], codecs: Sequence[str], rivals: Sequence[str]) -> list[Compared]:
    """Each codec against each rival, on each picture that both were asked to hold, by each measure."""
    found = []
    for metric in QUALITIES:
        for codec in codecs:
            for rival in rivals:
                for picture in names(points):
                    if {codec, rival} <= {point.codec for point in points if point.picture == picture}:
                        pair = [curve(points, name, picture, metric) for name in (codec, rival)]
                        found.append(Compared(codec, rival, picture, metric, _difference(*pair)))
    return found


def compare_published(
    points: Sequence[Point], codecs: Sequence[str], table: Table
) -> tuple[list[Compared], list[AtTheirs]]:
    """Each codec against published points, on each picture that they have, by PSNR."""
    compared, at_theirs = [], []
    for codec in codecs:
        for picture in names([point for point in points if point.codec == codec]):
            theirs = table.points.get(picture, ())
            if not theirs:
                continue
            own = curve(points, codec, picture, "psnr")
            anchor = _curve([(point.bpp, point.psnr) for point in theirs])
            compared.append(Compared(codec, table.codec, picture, "psnr", _difference(own, anchor)))
            at_theirs += [
                AtTheirs(
                    codec, table.codec, picture, p.value, p.psnr, p.bpp, None if own is None else own.rate_at(p.psnr)
                )
                for p in sorted(theirs, key=lambda point: point.bpp)
            ]
    return compared, at_theirs


def _difference(own: Curve | None, anchor: Curve | None) -> Difference | None:
    return None if own is None or anchor is None else bd_rate(own, anchor)


def mean_rates(compared: Sequence[Compared]) -> list[MeanRate]:
    """The mean over the pictures of each pair of codecs, by each measure."""
    groups: dict[tuple[str, str, str], list[Compared]] = {}
    for one in compared:
        groups.setdefault((one.codec, one.against, one.metric), []).append(one)
    means = []
    for (codec, against, metric), ones in groups.items():
        known = [(one.picture, one.difference) for one in ones if one.difference is not None]
        means.append(
            MeanRate(
                codec,
                against,
                metric,
                statistics.fmean(difference.percent for _, difference in known) if known else None,
                len(known),
                tuple(picture for picture, difference in known if difference.share < SMALL_SHARE),
                tuple(one.picture for one in ones if one.difference is None),
            )
        )
    return means


def common(points: Sequence[Point], codecs: Sequence[str]) -> list[str]:
    """The pictures of which every codec has all points that it has of any."""
    wanted = {(codec, point.value) for codec in codecs for point in points if point.codec == codec}
    has: dict[str, set[tuple[str, float]]] = {picture: set() for picture in names(points)}
    for point in points:
        if point.outcome == "done":
            has[point.picture].add((point.codec, point.value))
    return [picture for picture, found in has.items() if wanted <= found]


def mean_points(points: Sequence[Point], codec: str, pictures: Sequence[str]) -> list[MeanPoint]:
    """The means of a codec over those of the pictures that have all its points, a row for each value."""
    own = [point for point in points if point.codec == codec and point.picture in pictures]
    whole = set(common(own, [codec]))
    rows: dict[float, list[Point]] = {}
    for point in own:
        if point.picture in whole:
            rows.setdefault(point.value, []).append(point)
    means = []
    for value, row in rows.items():
        mean = {name: _mean([getattr(p, name) for p in row]) for name in ("bpp", "psnr", "ssim", "ms_ssim")}
        if mean["bpp"] is None or mean["psnr"] is None or mean["ssim"] is None:
            continue
        times = {name: _mean([getattr(p, name) for p in row]) for name in ("encode_s", "decode_s")}
        means.append(
            MeanPoint(codec, value, len(row), mean["bpp"], mean["psnr"], mean["ssim"], mean["ms_ssim"], **times)
        )
    return means


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def median_seconds(points: Sequence[Point], codec: str) -> tuple[float | None, float | None]:
    """Medians of the seconds to encode and to decode over the points of a codec that have them."""
    encode = [p.encode_s for p in done(points, codec) if p.encode_s is not None]
    decode = [p.decode_s for p in done(points, codec) if p.decode_s is not None]
    return statistics.median(encode) if encode else None, statistics.median(decode) if decode else None
