"""Results as a summary, a table and a JSON document."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inr.bench.documents import environment, markdown, short, write_json
from inr.bench.measure import Results
from inr.bench.plot import Panels, over_time, save
from inr.bench.results import Curve, Result
from inr.bench.stats import Spread, median_curve, paired_gain, seed_deviation, spread
from inr.files import write_bytes


@dataclass(frozen=True)
class Row:
    """A case over all sources and seeds.

    Attributes:
        group: of the runs.
        case: of the runs.
        runs: how many gave a number.
        failed: how many did not.
        parameters: median.
        psnr: median and quartiles, dB.
        gain: PSNR above the first case of the group on the same source with the same seed, dB, or None.
        seed_deviation: median over the sources of the standard deviation of PSNR over the seeds, dB, or None.
        ssim: median and quartiles.
        seconds: median, with those of a search.
        search_seconds: median.
        steps: median.
    """

    group: str
    case: str
    runs: int
    failed: int
    parameters: int
    psnr: Spread
    gain: Spread | None
    seed_deviation: float | None
    ssim: Spread
    seconds: float
    search_seconds: float
    steps: int


def grouped(results: Sequence[Result]) -> dict[str, dict[str, list[Result]]]:
    """Results by group and case, in the order in which they came."""
    groups: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        groups.setdefault(result.group, {}).setdefault(result.case, []).append(result)
    return groups


def summary(results: Sequence[Result]) -> list[Row]:
    """A row for each case with at least one number, the best of each group first."""
    rows = []
    for group, cases in grouped(results).items():
        baseline = _done(next(iter(cases.values())))
        found = [_row(group, case, runs, baseline) for case, runs in cases.items() if _done(runs)]
        rows += sorted(found, key=lambda row: -row.psnr.median)
    return rows


def _row(group: str, case: str, runs: Sequence[Result], baseline: Sequence[Result]) -> Row:
    done = _done(runs)
    return Row(
        group,
        case,
        runs=len(done),
        failed=len(runs) - len(done),
        parameters=round(statistics.median(r.parameters for r in done)),
        psnr=spread([r.psnr for r in done]),
        gain=paired_gain(done, baseline),
        seed_deviation=seed_deviation(done),
        ssim=spread([r.ssim for r in done]),
        seconds=statistics.median(r.seconds for r in done),
        search_seconds=statistics.median(r.search_seconds for r in done),
        steps=round(statistics.median(r.steps for r in done)),
    )


def _done(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.outcome == "done"]


def curves(results: Sequence[Result]) -> dict[str, dict[str, Curve]]:
    """The median curve of each case, by group."""
    return {
        group: {case: median_curve([r.curve for r in _done(runs)]) for case, runs in cases.items() if _done(runs)}
        for group, cases in grouped(results).items()
    }


def failures(results: Sequence[Result]) -> list[dict[str, Any]]:
    """What gave no number, and why; equal reasons of a case once, with the number of runs."""
    found: dict[tuple[str, str, str, str], int] = {}
    for result in results:
        if result.outcome != "done":
            key = (result.group, result.case, result.outcome, result.reason)
            found[key] = found.get(key, 0) + 1
    names = ("group", "case", "outcome", "reason")
    return [{**dict(zip(names, key, strict=True)), "runs": runs} for key, runs in found.items()]


def table(rows: Sequence[Row], failed: Sequence[dict[str, Any]], baselines: dict[str, str]) -> str:
    """A Markdown table for each group, and what is missing from it.

    Args:
        rows: of `summary`.
        failed: of `failures`.
        baselines: the first case of each group.
    """
    parts = []
    for group, baseline in baselines.items():
        head = ["case", "parameters", "PSNR dB", "quartiles", f"vs {baseline}", "seed sd", "SSIM", "seconds", "steps"]
        body = [_cells(row) for row in rows if row.group == group]
        title = [f"### {group}\n"] if group else []
        parts.append("\n".join([*title, *(markdown([[*head, "runs"], *body]) if body else [])]))
    missing = []
    for entry in failed:
        name = " ".join(part for part in (entry["group"], entry["case"]) if part)
        missing.append(f"- {name}: {entry['outcome']}, {entry['runs']} times: {entry['reason']}")
    parts.append("\n".join(missing))
    return "\n\n".join(part for part in parts if part) + "\n"


def _cells(row: Row) -> list[str]:
    search = f" ({row.search_seconds:.1f} search)" if row.search_seconds else ""
    return [
        row.case,
        str(row.parameters),
        f"{row.psnr.median:.2f}",
        f"{row.psnr.low:.2f} to {row.psnr.high:.2f}",
        "" if row.gain is None else f"{row.gain.median:+.2f}",
        "" if row.seed_deviation is None else f"{row.seed_deviation:.2f}",
        f"{row.ssim.median:.4f}",
        f"{row.seconds:.1f}{search}",
        str(row.steps),
        str(row.runs),
    ]


@dataclass(frozen=True)
class Report:
    """What a benchmark has to say.

    Attributes:
        name: of the benchmark, and of its files.
        basis: over what the medians are taken.
        settings: what was asked for.
        results: of all runs.
        complete: False if some runs are missing.
        rows: of `summary`.
        curves: to list in the JSON document, by group and case.
        panels: to draw.
        axes: labels of the axes of the figure.
        more: further entries of the JSON document.
        notes: further text below the table.
    """

    name: str
    basis: str
    settings: dict[str, Any]
    results: Sequence[Result]
    complete: bool
    rows: Sequence[Row]
    curves: dict[str, dict[str, Curve]]
    panels: Panels
    axes: tuple[str, str]
    more: dict[str, Any]
    notes: str = ""


def standard(name: str, settings: dict[str, Any], found: Results) -> Report:
    """Cases side by side, over time."""
    results = found.results
    medians = curves(results)
    basis, rows = told_median(results), summary(results)
    axes = ("training time (s)", f"PSNR (dB), {basis}")
    return Report(name, basis, settings, results, found.complete, rows, medians, over_time(medians), axes, {})


def told_median(results: Sequence[Result]) -> str:
    """Over what the medians are taken."""
    sources, seeds = len({r.source for r in results}), len({r.seed for r in results})
    parts = [f"{n} {noun}{'s' if n > 1 else ''}" for n, noun in ((sources, "image"), (seeds, "seed"))]
    return f"median of {' × '.join(parts)}"


def table_of(report: Report) -> str:
    """The whole text of a report, Markdown."""
    baselines = {group: next(iter(cases)) for group, cases in grouped(report.results).items()}
    parts = [_conditions(report), table(report.rows, failures(report.results), baselines), report.notes]
    if not report.complete:
        parts.append("Not all runs are done.\n")
    return "\n".join(part for part in parts if part)


def _conditions(report: Report) -> str:
    """One sentence on what the numbers are."""
    told = report.settings
    budget = f"{told['steps']} steps" if told["steps"] else f"{told['seconds']:g} s of training"
    return (
        f"{report.basis[:1].upper()}{report.basis[1:]}; {budget}, at most {told['parameters']} parameters; "
        f"threads: {environment()['threads']}.\n"
    )


def document(report: Report) -> dict[str, Any]:
    """Everything as JSON has it; the curves of single runs stay in the journal."""
    return {
        "benchmark": report.name,
        "settings": report.settings,
        "environment": environment(),
        "complete": report.complete,
        "summary": [short(asdict(row)) for row in report.rows],
        **report.more,
        "failures": failures(report.results),
        "curves": [
            {"group": group, "case": case, "seconds": short(curve.seconds), "psnr": short(curve.psnr)}
            for group, cases in report.curves.items()
            for case, curve in cases.items()
        ],
        "results": [{k: v for k, v in r.to_json().items() if k != "curve"} for r in report.results],
    }


def write(report: Report, folder: Path) -> list[Path]:
    """Write table, JSON document and figure into a folder; raises as `save` does.

    Returns:
        The files written.
    """
    stem = folder / report.name
    text, data = stem.with_suffix(".md"), stem.with_suffix(".json")
    write_bytes(text, table_of(report).encode())
    write_json(data, document(report))
    drawn = {title: lines for title, lines in report.panels.items() if lines}
    return [text, data, *(save(stem, drawn, *report.axes) if drawn else [])]
