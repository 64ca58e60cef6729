"""What the command line shows: progress while it works, results as text or as one JSON object."""

import contextlib
import dataclasses
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from inr.errors import SpecError
from inr.files import is_standard_output

if TYPE_CHECKING:
    from inr.codec.encode import CompressReport
    from inr.codec.info import FileInfo
    from inr.fitting.events import Event
    from inr.fitting.run import Hooks
    from inr.fitting.trained import CurvePoint

PLAIN_LINES = 10
"""Lines of progress where no terminal is attached."""


def say(text: str) -> None:
    """A line on standard output, if there is one."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text + "\n")
    except UnicodeEncodeError:  # a file name that is not Unicode, or that the terminal cannot show
        encoding = sys.stdout.encoding
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def warn(text: str) -> None:
    """A line on standard error, if there is one, as one line whatever it holds."""
    if sys.stderr is not None:
        sys.stderr.write(f"inr: {' '.join(text.split())}\n")


def check_one_output(output: str | None, as_json: bool) -> None:
    """Raise `SpecError` if a file and a JSON object would both go to standard output."""
    if is_standard_output(output) and as_json:
        raise SpecError("--json and the output - both want standard output; give a file name")


def say_json(value: Any) -> None:
    """Anything made of dataclasses as JSON on one line; settings of a model become an object."""
    say(json.dumps(value, default=_plain, allow_nan=False))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {name: item for name, item in named.items() if not _left_out(name, item)}
    if isinstance(value, Path):
        return str(value)
    return value.model_dump(mode="json")


def _left_out(name: str, value: Any) -> bool:
    """Measures and attributes that have fields of their own, and the coder if it is the usual one."""
    if name == "metrics":
        return set(value) <= {"psnr", "ssim"}
    return (name == "attributes" and not value) or (name == "coder" and value is None)


@contextlib.contextmanager
def following(quiet: bool, checkpoint: Path | None) -> Iterator["Hooks"]:
    """Hooks for a fit that show its progress, and let ctrl-C save the checkpoint first."""
    from inr.fitting.checkpoint import CheckpointPolicy
    from inr.fitting.run import Hooks

    policy = None if checkpoint is None else CheckpointPolicy(checkpoint)
    with contextlib.ExitStack() as stack:
        show = None if quiet or sys.stderr is None else stack.enter_context(_bar() if sys.stderr.isatty() else _lines())
        cancelled = None if checkpoint is None else stack.enter_context(_interruptible())
        yield Hooks(on_event=show, cancelled=cancelled, checkpoint=policy)


def reached(step: int, psnr: float) -> str:
    """How far a fit is, for a bar or a line."""
    return f"step {step}  {psnr:.2f} dB"


@contextlib.contextmanager
def progress_bar(title: str, beside: str = "") -> Iterator[Callable[..., None]]:
    """A live bar on standard error; yields what changes it: `description`, `completed` (0 to 1), `beside` (a text)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[beside]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=1.0, beside=beside)
        yield lambda **changes: progress.update(task, **changes)


def progress_lines() -> Callable[[int, float, float, float], None]:
    """Plain lines on standard error, `PLAIN_LINES` a fit; returns what takes step, share, PSNR and seconds left."""
    shown = 0.0

    def show(step: int, share: float, psnr: float, seconds_left: float) -> None:
        nonlocal shown
        if share >= shown + 1 / PLAIN_LINES or share < shown:
            shown = share
            sys.stderr.write(f"fit: {share:4.0%}  {reached(step, psnr)}  {seconds_left:.0f} s left\n")

    return show


@contextlib.contextmanager
def _bar() -> Iterator[Callable[["Event"], None]]:
    from inr.fitting.events import Progress

    with progress_bar("fitting", reached(0, 0.0)) as update:

        def show(event: "Event") -> None:
            if isinstance(event, Progress):
                update(completed=event.share, beside=reached(event.point.step, event.point.psnr))

        yield show


