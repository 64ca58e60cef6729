"""Learning rates: how the values that the models carry were found, so that it can be done again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inr.bench.documents import short
from inr.bench.measure import Results
from inr.bench.plot import Line
from inr.bench.results import Result
from inr.bench.zoo.report import Report, Row, grouped, summary, told_median
from inr.models.base import MODELS


@dataclass(frozen=True)
class Recommendation:
    """The rate with the highest median PSNR.

    Attributes:
        model: its kind.
        present: the rate that the model has.
        rate: the best of those that were tried.
        gain: its median PSNR above that of the present rate, dB; None if the present rate gave no number.
        edge: True if it is the lowest or the highest that was tried, so that a better one may lie beyond.
    """

    model: str
    present: float
    rate: float
    gain: float | None
    edge: bool


def recommendations(results: Sequence[Result], rows: Sequence[Row]) -> list[Recommendation]:
    """One for each model with a number."""
    found = []
    for model, cases in grouped(results).items():
        own = {float(row.case): row.psnr.median for row in rows if row.group == model}
        if own:
            tried, present = [float(case) for case in cases], MODELS.get(model).learning_rate
            best = max(own, key=lambda rate: own[rate])
            gain = own[best] - own[present] if present in own else None
            found.append(Recommendation(model, present, best, gain, best in (min(tried), max(tried))))
    return found


def report(name: str, settings: dict[str, Any], found: Results) -> Report:
    """PSNR over the rate, and which to take."""
    rows = summary(found.results)
    advice = recommendations(found.results, rows)
    lines = {entry.model: _line(entry, [row for row in rows if row.group == entry.model]) for entry in advice}
    return Report(
        name=name,
        basis=told_median(found.results),
        settings=settings,
        results=found.results,
        complete=found.complete,
        rows=rows,
        curves={},
        panels={"": lines},
        axes=("learning rate / present rate", "PSNR below that of the best rate (dB)"),
        more={"recommended": [short(asdict(entry)) for entry in advice]},
        notes="".join(f"- {_told(entry)}\n" for entry in advice),
    )


def _line(entry: Recommendation, rows: Sequence[Row]) -> Line:
    points = sorted((float(row.case) / entry.present, row.psnr.median) for row in rows)
    best = max(psnr for _, psnr in points)
    shown = [(x, psnr - best) for x, psnr in points]
    mark = (entry.rate / entry.present, 0.0)
    return Line([x for x, _ in shown], [y for _, y in shown], f"{entry.rate:g}", (mark,))


def _told(entry: Recommendation) -> str:
    gain = "" if entry.gain is None else f", {entry.gain:+.2f} dB"
    edge = "; it is at the edge of what was tried: try further" if entry.edge else ""
    return f"{entry.model}: {entry.rate:g} (present {entry.present:g}{gain}){edge}"
