"""Parts of reports that all benchmarks share: Markdown tables, JSON documents, the environment."""

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from inr import __version__
from inr.errors import FileAccessError, SpecError
from inr.files import read_bytes, reason, write_bytes


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table whose first row is its head; the first column to the left, others to the right."""
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [text.rjust(width) for text, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        lines.append(f"| {' | '.join(cells)} |")
    rule = "|".join("-" * (width + 2) if i == 0 else "-" * (width + 1) + ":" for i, width in enumerate(widths))
    return [lines[0], f"|{rule}|", *lines[1:]]


def environment() -> dict[str, Any]:
    """What the times depend on."""
    return {
        "inr": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


class Lines:
    """A file with one JSON line for each finished piece of a benchmark.

    Args:
        path: the file.
        resume: go on with what it holds.

    Attributes:
        path: the file.
        known: the whole lines that it had at the start.

    Raises:
        SpecError: the file exists, and nobody asked to go on with it.
        FileAccessError: it cannot be read.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self.path = path
        self.known: list[str] = []
        self._cut = False
        if path.exists() and not resume:
            raise SpecError(f"{path} has results already; --resume goes on with them, or name another --out")
        if path.exists():
            lines = read_bytes(path).decode("utf-8", "replace").splitlines(keepends=True)
            self.known = [line for line in lines if line.endswith("\n")]  # the last one may be cut
            self._cut = len(self.known) < len(lines)

    def add(self, value: dict[str, Any]) -> None:
        """Append a line, in the place of one that was cut; raises `FileAccessError`."""
        if self._cut:  # not before: whoever asked may find that the file is something else
            write_bytes(self.path, "".join(self.known).encode())
            self._cut = False
        line = json.dumps(value, allow_nan=False) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise FileAccessError(f"cannot write {self.path}: {reason(error)}") from None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object with one line for each entry of its lists; raises `FileAccessError`."""
    parts = []
    for name, item in value.items():
        if isinstance(item, list) and item:
            text = "[\n  " + ",\n  ".join(json.dumps(entry, allow_nan=False) for entry in item) + "\n ]"
        else:
            text = json.dumps(item, allow_nan=False)
        parts.append(f" {json.dumps(name)}: {text}")
    write_bytes(path, ("{\n" + ",\n".join(parts) + "\n}\n").encode())


def short(value: Any) -> Any:
    """Floats with six digits, the rest as it is."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: short(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [short(item) for item in value]
    return value
