"""`inr decompress`, `inr info`, `inr compare`: what is done with files that are there already.

Imports happen inside the commands, so that `inr --help` starts without torch.
"""

import re
from typing import Annotated

import typer

from inr.cli.options import BackendName, Device, Json, Threads, Time, time_range
from inr.cli.terminal import check_one_output, quality_text, say, say_file, say_json, shape_text, warn
from inr.errors import SpecError
from inr.files import is_standard_output


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
    from inr.codec import decompress as codec

    result = codec.decompress(
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
    elif not is_standard_output(output):
        say(f"{output}: {shape_text(result.shape, pictures=result.width is not None)}")


def info(
    source: Annotated[str, typer.Argument(metavar="FILE", help=".inr file, or - for standard input.")],
    as_json: Json = False,
) -> None:
    """Describe a .inr file without decoding it."""
    say_file(source, as_json)


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
    from inr.codec import compare as codec

    result = codec.compare(original, other, time=seconds)
    if as_json:
        say_json(result)
    else:
        say(f"{other}: {quality_text(result.metrics)}, {result.bytes} bytes, {result.bpp:.3f} bpp")


def _integers(name: str, text: str, separator: str, example: str) -> tuple[int, ...]:
    """Split ``640x480`` and the like; raises `SpecError`."""
    numbers = text.lower().split(separator)
    if len(numbers) < 1 or not all(re.fullmatch("[0-9]{1,15}", n.strip()) for n in numbers):
        raise SpecError(f"--{name} takes {example} in whole numbers; got {text!r}")
    return tuple(int(n) for n in numbers)
