"""Making files one by one, and measuring them."""

import contextlib
import hashlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inr.bench.codec.base import Codec
from inr.bench.codec.points import Point, PointFile
from inr.errors import InrError, SignalError
from inr.files import read_bytes, temporary_folder
from inr.meta import INTEGER_MAX
from inr.metrics.ms_ssim import SMALLEST_SIDE, ms_ssim
from inr.metrics.psnr import psnr, reported
from inr.metrics.ssim import ssim
from inr.signals.image.read import image_from_array, load_image
from inr.signals.signal import Samples, Signal

WARM_UP_SIDE = 32
"""Samples of a picture that nobody looks at: the first file of a process also loads code and starts threads."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture whose samples all codecs get; what else its file holds none of them is given.

    Attributes:
        name: of the file, without suffix.
        hash: the first 16 digits of the SHA-256 of the file.
        signal: the samples.
    """

    name: str
    hash: str
    signal: Signal


@dataclass(frozen=True)
class Method:
    """How files are measured.

    Attributes:
        repeats: times each is decoded; the median counts.
        threads: that encoding has at most.
        timed: that seconds are kept.
    """

    repeats: int
    threads: int
    timed: bool = True


@dataclass(frozen=True)
class Found:
    """What is known after a benchmark.

    Attributes:
        points: in the order of the pictures, codecs and values.
        left_out: (codec, picture, why) of what a codec cannot hold.
        complete: that nothing is missing.
    """

    points: list[Point]
    left_out: list[tuple[str, str, str]]
    complete: bool


def load_picture(path: Path) -> Picture:
    """Read a picture of integers; raises `InrError` as `load_image`, and `SignalError` for floats."""
    signal = load_image(path)
    if signal.meta.dtype not in INTEGER_MAX:
        raise SignalError(f"{path}: a benchmark of codecs needs samples of 8 or 16 bits; got {signal.meta.dtype}")
    digest = hashlib.sha256(read_bytes(path)).hexdigest()[:16]
    return Picture(path.stem, digest, image_from_array(signal.samples, str(path)))


def carry_out(
    codecs: Sequence[Codec], pictures: Sequence[Picture], kept: PointFile, method: Method, tell: Callable[[str], None]
) -> Found:
    """Make what the file does not have yet; ctrl-C ends it early and keeps what there is.

    Args:
        codecs: each makes all its points of a picture before the next one does.
        pictures: in the order in which to take them.
        kept: has earlier points; gets the new ones.
        method: of measuring.
        tell: gets a line after each point, and one for each picture that a codec cannot hold.

    Raises:
        InrError: the file cannot be written. What a codec refuses is a point that failed.
    """
    points: list[Point] = []
    left_out: list[tuple[str, str, str]] = []
    warm: set[str] = set()
    try:
        for picture in pictures:
            for codec in codecs:
                why = codec.refusal(picture.signal)
                if why is not None:
                    left_out.append((codec.name, picture.name, why))
                    tell(f"{picture.name}, {codec.name}: left out: {why}")
                    continue
                for value in codec.values:
                    point = _begun(codec, picture, value, method)
                    known = kept.find(point.key)
                    if known is None:
                        if codec.name not in warm and method.timed:
                            _warm_up(codec, picture, value)
                        warm.add(codec.name)
                        known = measure(codec, picture, value, method)
                        kept.add(known)
                        tell(_told(known))
                    points.append(known)
    except KeyboardInterrupt:
        return Found(points, left_out, complete=False)
    return Found(points, left_out, complete=True)


