"""`inr bench codec`. Imports happen inside the command, so that `inr --help` starts without torch."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inr.bench.options import Out, Quiet, chosen, make_folder
from inr.cli.options import Json, Threads, takes
from inr.cli.terminal import say, say_json, warn
from inr.errors import FitCancelledError, SpecError

if TYPE_CHECKING:
    from inr.bench.codec.base import Codec


@dataclass(frozen=True)
class CodecOptions:
    """What the benchmark is told."""

    lambdas: Annotated[
        str | None, typer.Option(help="Of the points, separated by commas. Default: six, 1.4 to 0.1 bpp of a photo.")
    ] = None
    presets: Annotated[str, typer.Option("--preset", help="Of the coder latent; several separated by commas.")] = (
        "default"
    )
    steps: Annotated[int | None, typer.Option(min=1, help="Iterations, instead of the preset's.")] = None
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0
    rivals: Annotated[str, typer.Option(help="Of jpeg, webp and avif, separated by commas; or none.")] = (
        "jpeg,webp,avif"
    )
    published: Annotated[
        Path | None, typer.Option(help="CSV with points of others: columns codec, image_or_mean, bpp, psnr_rgb.")
    ] = None
    published_codec: Annotated[str, typer.Option(help="Which codec of that file.")] = "cool-chic-5.0"
    repeats: Annotated[int, typer.Option(min=1, help="Times each file is decoded.")] = 3
    timed: Annotated[bool, typer.Option(help="Keep seconds, which a busy machine makes worthless.")] = True
    figure: Annotated[bool, typer.Option(help="Draw the curves.")] = True
    threads: Threads = None
    out: Out = Path("bench")
    resume: Annotated[bool, typer.Option("--resume", help="Take points that codec.csv has from there.")] = False
    quiet: Quiet = False
    as_json: Json = False


@takes(CodecOptions)
def codec(
    options: CodecOptions,
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="Default: eight photos of Kodak from INR_DATA.")
    ] = None,
) -> None:
    """Files of the coder latent beside JPEG, WebP and AVIF: bytes, PSNR, BD-rate, seconds."""
    from inr.bench import data
    from inr.bench.codec import measure, report
    from inr.bench.codec.points import PointFile
    from inr.bench.codec.published import load_table
    from inr.bench.kernels.steps import thread_count
    from inr.bench.plot import require_matplotlib

    if options.figure:
        require_matplotlib()
    threads = thread_count(options.threads)
    own, rivals = _own(options), _rivals(options.rivals, threads)
    table = None if options.published is None else load_table(options.published, options.published_codec)
    pictures = [measure.load_picture(path) for path in data.distinct(data.image_paths(images or [], data.KODAK))]
    make_folder(options.out)
    kept = PointFile(options.out / "codec.csv", options.resume)
    settings = {
        "pictures": {picture.name: [*picture.signal.samples.shape, picture.hash] for picture in pictures},
        "steps": options.steps,
        "seed": options.seed,
        "threads": threads,
        "decodes": options.repeats,
        "load_at_start": measure.load_average(),
        "published": None if table is None else f"{table.codec} of {Path(str(options.published)).name}",
    }
    method = measure.Method(options.repeats, threads, options.timed)
    found = measure.carry_out(
        [*rivals, *own], pictures, kept, method, lambda line: None if options.quiet else warn(f"bench codec: {line}")
    )
    told = report.Told(settings, found, [one.name for one in own], [one.name for one in rivals], table)
    written = report.write(told, options.out, options.figure)
    if options.as_json:
        say_json(report.document(told))
    else:
        say(*report.text(told).rstrip("\n").split("\n"), "", ", ".join(str(path) for path in [kept.path, *written]))
    if not found.complete:
        raise FitCancelledError(
            f"interrupted after {len(found.points)} points; {kept.path} keeps them, --resume goes on"
        )


def _own(options: CodecOptions) -> "list[Codec]":
    """The coder at each preset; raises `SpecError` or `UnknownComponentError`."""
    from inr.bench.codec.own import LAMBDAS, Own

    values = LAMBDAS if options.lambdas is None else _lambdas(options.lambdas)
    presets = dict.fromkeys(name.strip() for name in options.presets.split(","))
    return [Own(name, options.steps, options.seed, values, options.threads) for name in presets]


def _rivals(names: str, threads: int) -> "list[Codec]":
    from inr.bench.codec.rivals import RIVALS

    known = [] if names == "none" else chosen("rivals", names, list(RIVALS), [])
    return [RIVALS[name](threads) for name in known]


def _lambdas(text: str) -> tuple[float, ...]:
    """Numbers within 0 to 1, separated by commas; raises `SpecError`."""
    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = [math.nan]
    if not found or not all(0 < number < 1 for number in found):
        raise SpecError(f"--lambdas takes numbers above 0 and under 1, separated by commas; got {text!r}")
    return tuple(dict.fromkeys(found))
