"""Clips as files: what `inr compress` makes of them, beside x264 at as many bytes."""

import functools
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from inr.bench.documents import Lines, environment, markdown, short, write_json
from inr.codec.compress import compress
from inr.codec.measures import measures, tallied
from inr.errors import FileAccessError, SpecError
from inr.files import temporary_folder, write_bytes
from inr.signals.signal import Signal
from inr.signals.source import Seconds
from inr.signals.video.attributes import video_attributes
from inr.signals.video.encode import Encoder, check_encoder
from inr.signals.video.read import load_video

Coder = Literal["inr", "x264"]
CRF = (10, 15, 20, 25, 30, 35, 40, 45, 51)
"""Constant rate factors of x264, preset medium, YUV 4:2:0; 51 is the coarsest there is."""


@dataclass(frozen=True)
class Made:
    """A file of a clip.

    Attributes:
        clip: its name.
        coder: "inr" or "x264".
        setting: what it was asked for: "default", "0.06 bpp", "crf 30".
        samples: pixels of the clip in all frames.
        bytes: of the file, with all of its container.
        psnr: over all frames in RGB, dB.
        seconds: to make it.
    """

    clip: str
    coder: Coder
    setting: str
    samples: int
    bytes: int
    psnr: float
    seconds: float


def made(
    clips: Sequence[Path],
    preset: str,
    rates: Sequence[float],
    part: Seconds | None,
    kept: Lines,
    tell: Callable[[str], None],
) -> list[Made]:
    """All files of all clips: at the size of a preset, at each rate, and the ladder of x264.

    Args:
        clips: files of videos.
        preset: of the files of `inr`; its own size is the first.
        rates: bits a sample of further files.
        part: (start, end) in seconds; None for the whole.
        kept: has a line for each that is there already; gets the new ones.
        tell: gets a line after each.

    Raises:
        InrError: a clip cannot be read or compressed, or `kept` holds something else or cannot be written.
    """
    check_encoder(".mp4")
    known = {(one.clip, one.coder, one.setting): one for one in (_parsed(kept.path, line) for line in kept.known)}
    found = []
    for path in clips:
        load = functools.cache(partial(load_video, path, time=part))
        asked: list[tuple[str, dict[str, Any]]] = [
            (preset, {"preset": preset}),
            *((f"{rate:g} bpp", {"preset": preset, "bpp": rate}) for rate in rates),
        ]
        wanted: list[tuple[Coder, str, Callable[[], tuple[int, float]]]] = [
            *(("inr", setting, partial(_by_inr, path, part, request)) for setting, request in asked),
            *(("x264", f"crf {crf}", partial(_by_x264, load, crf)) for crf in CRF),
        ]
        for coder, setting, make in wanted:
            one = known.get((path.stem, coder, setting))
            if one is None:
                began = time.perf_counter()
                size, psnr = make()
                seconds = round(time.perf_counter() - began, 2)
                one = Made(path.stem, coder, setting, load().domain.size, size, round(psnr, 4), seconds)
                kept.add(asdict(one))
                tell(f"{one.clip}, {coder} {setting}: {size} bytes, {psnr:.2f} dB, {one.seconds:.1f} s")
            found.append(one)
    return found


def _by_inr(path: Path, part: Seconds | None, request: dict[str, Any]) -> tuple[int, float]:
    done = compress(path, time=part, **request)
    return len(done.data), done.report.metrics["psnr"]


def _by_x264(load: Callable[[], Signal], crf: int) -> tuple[int, float]:
    """Bytes of a clip as MP4, and the PSNR of its frames read again, dB."""
    signal = load()
    attributes = video_attributes(signal.meta)
    height, width, channels = signal.samples.shape[1:]
    with temporary_folder() as folder:
        path = folder / "clip.mp4"
        encoder = Encoder(path, ".mp4", attributes, (height, width, channels), "uint8", {"crf": str(crf)})
        try:
            for frame in signal.samples:
                encoder.write(frame)
            encoder.finish()
        finally:
            encoder.abandon()
        again = load_video(path)
        if again.samples.shape != signal.samples.shape:
            raise SpecError(f"x264 makes {again.samples.shape} of samples {signal.samples.shape}")
        return path.stat().st_size, measures([tallied(signal, again.samples)], signal.meta)["psnr"]


@dataclass(frozen=True)
class Beside:
    """A file of `inr` beside x264.

    Attributes:
        file: the file.
        psnr: of x264 with as many bytes, dB; None for fewer or more than any of its files has.
        bytes: of x264 with this PSNR; None likewise.
    """

    file: Made
    psnr: float | None
    bytes: float | None


def beside(files: Sequence[Made]) -> list[Beside]:
    """Each file of `inr` beside the ladder of its clip, which is taken as straight over the logarithm of bytes."""
    found = []
    for one in files:
        if one.coder == "inr":
            ladder = sorted((f.bytes, f.psnr) for f in files if f.coder == "x264" and f.clip == one.clip)
            rates, levels = [math.log(size) for size, _ in ladder], [psnr for _, psnr in ladder]
            psnr, rate = _between(math.log(one.bytes), rates, levels), _between(one.psnr, levels, rates)
            found.append(Beside(one, psnr, None if rate is None else math.exp(rate)))
    return found


def _between(x: float, xs: Sequence[float], ys: Sequence[float]) -> float | None:
    return float(np.interp(x, xs, ys)) if xs and xs[0] <= x <= xs[-1] else None


def table(rows: Sequence[Beside]) -> str:
    """A Markdown table of them."""
    head = ["clip", "`inr compress`", "bytes", "bpp", "PSNR dB", "x264 dB", "x264 bytes", "seconds"]
    body = [
        [
            row.file.clip,
            row.file.setting,
            f"{row.file.bytes:,}",
            f"{8 * row.file.bytes / row.file.samples:.3f}",
            f"{row.file.psnr:.2f}",
            "-" if row.psnr is None else f"{row.psnr:.2f}",
            "-" if row.bytes is None else f"{row.bytes:,.0f}",
            f"{row.file.seconds:.0f}",
        ]
        for row in rows
    ]
    return "\n".join(markdown([head, *body])) + "\n"


NOTE = (
    "PSNR over all frames in RGB. x264 has preset medium and YUV 4:2:0: its PSNR at as many bytes, and its bytes at "
    "this PSNR; a dash where its files from crf 10 to 51 do not reach.\n"
)


def write(rows: Sequence[Beside], files: Sequence[Made], settings: dict[str, Any], folder: Path) -> list[Path]:
    """Write ``video_files.md`` and ``video_files.json`` into a folder; raises `FileAccessError`.

    Returns:
        The files written.
    """
    text, data = folder / "video_files.md", folder / "video_files.json"
    write_bytes(text, f"{NOTE}\n{table(rows)}".encode())
    whole = {
        "benchmark": "video_files",
        "settings": settings,
        "environment": environment(),
        "compared": [short(asdict(row)) for row in rows],
        "files": [asdict(one) for one in files],
    }
    write_json(data, whole)
    return [text, data]


def _parsed(path: Path, line: str) -> Made:
    try:
        return Made(**json.loads(line))
    except (ValueError, TypeError):
        raise FileAccessError(f"cannot read {path}: it holds something else than files of clips") from None
