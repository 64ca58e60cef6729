"""Running the real command for tests."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import inr
from inr import native
from inr.signals.image.read import encode_image
from tests.support.small_fits import photo

TIMEOUT_S = 120
ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """That of a user, with one thread (see `one_thread`) and the package of this clone."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "100", "TERM": "xterm-256color"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "inr", *arguments]


def run(*arguments: str, cwd: Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """One run of the command; standard input is empty unless given."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(),
        input=stdin or b"",
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def interrupted(*arguments: str, cwd: Path) -> tuple[int, str, str, str]:
    """Exit code, first line of progress, standard output, and the other lines of a command that then gets ctrl-C."""
    with subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, rest = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, first, output, rest


def png_of(side: int) -> bytes:
    """The photo as a PNG file."""
    picture = inr.load(photo(side).copy())
    return encode_image(picture.samples, picture.meta, "png")


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_one_error(stderr: str, as_json: bool = False) -> bool:
    """True for one line that begins as an error of the command does, or for one object, if that is asked for."""
    lines = stderr.splitlines()
    if len(lines) != 1 or not stderr.endswith("\n"):
        return False
    return list(json.loads(stderr)) == ["error", "error_code"] if as_json else lines[0].startswith("inr: error: ")


def lasting(steps: int) -> int:
    """Steps of a fit that is interrupted: so many with the compiled kernels; without them fewer last as long."""
    return steps if native.load() is not None else steps // 20
