"""`inr decompress`, `inr info`, `inr compare`: what is done with files that are there already.

Imports happen inside the commands, so that `inr --help` starts without torch.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from inr.cli.options import (
    COMPUTER,
    OUTPUT,
    TARGET,
    BackendName,
    Device,
    Json,
    Threads,
    Time,
    option,
    takes,
    time_range,
)
from inr.cli.several import Force, OutDir, in_turn, named, one_pair
from inr.cli.terminal import check_one_output, quality_text, say, say_file, say_json, shape_text, warn
from inr.errors import SpecError
from inr.files import is_standard_output


@dataclass(frozen=True)
class DecodeOptions:
    """What is decoded of a file, and how."""

    scale: Annotated[float | None, option(TARGET, help="Factor of the sides.")] = None
    size: Annotated[str | None, option(TARGET, help="WIDTHxHEIGHT, or AxBxC of an array, instead of a scale.")] = None
    region: Annotated[
        str | None, option(TARGET, help="X,Y,WIDTH,HEIGHT in pixels; of an array first all starts, then all counts.")
    ] = None
    time: Time = None
    frame_rate: Annotated[float | None, option(TARGET, "--fps", help="Frames a second of a video.")] = None
    layers: Annotated[int | None, option(TARGET, help="Use only the first quality layers.")] = None
    max_bytes: Annotated[int | None, option(TARGET, help="Use only the first bytes of the file.")] = None
    partial: Annotated[bool, option(TARGET, "--partial", help="Decode what is intact of a damaged file.")] = False
    backend: BackendName = "auto"
    device: Device = "auto"
    threads: Threads = None
    precision: Annotated[str, option(COMPUTER, help="fp32; bf16 is faster and less exact if the CPU has AMX.")] = "fp32"

    def request(self) -> dict[str, Any]:
        """Keywords for `inr.decompress`; raises `SpecError`."""
        size = None if self.size is None else _integers("size", self.size, "x", "WIDTHxHEIGHT")
        region = None if self.region is None else _integers("region", self.region, ",", "X,Y,WIDTH,HEIGHT")
        return {**vars(self), "size": size, "region": region, "time": time_range(self.time)}


@takes(DecodeOptions)
def decompress(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="IN.inr OUT",
            help=".inr file, or - for standard input; image, video, .npy, or a folder for frames, or - for standard "
            "output. With --out-dir all are inputs.",
        ),
    ],
    options: DecodeOptions,
    out_dir: OutDir = None,
    suffix: Annotated[
        str | None,
        option(OUTPUT, help="Format of files in --out-dir: .jpg, .mp4, ...; default: one that loses nothing."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Decode .inr files into pictures, videos or arrays of any size."""
    request = options.request()
    if out_dir is None:
        source, output = one_pair(paths, "OUT")
        check_one_output(output, as_json)
        if suffix is not None:
            raise SpecError(f"--suffix: goes with --out-dir; the name of OUT has its own; got {suffix!r}")
    from inr.codec import decompress as codec

    def work(source: str, output: str) -> dict[str, Any]:
        result = codec.decompress(source, output, overwrite=force, **request)
        if result.damage is not None:
            warn(f"warning: {result.damage}; decoded {result.layers} intact layers")
        if not as_json and not is_standard_output(output):
            say(f"{output}: {shape_text(result.shape, pictures=result.width is not None)}")
        written = {"width": result.width, "height": result.height, "shape": result.shape}
        return {"output": output, **written, "layers": result.layers}

    def into_folder(source: str, target: Path, title: str) -> dict[str, Any]:
        del title
        output = named(target, suffix or codec.usual_suffix(source))
        return work(source, str(output))

    if out_dir is not None:
        in_turn(paths, out_dir, into_folder, as_json)
        return
    fields = work(source, output)
    if as_json:
        say_json(fields)


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
