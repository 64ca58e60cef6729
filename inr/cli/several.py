"""Several inputs of one command: their outputs go into a folder, and one that fails does not stop the others."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from inr.cli.options import OUTPUT, option
from inr.cli.terminal import say, say_json, warn
from inr.errors import FileAccessError, FitCancelledError, InrError, SpecError
from inr.files import is_same, reason

OutDir = Annotated[
    Path | None, option(OUTPUT, "--out-dir", metavar="DIR", help="Folder for the outputs of any number of inputs.")
]
Force = Annotated[bool, option(OUTPUT, "--force", help="Replace an output that is there, whatever it is.")]

Work = Callable[[str, Path, str], dict[str, Any]]


def one_pair(paths: list[str], output: str) -> tuple[str, str]:
    """The input and the output of a command that is told no folder; raises `SpecError`."""
    if len(paths) == 1:
        raise SpecError(f"{output} is missing: give IN and {output}, or --out-dir DIR; got {paths[0]}")
    if len(paths) > 2:
        raise SpecError(f"give one IN and one {output}, or several inputs and --out-dir DIR; got {' '.join(paths)}")
    return paths[0], paths[1]


def named(target: Path, suffix: str) -> Path:
    """The path with a suffix, which replaces nothing of the name; the dot may be left out."""
    return target.with_name(f"{target.name}.{suffix.removeprefix('.')}")


def in_turn(paths: list[str], folder: Path, work: Work, as_json: bool) -> None:
    """Do the same with every input, and say how all went.

    Args:
        paths: of the inputs; one that is named twice is done once.
        folder: for the outputs, made if it is not there.
        work: given an input, the path of its output without a suffix, and a title for its progress; returns the fields
            of its JSON, of which the summary adds up `bytes` and `source_bytes`.
        as_json: print one object about all of them.

    Raises:
        SpecError: two outputs would have the same name; then nothing is done.
        FileAccessError: the folder cannot be made.
        FitCancelledError: ctrl-C.
        typer.Exit: with code 1, if any failed.
    """
    targets = _targets(paths, folder)
    rows: list[dict[str, Any]] = []
    failed = 0
    with _made(folder):
        for number, (source, target) in enumerate(targets, start=1):
            try:
                rows.append({"input": source, **work(source, target, f"{number}/{len(targets)} {source}")})
            except KeyboardInterrupt:
                written = len(rows) - failed
                raise FitCancelledError(f"interrupted; {written} of {len(targets)} files were written") from None
            except (InrError, MemoryError) as error:
                text = str(error) or "out of memory"
                warn(f"error: {text}" if source in text else f"error: {source}: {text}")
                rows.append({"input": source, "error": text, "error_code": getattr(error, "code", "out_of_memory")})
                failed += 1
    _say_summary(rows, failed, as_json)
    if failed:
        raise typer.Exit(1)


def _targets(paths: list[str], folder: Path) -> list[tuple[str, Path]]:
    """Inputs with the paths of their outputs, without suffixes."""
    taken: dict[str, str] = {}
    targets: list[tuple[str, Path]] = []
    for source in paths:
        if source == "-":
            raise SpecError("--out-dir: standard input has no name to call its output by; give - and a file name")
        path = Path(os.path.abspath(source))
        name = path.name if path.is_dir() else path.stem
        other = taken.setdefault(name.casefold(), source)  # some systems do not tell a.inr from A.inr
        if other == source or is_same(other, source):
            if all(source != done and not is_same(done, source) for done, _ in targets):
                targets.append((source, folder / name))
            continue
        raise SpecError(f"--out-dir: {other} and {source} would both become {folder / name}; give each its own folder")
    return targets


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """A folder that is there; one that was made for nothing is removed."""
    there = folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is a file" if folder.is_file() else reason(error)
        raise FileAccessError(f"cannot make the folder {folder}: {why}") from None
    try:
        yield
    finally:
        if not there:
            with contextlib.suppress(OSError):  # it has files
                folder.rmdir()


def _say_summary(rows: list[dict[str, Any]], failed: int, as_json: bool) -> None:
    done = [row for row in rows if "error" not in row]
    sums = _sums(done)
    if as_json:
        say_json({"files": rows, "done": len(done), "failed": failed, **sums})
        return
    text = f"{len(done)} of {len(rows)} files done"
    if failed:
        text += f", {failed} failed"
    if sums:
        text += f": {sums['bytes']} bytes"
    if sums.get("source_bytes"):
        text += f", {sums['bytes'] / sums['source_bytes']:.1%} of their sources"
    say(text)


def _sums(done: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all files and of all their sources; None where one is not known, nothing where sizes are no matter."""
    columns = {name: [row[name] for row in done if name in row] for name in ("bytes", "source_bytes")}
    return {name: None if None in sizes else sum(sizes) for name, sizes in columns.items() if sizes}
