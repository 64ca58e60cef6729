"""`inr compress` and `inr fit`. Imports happen inside the commands, so that `inr --help` starts without torch."""

import os
from pathlib import Path
from typing import Annotated

import typer

from inr.cli.options import CompressOptions, FitOptions, Json, takes
from inr.cli.terminal import check_one_output, following, quality_text, say, say_json, say_report, write_curve
from inr.errors import SpecError
from inr.files import check_writable, is_standard_output

SOURCE = "Image, video, folder of frames or .npy; - is standard input."


@takes(CompressOptions)
def compress(
    source: Annotated[str, typer.Argument(metavar="IN", help=SOURCE)],
    output: Annotated[str, typer.Argument(metavar="OUT.inr", help="File to write, or - for standard output.")],
    options: CompressOptions,
    as_json: Json = False,
) -> None:
    """Fit a picture, a video or an array and write it as a .inr file."""
    check_one_output(output, as_json)
    request = options.request()
    from inr.codec import compress as codec

    with following(options.quiet, options.checkpoint) as hooks:
        result = codec.compress(source, output, hooks, **request)
    say_report(result.report, output, as_json)


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
    from inr.codec import compress as codec

    if curve is not None:
        check_writable(curve)
        if output is not None and os.path.realpath(output) == os.path.realpath(curve):
            raise SpecError(f"--curve and the output are the same file {output}; name another")
    with following(options.quiet, options.checkpoint) as hooks:
        result = codec.fit_file(source, output, hooks, bits=bits, stop_at_psnr=psnr, **request)
    if curve is not None:
        write_curve(curve, result.curve)
    if as_json:
        say_json(result)
    elif not is_standard_output(output):
        say(
            f"{result.model} of {result.parameters} parameters: {quality_text(result.metrics)} "
            f"after {result.steps} steps, {result.seconds_fit:.1f} s"
        )
