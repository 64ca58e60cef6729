"""`inr bench zoo`, `inits`, `samplers`, `rates`, `video`: each plans runs, has them carried out and writes the report.

`readme` writes their tables into the README. Imports happen inside the commands, so that `inr --help` starts without
torch.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.bench.options import Images, Out, Quiet, Seeds, chosen, make_folder
from inr.cli.options import BackendName, Device, Time, takes, time_range
from inr.cli.terminal import say, say_json, warn
from inr.errors import FitCancelledError, SpecError

if TYPE_CHECKING:
    from inr.bench.measure import Results
    from inr.bench.results import Run
    from inr.bench.zoo.comparisons import Conditions
    from inr.bench.zoo.report import Report
    from inr.signals.signal import Signal

Seconds = Annotated[float, typer.Option(help="Training time of each fit.")]
Steps = Annotated[int | None, typer.Option(help="Steps of each fit, instead of seconds.")]
Models = Annotated[str | None, typer.Option(help="Kinds of models, separated by commas.")]
Size = Annotated[int | None, typer.Option(min=2, help="Side of the square to cut from the middle of each image.")]


@dataclass(frozen=True)
class BenchOptions:
    """What every benchmark is told."""

    parameters: Annotated[int, typer.Option(min=1, help="Parameters of each model, at most.")] = 200_000
    out: Out = Path("bench")
    resume: Annotated[bool, typer.Option("--resume", help="Skip the runs that the folder has results of.")] = False
    backend: BackendName = "auto"
    device: Device = "auto"
    quiet: Quiet = False
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False


@takes(BenchOptions)
def zoo(
    options: BenchOptions,
    images: Images = None,
    models: Models = None,
    seconds: Seconds = 60.0,
    steps: Steps = None,
    seeds: Seeds = 3,
    size: Size = None,
) -> None:
    """Fit every model with as many parameters and as much time as every other."""
    from inr.bench import data
    from inr.bench.zoo import comparisons, report
    from inr.models.base import MODELS

    names = chosen("models", models, MODELS.kinds(), MODELS.kinds())
    conditions = _conditions(seconds, steps, seeds, options)
    signals = data.images(images or [], size)
    runs = comparisons.zoo(signals, conditions, names)
    _perform("zoo", runs, signals, conditions, report.standard, options, models=names)


@takes(BenchOptions)
def inits(
    options: BenchOptions,
    images: Images = None,
    models: Models = "siren,gauss",
    kinds: Annotated[str | None, typer.Option("--inits", help="Kinds of initialisers; default: all.")] = None,
    seconds: Seconds = 60.0,
    steps: Steps = None,
    seeds: Seeds = 3,
    size: Size = None,
) -> None:
    """Fit models from every initialisation; the time of a search counts."""
    from inr.bench import data
    from inr.bench.zoo import comparisons, report
    from inr.inits.base import INITS
    from inr.models.base import MODELS

    names = chosen("models", models, MODELS.kinds(), [])
    compared = _with_baseline("default", chosen("inits", kinds, INITS.kinds(), INITS.kinds()))
    conditions = _conditions(seconds, steps, seeds, options)
    signals = data.images(images or [], size)
    runs = comparisons.inits(signals, conditions, names, compared)
    _perform("inits", runs, signals, conditions, report.standard, options, models=names, inits=compared)


@takes(BenchOptions)
def samplers(
    options: BenchOptions,
    images: Images = None,
    models: Models = "siren,gauss",
    kinds: Annotated[str | None, typer.Option("--samplers", help="Kinds of samplers; default: all.")] = None,
    seconds: Seconds = 60.0,
    steps: Steps = None,
    seeds: Seeds = 3,
    size: Size = None,
) -> None:
    """Fit models with every sampler: on uniform mini-batches, full batches, by residuals rolling and as published."""
    from inr.bench import data
    from inr.bench.zoo import comparisons, report
    from inr.models.base import MODELS
    from inr.samplers.base import SAMPLERS

    names = chosen("models", models, MODELS.kinds(), [])
    compared = _with_baseline("uniform", chosen("samplers", kinds, SAMPLERS.kinds(), SAMPLERS.kinds()))
    conditions = _conditions(seconds, steps, seeds, options)
    signals = data.images(images or [], size)
    runs = comparisons.samplers(signals, conditions, names, compared)
    _perform("samplers", runs, signals, conditions, report.standard, options, models=names, samplers=compared)


@takes(BenchOptions)
def rates(
    options: BenchOptions,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Images, or clips; default: one image from the folder INR_DATA."),
    ] = None,
    models: Models = None,
    points: Annotated[int, typer.Option(min=3, help="Rates of each model, an odd number.")] = 5,
    factor: Annotated[float, typer.Option(min=1.01, help="From one rate to the next.")] = 2.0,
    sampler: Annotated[str, typer.Option(help="Kind of sampler.")] = "uniform",
    steps: Annotated[int, typer.Option(min=1, help="Steps of each fit.")] = 500,
    seeds: Seeds = 1,
    size: Size = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each clip.")] = 16,
) -> None:
    """Look for better learning rates around those that the models have, at equal steps."""
    from inr.bench import data
    from inr.bench.zoo import comparisons
    from inr.bench.zoo.learning_rates import report
    from inr.models.base import MODELS

    if points % 2 == 0:
        raise SpecError(f"--points: an odd number, for as many rates below the present one as above; got {points}")
    names = chosen("models", models, MODELS.kinds(), MODELS.kinds())
    conditions = _conditions(None, steps, seeds, options)
    signals = data.images_or_clips(images or [], size, frames, data.IMAGES[:1])
    runs = comparisons.rates(signals, conditions, names, comparisons.geometric(points, factor), sampler)
    _perform("rates", runs, signals, conditions, report, options, models=names, sampler=sampler)


@takes(BenchOptions)
def video(
    options: BenchOptions,
    clips: Annotated[
        list[Path] | None, typer.Argument(metavar="[CLIP]...", help="Clips; default: two from the folder INR_DATA.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Training time of the longest fit of each method.")] = 300.0,
    halvings: Annotated[int, typer.Option(min=0, max=12, help="Shorter fits: a half, a quarter, ... of it.")] = 5,
    seeds: Seeds = 1,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each clip.")] = 16,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT to resample the frames to.")] = None,
    files: Annotated[
        bool, typer.Option("--files", help="Compress the clips instead, as they are, and x264 beside that.")
    ] = False,
    rates: Annotated[str, typer.Option(help="With --files: bits a pixel beside the default.")] = "0.02,0.05,0.2,0.5",
    preset: Annotated[str, typer.Option(help="With --files: see `inr presets`.")] = "default",
    time: Time = None,
) -> None:
    """F-INR against SIREN on clips: PSNR at equal time, and time to equal PSNR; or files beside those of x264."""
    from inr.bench import data

    if files:
        _files(data.clip_paths(clips or []), preset, _numbers("rates", rates), time_range(time), options)
        return
    if time is not None:
        raise SpecError("--time: goes with --files; fits take the first --frames")
    from inr.bench.zoo.video import plan, report

    conditions = _conditions(seconds, None, seeds, options)
    signals = data.clips(clips or [], frames, _width_height(size))
    runs = plan(signals, conditions, halvings)
    _perform("video", runs, signals, conditions, report, options, halvings=halvings)


def _files(
    paths: list[Path], preset: str, rates: list[float], part: tuple[float, float] | None, options: BenchOptions
) -> None:
    """Make files of clips, write and print the comparison."""
    from inr.bench.documents import Lines
    from inr.bench.zoo import files

    make_folder(options.out)
    kept = Lines(options.out / "video_files.jsonl", options.resume)
    found = files.made(
        paths, preset, rates, part, kept, lambda text: None if options.quiet else warn(f"bench video: {text}")
    )
    rows = files.beside(found)
    written = files.write(rows, found, {"preset": preset, "rates": rates, "time": part}, options.out)
    if options.as_json:
        say_json({"compared": [asdict(row) for row in rows]})
    else:
        say(*files.table(rows).rstrip("\n").split("\n"))
        say("", ", ".join(str(path) for path in written))


def readme(
    file: Annotated[Path, typer.Argument(help="The file with the tables.")] = Path("README.md"),
    results: Annotated[Path, typer.Option(help="Folder with zoo.json, inits.json and samplers.json.")] = Path(
        "docs/benchmarks"
    ),
    check: Annotated[bool, typer.Option("--check", help="Only look; exit code 1 if a table is out of date.")] = False,
) -> None:
    """Write the tables of the README from the results of the benchmarks."""
    from inr.bench.zoo.readme import write
    from inr.errors import InrError

    if write(file, results, check):
        say(f"{file}: up to date with {results}")
    elif check:
        raise InrError(f"{file}: tables differ from {results}; `inr bench readme` writes them")
    else:
        say(f"{file}: tables written from {results}")


def _conditions(seconds: float | None, steps: int | None, seeds: int, options: BenchOptions) -> "Conditions":
    from inr.bench.plot import require_matplotlib
    from inr.bench.zoo.comparisons import Conditions
    from inr.fitting.spec import Budget

    require_matplotlib()
    budget = Budget(seconds=seconds) if steps is None else Budget(steps=steps)
    device: Any = options.device  # checked by the fit
    return Conditions(budget, options.parameters, seeds, options.backend, device)


def _perform(
    name: str,
    runs: "list[Run]",
    signals: "dict[str, Signal]",
    conditions: "Conditions",
    report: "Callable[[str, dict[str, Any], Results], Report]",
    options: BenchOptions,
    **compared: Any,
) -> None:
    """Carry out the runs, write and print the report; raises `FitCancelledError` after ctrl-C."""
    from inr.bench.measure import Journal, carry_out
    from inr.bench.zoo.report import document, table_of, write

    out = options.out
    make_folder(out)
    journal = Journal(out / f"{name}.jsonl", options.resume)
    found = carry_out(runs, signals, journal, lambda text: None if options.quiet else warn(f"bench {name}: {text}"))
    settings = {
        "seconds": conditions.budget.seconds,
        "steps": conditions.budget.steps,
        "parameters": conditions.parameters,
        "seeds": conditions.seeds,
        "backend": conditions.backend,
        "device": conditions.device,
        "sources": {source: list(signal.samples.shape) for source, signal in signals.items()},
        **compared,
    }
    if found.results:
        told = report(name, settings, found)
        written = write(told, out)
        if options.as_json:
            say_json(document(told))
        else:
            say(*table_of(told).rstrip("\n").split("\n"))
            say("", ", ".join(str(path) for path in written))
    if not found.complete:
        count = f"{len(found.results)} of {len(runs)} runs"
        raise FitCancelledError(f"interrupted after {count}; {out / name}.jsonl keeps them, --resume goes on")


def _with_baseline(baseline: str, kinds: list[str]) -> list[str]:
    """The kinds to compare, after what they are compared with."""
    return [baseline, *(kind for kind in kinds if kind != baseline)]


def _numbers(option: str, text: str) -> list[float]:
    """Numbers above 0, separated by commas; raises `SpecError`."""
    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = [math.nan]
    if not all(0 < number < math.inf for number in found):
        raise SpecError(f"--{option} takes numbers above 0, separated by commas; got {text!r}")
    return list(dict.fromkeys(found))


def _width_height(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise SpecError(f"--size takes WIDTHxHEIGHT in whole numbers; got {text!r}")
    return int(width), int(height)


COMMANDS = (zoo, inits, samplers, rates, video, readme)
