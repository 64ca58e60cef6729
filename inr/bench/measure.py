"""Carrying out runs one by one, keeping each result as soon as it is there."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inr.backends.render import render
from inr.bench.documents import Lines
from inr.bench.results import Curve, Result, Run
from inr.codec.measures import measures, tallied
from inr.coders.weights.open import open_tensors
from inr.errors import BackendUnavailableError, DivergenceError, FileAccessError, SpecError
from inr.fitting.spec import Budget, FitSpec
from inr.fitting.steps import fit
from inr.fitting.trained import TrainedNetwork
from inr.signals.signal import Samples, Signal

WARM_UP = Budget(steps=2)
"""Steps of a fit that nobody looks at: the first one of a process also starts threads and loads code."""
SHORTEST = 1e-6
"""Seconds; times are drawn and compared by their logarithm."""


class Journal:
    """A file with one JSON line for each finished run.

    Args:
        path: the file.
        resume: go on with what it holds.

    Raises:
        SpecError: the file exists, and nobody asked to go on with it.
        FileAccessError: it cannot be read or written, or holds something else.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self._lines = Lines(path, resume)
        self._results = [_parsed(path, number, line) for number, line in enumerate(self._lines.known, start=1)]

    def find(self, run: Run, shape: tuple[int, ...]) -> Result | None:
        """The result of a run, if the file had it at the start."""
        return next((result for result in self._results if result.answers(run, shape)), None)

    def add(self, result: Result) -> None:
        """Keep a result; raises `FileAccessError`."""
        self._lines.add(result.to_json())


def _parsed(path: Path, number: int, line: str) -> Result:
    try:
        return Result.from_json(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise FileAccessError(f"cannot read {path}: line {number} is not a result of a benchmark") from None


@dataclass(frozen=True)
class Results:
    """What is known after a benchmark: all results so far, and whether every run has one."""

    results: list[Result]
    complete: bool


def carry_out(
    runs: Sequence[Run], signals: dict[str, Signal], journal: Journal, tell: Callable[[str], None]
) -> Results:
    """Run what the journal does not have yet; ctrl-C ends it early and keeps what there is.

    Args:
        runs: in the order in which to do them.
        signals: by the names of the sources.
        journal: of earlier results; gets the new ones.
        tell: gets a line after each run.

    Raises:
        InrError: anything but a refusal of settings and a divergence, which are results.
    """
    results: list[Result] = []
    began, done = time.perf_counter(), 0
    try:
        for number, run in enumerate(runs, start=1):
            signal = signals[run.source]
            known = journal.find(run, signal.samples.shape)
            if known is None:
                if done == 0:
                    _warm_up(run, signal)
                    began = time.perf_counter()
                known = measure(run, signal)
                journal.add(known)
                done += 1
                left = (time.perf_counter() - began) / done * (len(runs) - number)
                tell(f"{number}/{len(runs)} {_told(known)}; about {left / 60:.0f} min left")
            results.append(known)
    except KeyboardInterrupt:
        return Results(results, complete=False)
    return Results(results, complete=True)


def measure(run: Run, signal: Signal) -> Result:
    """One run: fit, decode the final field in full, compare."""
    begin = Result(
        group=run.group,
        case=run.case,
        source=run.source,
        seed=run.fit.seed,
        shape=signal.samples.shape,
        fit=run.fit.model_dump(mode="json"),
        outcome="refused",
    )
    try:
        fitted = fit(signal, run.fit)
    except (SpecError, BackendUnavailableError) as error:
        return replace(begin, reason=str(error))
    except DivergenceError as error:
        return replace(begin, outcome="diverged", reason=str(error))
    samples = decoded(fitted, run.fit.backend, run.fit.device)
    report, values = fitted.report, measures([tallied(signal, samples)], signal.meta)
    search = 0.0 if report.search is None else report.search.seconds
    return replace(
        begin,
        outcome="done",
        parameters=sum(tensor.size for tensor in fitted.tensors.values()),
        steps=report.steps,
        seconds=round(report.seconds, 6),
        search_seconds=round(search, 6),
        psnr=round(values["psnr"], 4),
        ssim=round(values.get("ssim", 0.0), 6),
        curve=Curve(
            tuple(max(round(point.seconds, 6), SHORTEST) for point in report.curve),
            tuple(point.step for point in report.curve),
            tuple(round(point.psnr, 4) for point in report.curve),
        ),
    )


def decoded(fitted: TrainedNetwork, backend: str, device: str) -> Samples:
    """Samples of a field on its own grid, from the stored tensors alone."""
    *_, field = open_tensors(fitted.model, fitted.tensors, fitted.domain, fitted.channels, backend, device)
    return render(field, fitted.domain, fitted.meta, fitted.channels)


def _warm_up(run: Run, signal: Signal) -> None:
    try:
        fit(signal, FitSpec(model=run.fit.model, budget=WARM_UP, backend=run.fit.backend, device=run.fit.device))
    except (SpecError, BackendUnavailableError, DivergenceError):
        return  # the run itself will say so


def _told(result: Result) -> str:
    names = (result.group, result.case, result.source, f"seed {result.seed}")
    name = " ".join(dict.fromkeys(part for part in names if part))
    if result.outcome != "done":
        return f"{name}: {result.outcome}: {result.reason}"
    return f"{name}: {result.psnr:.2f} dB, {result.steps} steps in {result.seconds:.1f} s"
