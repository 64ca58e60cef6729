"""`inr bench kernels`. Imports happen inside the command, so that `inr --help` starts without torch."""

from pathlib import Path
from typing import Annotated

import typer

from inr.bench.options import Out, Quiet, chosen, make_folder
from inr.cli.options import Json, Threads
from inr.cli.terminal import say, say_json, warn

_FITS = ("fit", "memory")
"""What is measured with images."""


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
    step_count: Annotated[int, typer.Option("--steps", min=1, help="Steps of each fit.")] = 1000,
    seeds: Annotated[int, typer.Option(min=1, help="Fits of each image with each backend.")] = 1,
    out: Out = Path("bench"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The compiled kernels beside PyTorch, by turns: training steps, decodes, whole fits; ceilings of the machine."""
    from inr.bench import data
    from inr.bench.kernels import fits, report, steps
    from inr.bench.kernels.networks import CASES
    from inr.bench.kernels.rivals import EAGER, RIVALS

    names = [*chosen("only", only, [*CASES, *_FITS], list(CASES)), *(_FITS if fit else ())]
    method = steps.Method(
        repeats, seconds, (EAGER, *RIVALS) if rivals else (EAGER,), precision, steps.thread_count(threads)
    )
    paths = data.image_paths(images or [], data.IMAGES[-1:]) if {*names} & {*_FITS} else []
    signals = data.images(paths, None) if paths else {}
    make_folder(out)

    def tell(text: str) -> None:
        if not quiet:
            warn(f"bench kernels: {text}")

    measured = steps.measure({name: CASES[name] for name in names if name in CASES}, method, tell)
    fitted = fits.measure_fits(signals, step_count, seeds, method, tell) if "fit" in names else []
    memory = fits.measure_memory(paths, method, tell) if "memory" in names else []
    settings = {"cases": names, **steps.told(method), "sources": list(signals), "steps": step_count, "seeds": seeds}
    told = report.Told(settings, measured, fitted, memory)
    written = report.write(told, out)
    if as_json:
        say_json(report.document(told))
    else:
        say(*report.tables(told).split("\n"), ", ".join(str(path) for path in written))
