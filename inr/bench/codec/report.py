"""The results as tables, a figure and a JSON document."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inr.bench.codec.compare import (
    SMALL_SHARE,
    AtTheirs,
    Compared,
    MeanRate,
    beaten_points,
    common,
    compare,
    compare_published,
    done,
    mean_points,
    mean_rates,
    median_seconds,
    names,
)
from inr.bench.codec.measure import Found, processor
from inr.bench.codec.published import Table
from inr.bench.documents import environment, markdown, short, write_json
from inr.bench.plot import Line, Panels, save
from inr.files import write_bytes

BEYOND = 1.25
"""How much farther than the rates of the coder itself the figure shows its rivals."""
METRIC_NAMES = {"psnr": "PSNR", "ssim": "SSIM", "ms_ssim": "MS-SSIM"}


@dataclass(frozen=True)
class Told:
    """All that a report says.

    Attributes:
        settings: of the benchmark.
        found: the points.
        own: names of the coder at its presets.
        rivals: names of the others.
        published: points of others that were read from a file, or None.
        machine: what the times depend on.
    """

    settings: dict[str, Any]
    found: Found
    own: list[str]
    rivals: list[str]
    published: Table | None = None
    machine: dict[str, Any] = field(default_factory=lambda: environment() | {"processor": processor()})

    def compared(self) -> tuple[list[Compared], list[AtTheirs]]:
        """The coder against the others, and at the PSNR of what was published."""
        found = compare(self.found.points, self.own, self.rivals)
        if self.published is None:
            return found, []
        more, at_theirs = compare_published(self.found.points, self.own, self.published)
        return found + more, at_theirs


def document(told: Told) -> dict[str, Any]:
    """The JSON document: everything, and what it says."""
    points = told.found.points
    compared, at_theirs = told.compared()
    codecs = [*told.own, *told.rivals]
    whole = {
        "benchmark": "codec",
        "settings": told.settings,
        "environment": told.machine,
        "complete": told.found.complete,
        "codecs": [_codec(told, name) for name in codecs if any(p.codec == name for p in points)],
        "mean_bd_rate": [asdict(mean) for mean in mean_rates(compared)],
        "bd_rate": [asdict(one) for one in compared],
        "at_published_psnr": [asdict(one) for one in at_theirs],
        "means": [asdict(row) for name in codecs for row in mean_points(points, name, names(points))],
        "left_out": [
            {"codec": codec, "picture": picture, "reason": why} for codec, picture, why in told.found.left_out
        ],
        "failed": [asdict(point) for point in points if point.outcome == "failed"],
        "points": [asdict(point) for point in points],
    }
    return {name: short(value) for name, value in whole.items()}


def _codec(told: Told, name: str) -> dict[str, Any]:
    points = [point for point in told.found.points if point.codec == name]
    encode_s, decode_s = median_seconds(points, name)
    return {
        "codec": name,
        "version": points[0].version,
        "settings": points[0].settings,
        "builds": sorted({point.build for point in points}),
        "threads": sorted({point.threads for point in points}),
        "points": len(points),
        "failed": sum(point.outcome == "failed" for point in points),
        "median_encode_s": encode_s,
        "median_decode_s": decode_s,
    }


def text(told: Told) -> str:
    """The whole report in Markdown."""
    compared, at_theirs = told.compared()
    parts = [
        _heading(told),
        "\n".join(markdown(_codec_rows(told))),
        *_mean_tables(compared),
        *_picture_tables(told, compared),
        *_published_tables(at_theirs),
        *_point_tables(told),
    ]
    notes = _notes(told, mean_rates(compared))
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])]) + "\n"


def _heading(told: Told) -> str:
    count = len(names(told.found.points))
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    return (
        f"{pictures}. Bytes are those of whole files on the disk; PSNR is that of all channels of the pictures decoded "
        "from them. Seconds are medians over all points that were timed; decoding is one thread on one core, from the "
        "file to samples in memory. Rates are compared by BD-rate: PCHIP of the logarithm of the rate, over the "
        "quality that both codecs reach; negative is smaller."
    )


def _codec_rows(told: Told) -> list[list[str]]:
    rows = [["codec", "version", "settings", "points", "bpp", "PSNR dB", "encode s", "decode ms"]]
    for name in [*told.own, *told.rivals]:
        points = done(told.found.points, name)
        if not points:
            continue
        encode_s, decode_s = median_seconds(points, name)
        bpp = [p.bpp for p in points if p.bpp is not None]
        psnr = [p.psnr for p in points if p.psnr is not None]
        rows.append(
            [
                name,
                points[0].version,
                points[0].settings,
                str(len(points)),
                f"{min(bpp):.3f} to {max(bpp):.3f}",
                f"{min(psnr):.2f} to {max(psnr):.2f}",
                _number(encode_s, ".2f"),
                _number(decode_s, ".1f", 1000),
            ]
        )
    return rows


def _mean_tables(compared: Sequence[Compared]) -> list[str]:
    means = mean_rates(compared)
    if not means:
        return []
    pairs = list(dict.fromkeys((mean.codec, mean.against) for mean in means))
    by = {(mean.codec, mean.against, mean.metric): mean for mean in means}
    head = ["BD-rate, mean over pictures", *(f"by {name}" for name in METRIC_NAMES.values()), "pictures"]
    rows = [head]
    for codec, against in pairs:
        found = [by.get((codec, against, metric)) for metric in METRIC_NAMES]
        cells = [_percent(None if mean is None else mean.percent) for mean in found]
        rows.append([f"{codec} against {against}", *cells, str(by[codec, against, "psnr"].pictures)])
    return ["\n".join(markdown(rows))]


def _picture_tables(told: Told, compared: Sequence[Compared]) -> list[str]:
    tables = []
    for codec in told.own:
        ones = [one for one in compared if one.codec == codec and one.metric == "psnr"]
        others = list(dict.fromkeys(one.against for one in ones))
        if not others:
            continue
        rows = [[f"{codec}, BD-rate by PSNR", *(f"against {other}" for other in others)]]
        for picture in dict.fromkeys(one.picture for one in ones):
            found = {one.against: one.difference for one in ones if one.picture == picture}
            cells = [found.get(other) for other in others]
            rows.append([picture, *(_percent(None if d is None else d.percent) for d in cells)])
        tables.append("\n".join(markdown(rows)))
    return tables


def _published_tables(at_theirs: Sequence[AtTheirs]) -> list[str]:
    tables = []
    for codec, against in dict.fromkeys((one.codec, one.against) for one in at_theirs):
        rows = [[f"{codec}, bpp at the PSNR of {against}", "lambda", "PSNR dB", "theirs", "ours", "difference"]]
        for one in at_theirs:
            if (one.codec, one.against) == (codec, against):
                more = None if one.bpp is None else 100 * (one.bpp / one.theirs - 1)
                numbers = [f"{one.psnr:.2f}", f"{one.theirs:.3f}", _number(one.bpp, ".3f"), _percent(more)]
                rows.append([one.picture, one.value or "-", *numbers])
        tables.append("\n".join(markdown(rows)))
    return tables


def _point_tables(told: Told) -> list[str]:
    tables = []
    pictures = names(told.found.points)
    for codec in told.own:
        means = mean_points(told.found.points, codec, pictures)
        if not means:
            continue
        count = "1 picture" if means[0].pictures == 1 else f"{means[0].pictures} pictures"
        rows = [[f"{codec}, mean of {count}: lambda", "bpp", "PSNR dB", "SSIM", "MS-SSIM", "encode s", "decode ms"]]
        for row in means:
            numbers = [f"{row.bpp:.4f}", f"{row.psnr:.2f}", f"{row.ssim:.4f}", _number(row.ms_ssim, ".4f")]
            rows.append([f"{row.value:g}", *numbers, _number(row.encode_s, ".1f"), _number(row.decode_s, ".1f", 1000)])
        tables.append("\n".join(markdown(rows)))
    return tables


def _notes(told: Told, means: Sequence[MeanRate]) -> list[str]:
    notes = []
    for title, where in (
        (f"both reach less than {SMALL_SHARE:.0%} of its range", [mean.small for mean in means]),
        ("no common quality, or not two points of which none beats the other", [mean.missing for mean in means]),
    ):
        lines: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
        for mean, pictures in zip(means, where, strict=True):
            lines.setdefault((mean.codec, mean.against, pictures), []).append(METRIC_NAMES[mean.metric])
        notes += [
            f"- {codec} against {against} by {', '.join(metrics)}: {title} on {', '.join(pictures)}."
            for (codec, against, pictures), metrics in lines.items()
            if pictures
        ]
    for codec in told.own:
        for picture in names(told.found.points):
            beaten = beaten_points(told.found.points, codec, picture)
            if beaten:
                notes.append(
                    f"- {codec} on {picture}: left out of its curve, as another point is smaller and has a PSNR as "
                    f"high: lambda {', '.join(f'{point.value:g}' for point in beaten)}."
                )
    notes += [f"- {codec} left out on {picture}: {why}." for codec, picture, why in told.found.left_out]
    failed = [point for point in told.found.points if point.outcome == "failed"]
    notes += [f"- {p.codec} at {p.parameter} {p.value:g} failed on {p.picture}: {p.reason}." for p in failed]
    for codec in told.own:
        builds = sorted({point.build for point in told.found.points if point.codec == codec})
        if len(builds) > 1:
            notes.append(f"- {codec}: points of {len(builds)} builds of the coder are mixed: {', '.join(builds)}.")
    if not told.found.complete:
        notes.append("- The run was interrupted: points are missing.")
    return notes


def panels(told: Told) -> Panels:
    """Curves of means over the pictures that all codecs hold; empty if there are none.

    That of a published codec is there if its file has as many points of each of these pictures.
    """
    points = told.found.points
    codecs = [name for name in (*told.own, *told.rivals) if done(points, name)]
    pictures = common(points, codecs)
    own_bpp = [row.bpp for name in told.own for row in mean_points(points, name, pictures)]
    if not own_bpp:
        return {}
    low, high = min(own_bpp) / BEYOND, max(own_bpp) * BEYOND
    lines = {}
    for name in codecs:
        rows = sorted(mean_points(points, name, pictures), key=lambda row: row.bpp)
        shown = [(row.bpp, row.psnr) for row in rows if low <= row.bpp <= high]
        if shown:
            marks = shown if name in told.own else []
            lines[name] = Line([x for x, _ in shown], [y for _, y in shown], marks=marks)
    if told.published is not None:
        means = told.published.means(pictures)
        if means:
            lines[f"{told.published.codec} (published)"] = Line([bpp for bpp, _ in means], [psnr for _, psnr in means])
    title = pictures[0] if len(pictures) == 1 else f"mean of {len(pictures)} pictures"
    return {title: lines}


def write(told: Told, folder: Path, figure: bool) -> list[Path]:
    """Write ``codec.md``, ``codec.json`` and the figure into a folder; raises `FileAccessError`.

    Args:
        told: what to say.
        folder: where to.
        figure: also ``codec.png`` and ``codec.svg``, which needs matplotlib.

    Returns:
        The files written.
    """
    written = [folder / "codec.md", folder / "codec.json"]
    write_bytes(written[0], text(told).encode())
    write_json(written[1], document(told))
    drawn = panels(told) if figure else {}
    if drawn:
        written += save(folder / "codec", drawn, "bits per pixel", "PSNR (dB)")
    return written


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f} %"


def _number(value: float | None, form: str, factor: float = 1.0) -> str:
    return "-" if value is None else format(factor * value, form)
