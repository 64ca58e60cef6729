"""`inr compress` and `inr fit`. Imports happen inside the commands, so that `inr --help` starts without torch."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from inr.cli.options import OUTPUT, TARGET, CompressOptions, FitOptions, Json, option, takes
from inr.cli.several import Force, OutDir, in_turn, named, one_pair
from inr.cli.terminal import (
    check_curve,
    check_one_output,
    compressed_fields,
    following,
    quality_text,
    say,
    say_compressed,
    say_json,
    warn_if_larger,
    write_curve,
)
from inr.errors import FileAccessError, SpecError
from inr.files import check_writable, is_same, is_standard_output

SOURCE = "Image, video, folder of frames or .npy; - is standard input."


@takes(CompressOptions)
def compress(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="IN OUT.inr", help=f"{SOURCE} OUT.inr may be -; with --out-dir all are inputs."),
    ],
    options: CompressOptions,
    out_dir: OutDir = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Fit pictures, videos and arrays and write them as .inr files."""
    request = options.request()
    if out_dir is None:
        source, output = one_pair(paths, "OUT.inr")
        check_one_output(output, as_json)
        if os.path.isdir(output):
            raise FileAccessError(f"cannot write {output}: it is a directory; --out-dir {output} writes into it")
        _check_places(force, {"the input": source, "the output": output, "--checkpoint": options.checkpoint})
    elif options.checkpoint is not None:
        raise SpecError(f"--checkpoint: holds one fit, so it does not go with --out-dir; got {options.checkpoint}")
    from inr.codec import compress as codec
    from inr.coders.base import check_early
    from inr.coders.request import CompressSpec

    def work(source: str, output: str, title: str) -> dict[str, Any]:
        with following(options.quiet, options.checkpoint, title) as hooks:
            result = codec.compress(source, output, hooks, overwrite=force, **request)
        remedy = "a smaller --bpp or --size makes it smaller"
        warn_if_larger(output, result.report.bytes, source, result.source_bytes, remedy)
        if not as_json:
            say_compressed(result, output)
        return {"output": output, **compressed_fields(result)}

    if out_dir is not None:
        asked = {name: value for name, value in request.items() if name in CompressSpec.model_fields}
        check_early(CompressSpec(**asked))  # what is wrong for all of them is said once
        in_turn(paths, out_dir, lambda source, target, title: work(source, str(named(target, ".inr")), title), as_json)
        return
    fields = work(source, output, "fit")
    if as_json:
        say_json(fields)


@takes(FitOptions)
def fit(
    source: Annotated[str, typer.Argument(metavar="IN", help=SOURCE)],
    options: FitOptions,
    output: Annotated[str | None, typer.Argument(metavar="[OUT.inr]", help="File for the float weights.")] = None,
    bits: Annotated[int, option(TARGET, help="32 or 16: how the file stores the floats.")] = 32,
    psnr: Annotated[float | None, option(TARGET, help="Stop at this PSNR in dB; of HDR pictures PU21-PSNR.")] = None,
    curve: Annotated[Path | None, option(OUTPUT, help="Write the curve here, as .csv or .json.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Fit a signal without quantisation, with the curve of the fit.

    The model has the size that `inr models` lists, unless --set says otherwise.
    """
    check_one_output(output, as_json)
    request = options.request()
    places = {"the input": source, "the output": output, "--checkpoint": options.checkpoint, "--curve": curve}
    _check_places(force, places)
    from inr.codec import compress as codec

    if curve is not None:
        check_curve(curve, force)
    with following(options.quiet, options.checkpoint) as hooks:
        result = codec.fit_file(source, output, hooks, overwrite=force, bits=bits, stop_at_psnr=psnr, **request)
    if curve is not None:
        write_curve(curve, result.curve)
    if output is not None:
        remedy = "it holds floats: inr compress makes small files"
        warn_if_larger(output, result.bytes, source, result.source_bytes, remedy)
    if as_json:
        say_json({"output": output, **compressed_fields(result)})
    elif not is_standard_output(output):
        say(
            f"{result.model} of {result.parameters} parameters: {quality_text(result.metrics)} "
            f"after {result.steps} steps, {result.seconds_fit:.1f} s"
        )


def _check_places(force: bool, places: dict[str, str | Path | None]) -> None:
    """Raise an `InrError` if two files of a command are one, or if a checkpoint would be taken for something else.

    That nothing but a checkpoint lies where one is saved is seen when it is read.
    """
    given = [(name, path) for name, path in places.items() if path is not None and str(path) != "-"]
    for number, (name, path) in enumerate(given):
        for earlier, other in given[:number]:
            if is_same(other, path) and (earlier, name) != ("the input", "the output"):  # said by the library
                raise SpecError(f"{name} and {earlier} are the same file {path}; name another")
    checkpoint = places["--checkpoint"]
    if checkpoint is not None:
        check_writable(checkpoint)
        if not force and not Path(checkpoint).exists():
            from inr.container.destination import check_suffix

            check_suffix(checkpoint, "a checkpoint", (".pt", ".pth", ".ckpt"))
