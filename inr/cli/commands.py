"""The sub-commands: argument parsing only; each calls one public function.

Imports happen inside the commands, so that `inr --help` starts without torch.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from inr.bench.commands import app as bench
from inr.cli import jobs as remote
from inr.cli.options import BackendName, Device, FitOptions, Json, Segment, Threads, Time, takes, time_range
from inr.cli.terminal import (
    check_one_output,
    compact,
    following,
    say,
    say_file,
    say_json,
    say_report,
    shape_text,
    ssim_text,
    warn,
    write_curve,
)
from inr.errors import SpecError
from inr.files import check_writable

app = typer.Typer(
    help="A neural field compressor: pictures, videos and arrays to small .inr files and back at any size.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(bench, name="bench")

SOURCE = "Image, video, folder of frames or .npy; - reads an image or .npy."


@app.command()
@takes(FitOptions)
def compress(
    source: Annotated[str, typer.Argument(metavar="IN", help=SOURCE)],
    output: Annotated[str, typer.Argument(metavar="OUT.inr", help="File to write, or - for standard output.")],
    options: FitOptions,
    bpp: Annotated[float | None, typer.Option(help="Target: bits per pixel of the file.")] = None,
    psnr: Annotated[float | None, typer.Option(help="Target: PSNR of the decoded file in dB.")] = None,
    size: Annotated[int | None, typer.Option(help="Target: bytes of the file, at most.")] = None,
    quality: Annotated[int | None, typer.Option(help="Target: 1 to 100.")] = None,
    bits: Annotated[float | None, typer.Option(help="Bits a weight: 1 to 12; 16 or 32 store floats.")] = None,
    layers: Annotated[int, typer.Option(help="Quality layers, 1 to 8.")] = 1,
    segment: Segment = None,
    as_json: Json = False,
) -> None:
    """Fit a picture, a video or an array and write it as a .inr file."""
    check_one_output(output, as_json)
    request = options.request()
    from inr.codec import api

    targets: dict[str, Any] = {"bpp": bpp, "psnr": psnr, "size": size, "quality": quality}
    with following(options.quiet, options.checkpoint) as hooks:
        result = api.compress(source, output, hooks, segment=segment, bits=bits, layers=layers, **targets, **request)
    say_report(result.report, output, as_json)


@app.command()
def decompress(
    source: Annotated[str, typer.Argument(metavar="IN.inr", help=".inr file, or - for standard input.")],
    output: Annotated[
        str,
        typer.Argument(metavar="OUT", help="Image, video, .npy, or a folder for frames; - is standard output."),
    ],
    scale: Annotated[float | None, typer.Option(help="Factor of the sides.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT, or AxBxC of an array, instead of a scale.")] = None,
    region: Annotated[
        str | None, typer.Option(help="X,Y,WIDTH,HEIGHT in pixels; of an array first all starts, then all counts.")
    ] = None,
    time: Time = None,
    frame_rate: Annotated[float | None, typer.Option("--fps", help="Frames a second of a video.")] = None,
    layers: Annotated[int | None, typer.Option(help="Use only the first quality layers.")] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Use only the first bytes of the file.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Decode what is intact of a damaged file.")] = False,
    backend: BackendName = "auto",
    device: Device = "auto",
    threads: Threads = None,
    precision: Annotated[str, typer.Option(help="fp32; bf16 is faster and less exact if the CPU has AMX.")] = "fp32",
    as_json: Json = False,
) -> None:
    """Decode a .inr file into a picture, a video or an array of any size."""
    check_one_output(output, as_json)
    sides = None if size is None else _integers("size", size, "x", "WIDTHxHEIGHT")
    window = None if region is None else _integers("region", region, ",", "X,Y,WIDTH,HEIGHT")
    seconds = time_range(time)
    from inr.codec import api

    result = api.decompress(
        source,
        output,
        scale=scale,
        size=sides,
        region=window,
        time=seconds,
        frame_rate=frame_rate,
        layers=layers,
        max_bytes=max_bytes,
        partial=partial,
        backend=backend,
        device=device,
        threads=threads,
        precision=precision,
    )
    if result.damage is not None:
        warn(f"warning: {result.damage}; decoded {result.layers} intact layers")
    if as_json:
        written = {"width": result.width, "height": result.height, "shape": result.shape}
        say_json({"output": output, **written, "layers": result.layers})
    elif output != "-":
        say(f"{output}: {shape_text(result.shape, pictures=result.width is not None)}")


@app.command()
def info(
    source: Annotated[str, typer.Argument(metavar="FILE", help=".inr file, or - for standard input.")],
    as_json: Json = False,
) -> None:
    """Describe a .inr file without decoding it."""
    say_file(source, as_json)


@app.command()
def compare(
    original: Annotated[str, typer.Argument(metavar="ORIGINAL", help="Picture, video or .npy file.")],
    other: Annotated[str, typer.Argument(metavar="FILE", help=".inr file or another file of that kind.")],
    time: Annotated[
        str | None, typer.Option("--time", help="START:END of the original video in seconds, if FILE is that part.")
    ] = None,
    as_json: Json = False,
) -> None:
    """PSNR and SSIM of a file against the original."""
    seconds = time_range(time)
    from inr.codec import api

    result = api.compare(original, other, time=seconds)
    if as_json:
        say_json(result)
    else:
        say(f"{other}: {result.psnr:.2f} dB{ssim_text(result.ssim)}, {result.bytes} bytes, {result.bpp:.3f} bpp")


@app.command()
@takes(FitOptions)
def fit(
    source: Annotated[str, typer.Argument(metavar="IN", help=SOURCE)],
    options: FitOptions,
    output: Annotated[str | None, typer.Argument(metavar="[OUT.inr]", help="File for the float weights.")] = None,
    bits: Annotated[int, typer.Option(help="32 or 16: how the file stores the floats.")] = 32,
    psnr: Annotated[float | None, typer.Option(help="Stop at this PSNR in dB.")] = None,
    curve: Annotated[Path | None, typer.Option(help="Write the curve here, as .csv or .json.")] = None,
    as_json: Json = False,
) -> None:
    """Fit a picture, a video or an array without quantisation, with the curve of the fit."""
    check_one_output(output, as_json)
    request = options.request()
    from inr.codec import api

    if curve is not None:
        check_writable(curve)
        if output is not None and os.path.realpath(output) == os.path.realpath(curve):
            raise SpecError(f"--curve and the output are the same file {output}; name another")
    with following(options.quiet, options.checkpoint) as hooks:
        result = api.fit_file(source, output, hooks, bits=bits, stop_at_psnr=psnr, **request)
    if curve is not None:
        write_curve(curve, result.curve)
    if as_json:
        say_json(result)
    elif output != "-":
        say(
            f"{result.model} of {result.parameters} parameters: {result.psnr:.2f} dB{ssim_text(result.ssim)} "
            f"after {result.steps} steps, {result.seconds_fit:.1f} s"
        )


@app.command()
def models(as_json: Json = False) -> None:
    """List the models: parameters at 2 inputs and 3 outputs, learning rate, settings, paper."""
    from inr.codec.listing import list_models

    _table(list_models(), as_json)


@app.command()
def inits(as_json: Json = False) -> None:
    """List the initialisers."""
    _components("inits", as_json)


@app.command()
def samplers(as_json: Json = False) -> None:
    """List the samplers."""
    _components("samplers", as_json)


@app.command()
def optimisers(as_json: Json = False) -> None:
    """List the optimisers."""
    _components("optimisers", as_json)


@app.command()
def schedules(as_json: Json = False) -> None:
    """List the learning-rate schedules."""
    _components("schedules", as_json)


@app.command()
def reparams(as_json: Json = False) -> None:
    """List the training-time forms of the weights."""
    _components("reparams", as_json)


@app.command()
def presets(as_json: Json = False) -> None:
    """List the presets."""
    from inr.coders.presets import PRESETS

    _table(list(PRESETS.values()), as_json)


@app.command()
def backends(as_json: Json = False) -> None:
    """List the backends, and why one is not available."""
    from inr.backends.select import describe

    _table(describe(), as_json)


def _components(what: str, as_json: bool) -> None:
    from inr.codec.listing import list_components

    _table(list_components(what), as_json)


def _table(rows: list[Any], as_json: bool) -> None:
    """Rows of dataclasses as JSON, or as one aligned line each; settings and paper on lines of their own."""
    if as_json:
        say_json(rows)
        return
    below = ("settings", "paper", "refuses")
    cells = [[str(value) for name, value in vars(row).items() if name not in below] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row, line in zip(rows, cells, strict=True):
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        if getattr(row, "settings", None):
            say(f"    {compact(row.settings)}")
        if hasattr(row, "paper"):
            say(f"    {row.paper}")
        for refusal in getattr(row, "refuses", ()):
            say(f"    not {refusal}")


def _integers(name: str, text: str, separator: str, example: str) -> tuple[int, ...]:
    """Split ``640x480`` and the like; raises `SpecError`."""
    numbers = text.lower().split(separator)
    if len(numbers) < 1 or not all(re.fullmatch("[0-9]{1,15}", n.strip()) for n in numbers):
        raise SpecError(f"--{name} takes {example} in whole numbers; got {text!r}")
    return tuple(int(n) for n in numbers)


for _command in remote.COMMANDS:  # after those that need no server, as in the help
    app.command()(_command)