@contextlib.contextmanager
def _lines() -> Iterator[Callable[["Event"], None]]:
    from inr.fitting.events import Progress

    line = progress_lines()

    def show(event: "Event") -> None:
        if isinstance(event, Progress):
            line(event.point.step, event.share, event.point.psnr, event.seconds_left)

    yield show


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first ctrl-C into a request to stop; the second one interrupts."""
    stop = False
    previous = signal.getsignal(signal.SIGINT)

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal stop
        del number, frame
        stop = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: stop
    finally:
        signal.signal(signal.SIGINT, previous)


def say_report(report: "CompressReport", output: str, as_json: bool) -> None:
    """What `compress` measured; nothing beside the file itself where that goes to standard output."""
    if as_json:
        fields = {name: value for name, value in _plain(report).items() if name != "curve"}
        say_json({"output": output, **fields})
    elif not is_standard_output(output):
        say(
            f"{output}: {report.bytes} bytes, {report.bpp:.3f} bpp, {quality_text(report.metrics)}, "
            f"{report.model} of {report.parameters} parameters, {report.steps} steps, {report.seconds_total:.1f} s"
        )
        if len(report.layer_psnr) > 1:
            say("layers: " + ", ".join(f"{psnr:.2f} dB" for psnr in report.layer_psnr))


def ssim_text(ssim: float | None) -> str:
    """The SSIM as part of a line; nothing for what has none."""
    return "" if ssim is None else f", SSIM {ssim:.4f}"


def quality_text(metrics: dict[str, float]) -> str:
    """The measures of a signal in one line, the one that matters most first: ``31.20 dB, SSIM 0.9120``."""
    forms = {"psnr": "{:.2f} dB", "ssim": "SSIM {:.4f}"}
    return ", ".join(forms.get(name, name + " {:.4g}").format(value) for name, value in metrics.items())


def shape_text(shape: tuple[int, ...], pictures: bool) -> str:
    """``640x480`` of a picture, with the frames of a video last; array order for an array, as options take it."""
    return "x".join(str(n) for n in (reversed(shape) if pictures else shape))


def say_file(source: str, as_json: bool) -> None:
    """Describe a ``.inr`` file (``-``: standard input); raises a `FormatError` or `FileAccessError`."""
    from inr.codec.info import describe
    from inr.container.file import parse
    from inr.files import read_bytes

    data = read_bytes(source)
    description = describe(parse(data), len(data))
    if as_json:
        say_json(description)
    else:
        _say_info(source, description)


def _has_sides(info: "FileInfo") -> bool:
    """True for a kind whose last axes are rows and columns; one that is not in the table is looked up."""
    from inr.container import ids

    if info.kind in ids.SIGNAL_KINDS.values():
        return info.kind in ids.SIGNAL_AXES
    from inr.signals.kind import KINDS

    return info.kind in KINDS.kinds() and KINDS.get(info.kind)().sides(info.shape) != (None, None)


def _say_info(path: str, info: "FileInfo") -> None:
    size = shape_text(info.shape, pictures=_has_sides(info))
    own = {name: value for name, value in info.attributes.items() if name != "channel_axis"}
    colours = "" if own and info.colour_space == "unknown" else info.colour_space
    about = ", ".join(filter(None, [colours, compact(own)]))
    rate = "" if info.frames_per_second is None else f" at {info.frames_per_second:.6g} frames a second"
    settings = f" {compact(info.settings)}" if info.settings else ""
    say(f"{path}: inr {info.version}, {info.kind} {size}x{info.channels} {info.dtype}, {about}{rate}")
    if info.coder is None:
        say(f"model:  {info.model}{settings}, weights stored as {info.coding}")
    else:
        say(f"coder:  {info.coder}{settings}")
    say(f"size:   {info.bytes} bytes, {info.bpp:.3f} bpp")
    if info.power is not None:
        low, high, gamma = info.power
        say(f"power:  targets were raised to {gamma:g}, with 0 at {low:g} and 1 at {high:g}")
    if info.icc_profile:
        say(f"colour: profile of {info.icc_profile} bytes")
    if info.orientation != 1:
        say(f"EXIF orientation of the original: {info.orientation} (applied)")
    for layer in info.layers:
        quality = "PSNR not recorded" if layer.psnr is None else f"{layer.psnr:.2f} dB"
        say(f"layer {layer.layer} of {info.layers_total}: first {layer.bytes} bytes, {quality}")


def compact(settings: dict[str, Any]) -> str:
    """Settings in one line: ``width=64 band=siren(width=32)``."""
    return " ".join(f"{name}={_setting(value)}" for name, value in settings.items())


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['kind']}({compact({name: v for name, v in value.items() if name != 'kind'})})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def write_curve(path: Path, curve: "tuple[CurvePoint, ...]") -> None:
    """The curve of a fit as CSV or JSON, by the suffix of `path`."""
    from inr.files import write_bytes

    rows = [dataclasses.asdict(point) for point in curve]
    if path.suffix == ".json":
        text = json.dumps(rows, indent=1)
    else:
        text = "\n".join(["step,seconds,loss,psnr", *(",".join(str(v) for v in row.values()) for row in rows)])
    write_bytes(path, (text + "\n").encode())
