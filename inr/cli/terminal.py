"""What the command line shows: progress while it works, results as text or as one JSON object."""

import contextlib
import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inr.cli.interrupts import asking
from inr.errors import FileAccessError, SpecError
from inr.files import is_standard_output
from inr.text import printable

if TYPE_CHECKING:
    from inr.codec.compress import FitResult
    from inr.codec.encode import Compressed
    from inr.codec.info import FileInfo
    from inr.fitting.events import Event
    from inr.fitting.run import Hooks, Idle
    from inr.fitting.trained import CurvePoint

PLAIN_LINES = 10
"""Lines of progress where no terminal is attached."""


def say(*lines: str) -> None:
    """Lines on standard output, if there is one; what would do more than show itself is written out."""
    if sys.stdout is None:
        return
    text = "".join(f"{printable(line)}\n" for line in lines)
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # what the terminal cannot show
        encoding = sys.stdout.encoding
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def warn(text: str) -> None:
    """A line on standard error, if there is one, as one line whatever it holds."""
    if sys.stderr is not None:
        sys.stderr.write(f"inr: {printable(' '.join(text.split()))}\n")


def check_one_output(output: str | None, as_json: bool) -> None:
    """Raise `SpecError` if a file and a JSON object would both go to standard output."""
    if is_standard_output(output) and as_json:
        raise SpecError("--json and the output - both want standard output; give a file name")


def say_json(value: Any) -> None:
    """Anything made of dataclasses as JSON on one line; settings of a model become an object."""
    say(_json(value))


def fail(error: str, code: str, as_json: bool) -> None:
    """Say on standard error why a command failed: a line, or a JSON object with `error` and `error_code`."""
    if not as_json:
        warn(f"error: {error}")
    elif sys.stderr is not None:
        sys.stderr.write(_json({"error": printable(" ".join(error.split())), "error_code": code}) + "\n")


def _json(value: Any) -> str:
    """One line of ASCII, in which no reader finds halves of surrogate pairs: those of file names become U+FFFD."""
    text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False)
    return json.dumps(json.loads(re.sub("[\ud800-\udfff]", "\ufffd", text)))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {name: item for name, item in named.items() if not _left_out(name, item)}
    if isinstance(value, Path):
        return str(value)
    return value.model_dump(mode="json")


_IF_ANY = frozenset({"coder", "light", "roles", "pu21_psnr"})


def _left_out(name: str, value: Any) -> bool:
    """Measures and attributes that have fields of their own, and what is said only where there is something to say."""
    if name == "metrics":
        return set(value) <= {"psnr", "ssim"}
    return (name == "attributes" and not value) or (name in _IF_ANY and value is None)


@contextlib.contextmanager
def following(quiet: bool, checkpoint: Path | None, title: str = "fit") -> Iterator["Hooks"]:
    """Hooks for a fit that show its progress, and let ctrl-C save the checkpoint first.

    Args:
        quiet: show no progress; what is unexpected is said all the same.
        checkpoint: file to save to and to go on from, or None.
        title: of the progress.
    """
    from inr.fitting.checkpoint import CheckpointPolicy
    from inr.fitting.run import Hooks

    policy = None if checkpoint is None else CheckpointPolicy(checkpoint)
    with contextlib.ExitStack() as stack:
        shown = _bar(title) if sys.stderr is not None and sys.stderr.isatty() else _lines(title)
        show = None if quiet or sys.stderr is None else stack.enter_context(shown)
        cancelled = None if checkpoint is None else stack.enter_context(asking())
        yield Hooks(on_event=show, cancelled=cancelled, checkpoint=policy, on_idle=_say_idle)


def _say_idle(idle: "Idle") -> None:
    """That a checkpoint leaves nothing to train, so that other limits change nothing."""
    limit = ", ".join(f"--{name} {value:g}" for name, value in idle.beyond.items())
    said = f"{limit} is less and is ignored" if limit else "that is the whole fit"
    warn(f"warning: {idle.path} holds {idle.step} steps, {idle.seconds:.1f} s: {said}; nothing more is trained")


def reached(step: int, psnr: float, bpp: float | None = None) -> str:
    """How far a fit is, for a bar or a line."""
    return f"step {step}  {psnr:.2f} dB" + ("" if bpp is None else f"  {bpp:.3f} bpp")


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


def progress_lines(title: str = "fit") -> Callable[..., None]:
    """Plain lines on standard error, `PLAIN_LINES` a fit; returns what takes step, share, PSNR, seconds left, bpp."""
    shown = 0.0

    def show(step: int, share: float, psnr: float, seconds_left: float, bpp: float | None = None) -> None:
        nonlocal shown
        if share >= shown + 1 / PLAIN_LINES or share < shown:
            shown = share
            sys.stderr.write(f"{title}: {share:4.0%}  {reached(step, psnr, bpp)}  {seconds_left:.0f} s left\n")

    return show


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Callable[["Event"], None]]:
    from inr.fitting.events import Progress

    with progress_bar("fitting" if title == "fit" else title, reached(0, 0.0)) as update:

        def show(event: "Event") -> None:
            if isinstance(event, Progress):
                update(completed=event.share, beside=reached(event.point.step, event.point.psnr, event.bpp))

        yield show


@contextlib.contextmanager
def _lines(title: str) -> Iterator[Callable[["Event"], None]]:
    from inr.fitting.events import Progress

    line = progress_lines(title)

    def show(event: "Event") -> None:
        if isinstance(event, Progress):
            line(event.point.step, event.share, event.point.psnr, event.seconds_left, event.bpp)

    yield show


