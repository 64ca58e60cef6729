"""`inr bench codec`. Imports happen inside the command, so that `inr --help` starts without torch."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inr.bench.options import Out, Quiet, chosen, make_folder
from inr.cli.options import Json, Threads
from inr.cli.terminal import say, say_json, warn
from inr.errors import FitCancelledError, SpecError

if TYPE_CHECKING:
    from inr.bench.codec.base import Codec

COOL_CHIC = "cool-chic-5.0"


def codec(
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="Default: eight photos of Kodak from INR_DATA.")
    ] = None,
    lambdas: Annotated[
        str | None, typer.Option(help="Of the points, separated by commas. Default: six, 1.4 to 0.1 bpp of a photo.")
    ] = None,
    presets: Annotated[
        str, typer.Option("--preset", help="Of the coder latent; several separated by commas.")
    ] = "default",
    steps: Annotated[int | None, typer.Option(min=1, help="Iterations, instead of the preset's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    rivals: Annotated[
        str, typer.Option(help="Of jpeg, webp and avif, separated by commas; none for none.")
    ] = "jpeg,webp,avif",
    published: Annotated[
        Path | None, typer.Option(help="CSV with points of others: columns codec, image_or_mean, bpp, psnr_rgb.")
    ] = None,
    published_codec: Annotated[str, typer.Option(help="Which codec of that file.")] = COOL_CHIC,
    repeats: Annotated[int, typer.Option(min=1, help="Times each file is decoded.")] = 3,
    timed: Annotated[bool, typer.Option(help="Keep seconds, which a busy machine makes worthless.")] = True,
    figure: Annotated[bool, typer.Option(help="Draw the curves.")] = True,
    threads: Threads = None,
    out: Out = Path("bench"),
    resume: Annotated[bool, typer.Option("--resume", help="Take points that codec.csv has from there.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Files of the coder latent beside JPEG, WebP and AVIF: bytes, PSNR, BD-rate, seconds."""
    from inr.bench import data
    from inr.bench.codec import measure, report
    from inr.bench.codec.points import PointFile
    from inr.bench.codec.published import load_table
    from inr.bench.kernels.steps import thread_count
    from inr.bench.plot import require_matplotlib

    if figure:
        require_matplotlib()
    count = thread_count(threads)
    own = _own(presets, steps, seed, lambdas, threads)
    others = _rivals(rivals, count)
    table = None if published is None else load_table(published, published_codec)
    pictures = [measure.load_picture(path) for path in data.distinct(data.image_paths(images or [], data.KODAK))]
    make_folder(out)
    kept = PointFile(out / "codec.csv", resume)
    settings = {
        "pictures": {picture.name: [*picture.signal.samples.shape, picture.hash] for picture in pictures},
        "steps": steps,
        "seed": seed,
        "threads": count,
        "decodes": repeats,
        "load_at_start": measure.load_average(),
        "published": None if table is None else f"{table.codec} of {Path(str(published)).name}",
    }
    method = measure.Method(repeats, count, timed)
    found = measure.carry_out(
        [*others, *own], pictures, kept, method, lambda line: None if quiet else warn(f"bench codec: {line}")
    )
    told = report.Told(settings, found, [one.name for one in own], [one.name for one in others], table)
    written = report.write(told, out, figure)
    if as_json:
        say_json(report.document(told))
    else:
        say(*report.text(told).rstrip("\n").split("\n"), "", ", ".join(str(path) for path in [kept.path, *written]))
    if not found.complete:
        raise FitCancelledError(
            f"interrupted after {len(found.points)} points; {kept.path} keeps them, --resume goes on"
        )


def _own(presets: str, steps: int | None, seed: int, lambdas: str | None, threads: int | None) -> "list[Codec]":
    """The coder at each preset; raises `SpecError` or `UnknownComponentError`."""
    from inr.bench.codec.own import LAMBDAS, Own

    values = LAMBDAS if lambdas is None else _lambdas(lambdas)
    return [Own(name.strip(), steps, seed, values, threads) for name in dict.fromkeys(presets.split(","))]


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
