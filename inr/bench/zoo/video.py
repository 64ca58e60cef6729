"""F-INR against SIREN on clips: PSNR at equal time, and time to equal PSNR.

Every method gets a budget and halves of it, each a fit of its own with a whole schedule: a fit that was stopped early
would be judged by what a high learning rate leaves. The points of a curve are these fits: how long each took, and
the PSNR of its final field, decoded in full. Between two of them the curve is linear in the logarithm of time.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inr.bench.documents import markdown, short
from inr.bench.measure import Results
from inr.bench.plot import over_time
from inr.bench.results import Curve, Result, Run
from inr.bench.stats import best_curve, best_until, median_curve, seconds_to_reach
from inr.bench.zoo.comparisons import Conditions
from inr.bench.zoo.report import Report, grouped, summary
from inr.models.finr import FORMATS
from inr.samplers.block import BlockSampler
from inr.samplers.uniform import UniformSampler
from inr.signals.signal import Signal

BASELINE = "siren"
BLOCKS = {"cp": 2**16, "tt": 2**17, "tucker": 2**18}
"""Samples of a step, the best of several powers of two in fits of three seconds."""
SHARES = (1.0, 0.5, 0.25, 0.125)
"""Moments of the comparison, as shares of the budget."""


def plan(signals: dict[str, Signal], conditions: Conditions, halvings: int) -> list[Run]:
    """SIREN on uniform mini-batches and F-INR on blocks, with the budget and each of its halves.

    Seed outermost, then clip, then budget from the shortest, then method. `conditions` have a budget in seconds.
    """
    runs = []
    for seed in range(conditions.seeds):
        for name, signal in signals.items():
            methods: list[tuple[str, dict[str, Any]]] = [
                (BASELINE, {"model": conditions.model(BASELINE, signal), "sampler": UniformSampler()}),
                *(
                    (
                        f"finr {kind}",
                        {
                            "model": conditions.model("finr", signal, format=kind),
                            "sampler": BlockSampler(batch=BLOCKS[kind]),
                        },
                    )
                    for kind in FORMATS
                ),
            ]
            for halving in reversed(range(halvings + 1)):
                budget = conditions.budget.replace(seconds=(conditions.budget.seconds or 0.0) / 2**halving)
                runs += [Run(name, case, name, conditions.fit(seed, budget=budget, **fit)) for case, fit in methods]
    return runs


@dataclass(frozen=True)
class Moment:
    """The methods when the baseline has trained for some time, on one clip.

    Attributes:
        clip: its name.
        seconds: that time.
        psnr: of each method by then, dB; None if it had no number yet.
        reached: seconds after which each method had the baseline's PSNR; None if it never had.
        speed_up: those of the baseline over those of each method; None if it never had.
    """

    clip: str
    seconds: float
    psnr: dict[str, float | None]
    reached: dict[str, float | None]
    speed_up: dict[str, float | None]


def moments(results: Sequence[Result], seconds: float) -> list[Moment]:
    """For each clip and each share of the budget; medians over the seeds."""
    found = []
    for clip, cases in grouped(results).items():
        by_case = {case: _by_seed(runs) for case, runs in cases.items()}
        base = by_case.get(BASELINE, {})
        compared = {case: own for case, own in by_case.items() if own and set(base) <= set(own)}
        moments = [share * seconds for share in SHARES]
        found += [_moment(clip, t, compared, base) for t in moments if base and _has_begun(base, t)]
    return found


def _has_begun(base: dict[int, list[Curve]], seconds: float) -> bool:
    return all(math.isfinite(best_until(curves, seconds)) for curves in base.values())


def _by_seed(runs: Sequence[Result]) -> dict[int, list[Curve]]:
    """The curve through the final fields of all budgets, for each seed."""
    found: dict[int, list[tuple[float, float]]] = {}
    for run in runs:
        if run.outcome == "done":
            found.setdefault(run.seed, []).append((run.seconds, run.psnr))
    curves = {}
    for seed, points in found.items():
        seconds, psnr = zip(*sorted(points), strict=True)
        curves[seed] = [Curve(seconds=seconds, psnr=psnr)]
    return curves


def _moment(
    clip: str, seconds: float, by_case: dict[str, dict[int, list[Curve]]], base: dict[int, list[Curve]]
) -> Moment:
    level = {seed: best_until(curves, seconds) for seed, curves in base.items()}
    usual = {seed: seconds_to_reach(curves, level[seed]) for seed, curves in base.items()}
    psnr, reached, speed_up = {}, {}, {}
    for case, curves in by_case.items():
        times = {seed: seconds_to_reach(curves[seed], level[seed]) for seed in base}
        psnr[case] = _median([_finite(best_until(curves[seed], seconds)) for seed in base])
        reached[case] = _median(list(times.values()))
        speed_up[case] = _median([_ratio(usual[seed], times[seed]) for seed in base])
    return Moment(clip, seconds, psnr, reached, speed_up)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ratio(base: float | None, time: float | None) -> float | None:
    return None if base is None or time is None else base / time


def _median(values: Sequence[float | None]) -> float | None:
    """The median, if all have a value."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if len(known) == len(values) else None


def report(name: str, settings: dict[str, Any], found: Results) -> Report:
    """The final fields of the whole budget, and the comparison over time."""
    seconds = float(settings["seconds"])
    whole = [r for r in found.results if r.fit["budget"]["seconds"] == seconds]
    curves = {
        clip: {
            case: median_curve([best_curve(own) for own in by_seed.values()])
            for case, runs in cases.items()
            if (by_seed := _by_seed(runs))
        }
        for clip, cases in grouped(found.results).items()
    }
    compared = moments(found.results, seconds)
    return Report(
        name=name,
        basis=f"each clip alone, median of {settings['seeds']} seed{'s' if settings['seeds'] > 1 else ''}",
        settings=settings,
        results=found.results,
        complete=found.complete,
        rows=summary(whole),
        curves=curves,
        panels=over_time(curves),
        axes=("training time of a whole fit (s)", "PSNR of its final field (dB)"),
        more={"compared": [short(asdict(moment)) for moment in compared]},
        notes="\n".join(_table(compared)) + "\n" if compared else "",
    )


def _table(compared: Sequence[Moment]) -> list[str]:
    head = ["clip", "seconds", "method", "PSNR dB by then", f"seconds to {BASELINE}'s PSNR", "speed-up"]
    body = [
        [
            moment.clip,
            f"{moment.seconds:.1f}",
            case,
            _shown(moment.psnr[case], "{:.2f}"),
            _shown(moment.reached[case], "{:.1f}"),
            _shown(moment.speed_up[case], "{:.1f}"),
        ]
        for moment in compared
        for case in moment.psnr
    ]
    return markdown([head, *body])


def _shown(value: float | None, form: str) -> str:
    return "never" if value is None else form.format(value)