def compressed_fields(result: "Compressed | FitResult") -> dict[str, Any]:
    """What was measured, for JSON; the curve only where a fit is all that was asked for."""
    from inr.codec.compress import FitResult

    report = result if isinstance(result, FitResult) else result.report
    fields = {name: value for name, value in _plain(report).items() if name != "curve" or report is result}
    before = result.source_bytes
    return {**fields, "source_bytes": before, "larger_than_source": before is not None and report.bytes > before}


def warn_if_larger(output: str, size: int, source: str, before: int | None, remedy: str) -> None:
    """Say it if a file is larger than what it was made of, and what to do."""
    if before is not None and size > before:
        name = "the output" if output == "-" else output
        other = "standard input" if source == "-" else source
        warn(f"warning: {name} has {size} bytes, more than the {before} of {other}; {remedy}")


def say_compressed(result: "Compressed", output: str) -> None:
    """What `compress` measured; nothing beside the file itself where that goes to standard output."""
    if is_standard_output(output):
        return
    report = result.report
    say(
        f"{output}: {report.bytes} bytes, {report.bpp:.3f} bpp, {quality_text(report.metrics)}, "
        f"{report.model} of {report.parameters} parameters, {report.steps} steps, {report.seconds_total:.1f} s"
    )
    if len(report.layer_psnr) > 1:
        say("layers: " + ", ".join(f"{psnr:.2f} dB" for psnr in report.layer_psnr))


def quality_text(metrics: dict[str, float]) -> str:
    """The measures of a signal in one line, the one that matters most first: ``31.20 dB, SSIM 0.9120``."""
    forms = {"psnr": "{:.2f} dB", "ssim": "SSIM {:.4f}"}
    if "pu21_psnr" in metrics:
        forms |= {
            "pu21_psnr": "PU21-PSNR {:.2f} dB",
            "psnr": "PSNR of linear light {:.2f} dB",
            "pu21_ssim": "PU21-SSIM {:.4f}",
        }
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
    settings = f" {compact(info.settings)}" if info.settings else ""
    say(f"{path}: inr {info.version}, {info.kind} {size}x{info.channels} {info.dtype}, {about}{_timing_text(info)}")
    if info.coder is None:
        say(f"model:  {info.model}{settings}, weights stored as {info.coding}")
    else:
        say(f"coder:  {info.coder}{settings}")
    say(f"size:   {info.bytes} bytes, {info.bpp:.3f} bpp")
    if info.power is not None:
        low, high, gamma = info.power
        say(f"power:  targets were raised to {gamma:g}, with 0 at {low:g} and 1 at {high:g}")
    if info.light is not None:
        say(f"light:  fitted on a curve that is about linear below {info.light:g} and logarithmic above")
    if info.roles is not None:
        first, alpha = info.roles
        others = info.channels - first - alpha
        say(f"channels: {first} {'gray' if first == 1 else 'RGB'}, {others} of another meaning, {alpha} alpha")
    if info.icc_profile:
        say(f"colour: profile of {info.icc_profile} bytes")
    if info.orientation != 1:
        say(f"EXIF orientation of the original: {info.orientation} (applied)")
    for layer in info.layers:
        known = {"pu21_psnr": layer.pu21_psnr, "psnr": layer.psnr}
        quality = quality_text({name: value for name, value in known.items() if value is not None})
        quality = quality or "PSNR not recorded"
        say(f"layer {layer.layer} of {info.layers_total}: first {layer.bytes} bytes, {quality}")


def _timing_text(info: "FileInfo") -> str:
    """When frames of a video are shown, and the shape of their pixels if they are not square."""
    if info.frames_per_second is None:
        return ""
    text = f" at {info.frames_per_second:.6g} frames a second"
    if info.frame_seconds is not None:
        shortest, longest = min(info.frame_seconds)[0], max(info.frame_seconds)[0]
        text += f" on average ({shortest:.4g} to {longest:.4g} s each)"
    if info.pixel_aspect is not None and info.pixel_aspect != (1, 1):
        text += ", pixels {}:{}".format(*info.pixel_aspect)
    return text


def compact(settings: dict[str, Any]) -> str:
    """Settings in one line: ``width=64 band=siren(width=32)``."""
    return " ".join(f"{name}={_setting(value)}" for name, value in settings.items())


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['kind']}({compact({name: v for name, v in value.items() if name != 'kind'})})"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


_CURVE = ("step", "seconds", "loss", "psnr")
_CSV = ",".join(_CURVE)


def check_curve(path: Path, force: bool) -> None:
    """Raise an `InrError`, before any work, if a curve cannot be written, or something else would be lost by it."""
    from inr.container.destination import check_suffix
    from inr.files import check_writable, first_bytes

    check_writable(path)
    if force:
        return
    head = first_bytes(path).split()
    ours = not head or head[0] == _CSV.encode() or head[:3] == [b"[", b"{", b'"step":']
    if not ours:
        raise FileAccessError(
            f"cannot write {path}: it is there already and no curve; name another file, or --force to lose it"
        )
    check_suffix(path, "a curve", (".csv", ".json", ".txt"))


def write_curve(path: Path, curve: "tuple[CurvePoint, ...]") -> None:
    """The curve of a fit as CSV or JSON, by the suffix of `path`."""
    from inr.files import write_bytes

    rows = [dataclasses.asdict(point) for point in curve]
    if path.suffix == ".json":
        text = json.dumps(rows, indent=1)
    else:
        text = "\n".join([_CSV, *(",".join(str(v) for v in row.values()) for row in rows)])
    write_bytes(path, (text + "\n").encode())
