"""`inr bench`: argument parsing only; each command plans runs, has them carried out and writes the report.

Imports happen inside the commands, so that `inr --help` starts without torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.cli.options import BackendName, Device, Json, Threads, takes
from inr.cli.terminal import say, say_json, warn
from inr.errors import FileAccessError, FitCancelledError, MissingDependencyError, SpecError
from inr.files import reason

if TYPE_CHECKING:
    from inr.bench.cases import Run
    from inr.bench.plans import Conditions
    from inr.bench.report import Report
    from inr.bench.run import Results
    from inr.signals.signal import Signal

app = typer.Typer(help="Compare models, initialisers and samplers; load the service.", rich_markup_mode=None)

Images = Annotated[
    list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="Image files; default: six from the folder INR_DATA.")
]
Seconds = Annotated[float, typer.Option(help="Training time of each fit.")]
Steps = Annotated[int | None, typer.Option(help="Steps of each fit, instead of seconds.")]
Models = Annotated[str | None, typer.Option(help="Kinds of models, separated by commas.")]
Size = Annotated[int | None, typer.Option(min=2, help="Side of the square to cut from the middle of each image.")]
Seeds = Annotated[int, typer.Option(min=1, help="Seeds of each case: 0, 1, ...")]
_FITS = ("fit", "memory")
"""What `kernels` measures with images."""


@dataclass(frozen=True)
class BenchOptions:
    """What every benchmark is told."""

    parameters: Annotated[int, typer.Option(min=1, help="Parameters of each model, at most.")] = 200_000
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench")
    resume: Annotated[bool, typer.Option("--resume", help="Skip the runs that the folder has results of.")] = False
    backend: BackendName = "auto"
    device: Device = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False


@app.command()
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
    from inr.bench import plans, report, sources
    from inr.models.base import MODELS

    chosen = _chosen("models", models, MODELS.kinds(), MODELS.kinds())
    conditions = _conditions(seconds, steps, seeds, options)
    signals = sources.images(images or [], size)
    runs = plans.zoo(signals, conditions, chosen)
    _perform("zoo", runs, signals, conditions, report.standard, options, models=chosen)


@app.command()
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
    from inr.bench import plans, report, sources
    from inr.inits.base import INITS
    from inr.models.base import MODELS

    chosen = _chosen("models", models, MODELS.kinds(), [])
    compared = _with_baseline("default", _chosen("inits", kinds, INITS.kinds(), INITS.kinds()))
    conditions = _conditions(seconds, steps, seeds, options)
    signals = sources.images(images or [], size)
    runs = plans.inits(signals, conditions, chosen, compared)
    _perform("inits", runs, signals, conditions, report.standard, options, models=chosen, inits=compared)


@app.command()
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
    from inr.bench import plans, report, sources
    from inr.models.base import MODELS
    from inr.samplers.base import SAMPLERS

    chosen = _chosen("models", models, MODELS.kinds(), [])
    compared = _with_baseline("uniform", _chosen("samplers", kinds, SAMPLERS.kinds(), SAMPLERS.kinds()))
    conditions = _conditions(seconds, steps, seeds, options)
    signals = sources.images(images or [], size)
    runs = plans.samplers(signals, conditions, chosen, compared)
    _perform("samplers", runs, signals, conditions, report.standard, options, models=chosen, samplers=compared)


@app.command()
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
    from inr.bench import plans, sources
    from inr.bench.rates import report
    from inr.models.base import MODELS

    if points % 2 == 0:
        raise SpecError(f"--points: an odd number, for as many rates below the present one as above; got {points}")
    chosen = _chosen("models", models, MODELS.kinds(), MODELS.kinds())
    conditions = _conditions(None, steps, seeds, options)
    signals = sources.images_or_clips(images or [], size, frames, sources.IMAGES[:1])
    runs = plans.rates(signals, conditions, chosen, plans.geometric(points, factor), sampler)
    _perform("rates", runs, signals, conditions, report, options, models=chosen, sampler=sampler)


@app.command()
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
) -> None:
    """F-INR against SIREN on clips: PSNR at equal time, and time to equal PSNR."""
    from inr.bench import sources
    from inr.bench.video import plan, report

    conditions = _conditions(seconds, None, seeds, options)
    signals = sources.clips(clips or [], frames, _width_height(size))
    runs = plan(signals, conditions, halvings)
    _perform("video", runs, signals, conditions, report, options, halvings=halvings)


@app.command()
def service(
    image: Annotated[Path | None, typer.Argument(help="Default: one from the folder INR_DATA.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="About what each fit takes.")] = 15.0,
    repeats: Annotated[int, typer.Option(min=1, help="Fits through the service, and as many in process.")] = 7,
    upload_mib: Annotated[int, typer.Option(min=1, help="Size of the large upload.")] = 2048,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Json = False,
) -> None:
    """The service under load, beside the library: overhead of a fit, watchers, lists, uploads, health checks."""
    from inr.bench import sources

    try:
        from inr.bench.service import document, measure, table, write
    except ImportError as error:
        raise MissingDependencyError(f"the service needs {error.name}: pip install 'inr[client,server]'") from None

    _make(out)
    [(name, signal)] = sources.images([image] if image else [], None, sources.IMAGES[-1:]).items()
    findings = measure(signal, seconds, repeats, upload_mib * 2**20, lambda text: None if quiet else warn(text))
    settings = {"source": name, "seconds": seconds, "repeats": repeats}
    written = write(findings, settings, out)
    if as_json:
        say_json(document(findings, settings))
    else:
        say(f"{table(findings)}\n{', '.join(str(path) for path in written)}")


@app.command()
def kernels(
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="What is fitted; default: kodim23 of INR_DATA.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Cases, separated by commas; also fit and memory. Default: all but these two.")
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Fit images as well, and measure the memory of it.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of each candidate.")] = 9,
    seconds: Annotated[float, typer.Option(min=0, help="Length of a turn, at least.")] = 0.2,
    rivals: Annotated[bool, typer.Option(help="Run PyTorch's faster modes too; compiling takes minutes.")] = True,
    precision: Annotated[str, typer.Option(help="Of matrix products in the kernels: auto, fp32 or bf16.")] = "auto",
    threads: Threads = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each fit.")] = 1000,
    seeds: Annotated[int, typer.Option(min=1, help="Fits of each image with each backend.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Json = False,
) -> None:
    """The compiled kernels beside PyTorch, by turns: training steps, decodes, whole fits; ceilings of the machine."""
    from inr.bench import kernel_fits, kernel_report, sources
    from inr.bench import kernels as bench
    from inr.bench.kernel_cases import CASES
    from inr.bench.kernel_rivals import EAGER, RIVALS

    chosen = _chosen("only", only, [*CASES, *_FITS], list(CASES))
    names = [*chosen, *(_FITS if fit else ())]
    method = bench.Method(
        repeats, seconds, (EAGER, *RIVALS) if rivals else (EAGER,), precision, bench.thread_count(threads)
    )
    paths = sources.image_paths(images or [], sources.IMAGES[-1:]) if {*names} & {*_FITS} else []
    signals = sources.images(paths, None) if paths else {}
    _make(out)

    def tell(text: str) -> None:
        if not quiet:
            warn(f"bench kernels: {text}")

    measured = bench.measure({name: CASES[name] for name in names if name in CASES}, method, tell)
    fits = kernel_fits.measure_fits(signals, steps, seeds, method, tell) if "fit" in names else []
    memory = kernel_fits.measure_memory(paths, method, tell) if "memory" in names else []
    settings = {"cases": names, **bench.told(method), "sources": list(signals), "steps": steps, "seeds": seeds}
    report = kernel_report.Told(settings, measured, fits, memory)
    written = kernel_report.write(report, out)
    if as_json:
        say_json(kernel_report.document(report))
    else:
        say(f"{kernel_report.tables(report)}\n{', '.join(str(path) for path in written)}")


def _conditions(seconds: float | None, steps: int | None, seeds: int, options: BenchOptions) -> "Conditions":
    from inr.bench.plans import Conditions
    from inr.bench.plot import require_matplotlib
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
    from inr.bench.report import document, table_of, write
    from inr.bench.run import Journal, carry_out

    out = options.out
    _make(out)
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
            say(table_of(told).rstrip("\n"))
            say("\n" + ", ".join(str(path) for path in written))
    if not found.complete:
        count = f"{len(found.results)} of {len(runs)} runs"
        raise FitCancelledError(f"interrupted after {count}; {out / name}.jsonl keeps them, --resume goes on")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileAccessError(f"cannot make the folder {folder}: {reason(error)}") from None


def _chosen(option: str, text: str | None, known: list[str], default: list[str]) -> list[str]:
    """Names separated by commas, each once; raises `SpecError` for one that is not known."""
    if text is None:
        return default
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in known:
            raise SpecError(f"--{option}: unknown {name!r}; known: {', '.join(known)}")
    return names


def _with_baseline(baseline: str, kinds: list[str]) -> list[str]:
    """The kinds to compare, after what they are compared with."""
    return [baseline, *(kind for kind in kinds if kind != baseline)]


def _width_height(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise SpecError(f"--size takes WIDTHxHEIGHT in whole numbers; got {text!r}")
    return int(width), int(height)