def measure(codec: Codec, picture: Picture, value: float, method: Method) -> Point:
    """One point: write the file, decode it, compare."""
    begun = _begun(codec, picture, value, method)
    original = picture.signal
    with temporary_folder() as folder:
        path = folder / f"file{codec.suffix}"
        try:
            began = time.perf_counter()
            codec.encode(original, value, path)
            encode_s = time.perf_counter() - began
            samples = codec.decoded(path, original.channels)
            decode_s = _decode_seconds(codec, path, method.repeats) if method.timed else None
            return _compared(
                begun, original, samples, path.stat().st_size, encode_s if method.timed else None, decode_s
            )
        except (InrError, OSError, ValueError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            return Point(**{**vars(begun), "outcome": "failed", "reason": text})


def _begun(codec: Codec, picture: Picture, value: float, method: Method) -> Point:
    """A point without its measures."""
    height, width = picture.signal.domain.shape
    return Point(
        picture=picture.name,
        hash=picture.hash,
        width=width,
        height=height,
        channels=picture.signal.channels,
        dtype=picture.signal.meta.dtype,
        codec=codec.name,
        version=codec.version,
        settings=codec.settings,
        parameter=codec.parameter,
        value=value,
        threads=method.threads,
        outcome="done",
        build=codec.build,
    )


def _compared(
    begun: Point, original: Signal, samples: Samples, size: int, encode_s: float | None, decode_s: float | None
) -> Point:
    """The point with its measures; raises `SignalError` if the shapes or the types differ."""
    if samples.dtype != original.samples.dtype:
        raise SignalError(f"decoded samples are {samples.dtype}, not {original.samples.dtype}")
    peak = float(INTEGER_MAX[original.meta.dtype])
    large = min(begun.width, begun.height) >= SMALLEST_SIDE
    return Point(
        **{
            **vars(begun),
            "bytes": size,
            "bpp": round(8 * size / (begun.width * begun.height), 6),
            "psnr": round(reported(psnr(original.samples, samples, peak)), 4),
            "ssim": round(ssim(original.samples, samples, peak), 6),
            "ms_ssim": round(ms_ssim(original.samples, samples, peak), 6) if large else None,
            "encode_s": None if encode_s is None else round(encode_s, 4),
            "decode_s": None if decode_s is None else round(decode_s, 5),
        }
    )


def _decode_seconds(codec: Codec, path: Path, repeats: int) -> float:
    """The median."""
    seconds = []
    with one_core():
        for _ in range(repeats):
            began = time.perf_counter()
            codec.decode(path)
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """All threads of this process on one core meanwhile, where the system can do that; elsewhere nothing changes."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = {thread: os.sched_getaffinity(thread) for thread in _threads()}
    core = {min(os.sched_getaffinity(0))}
    usual = os.sched_getaffinity(0)
    try:
        _move(dict.fromkeys(before, core))
        yield
    finally:  # threads that were started meanwhile are on the one core, too
        _move({thread: before.get(thread, usual) for thread in _threads()})


def load_average() -> float | None:
    """Processes that wanted to run over the last minute, where the system counts them: what times may suffer from."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def processor() -> str:
    """What Linux calls it; empty elsewhere."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text("utf-8", "replace").splitlines() if told.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _threads() -> list[int]:
    tasks = Path("/proc/self/task")
    return [int(entry.name) for entry in tasks.iterdir()] if tasks.is_dir() else [0]


def _move(cores: dict[int, set[int]]) -> None:
    for thread, allowed in cores.items():
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(thread, allowed)


def _warm_up(codec: Codec, picture: Picture, value: float) -> None:
    samples = np.ascontiguousarray(picture.signal.samples[:WARM_UP_SIDE, :WARM_UP_SIDE])
    with temporary_folder() as folder, contextlib.suppress(InrError, OSError, ValueError):  # the point itself will say
        codec.warm_up(image_from_array(samples), value, folder / f"file{codec.suffix}")


def _told(point: Point) -> str:
    name = f"{point.picture}, {point.codec}, {point.parameter} {point.value:g}"
    if point.outcome == "failed":
        return f"{name}: failed: {point.reason}"
    times = (
        ""
        if point.encode_s is None or point.decode_s is None
        else (f"; {point.encode_s:.2f} s, decoded in {1000 * point.decode_s:.0f} ms")
    )
    return f"{name}: {point.bytes} bytes, {point.bpp:.3f} bpp, {point.psnr:.2f} dB{times}"
