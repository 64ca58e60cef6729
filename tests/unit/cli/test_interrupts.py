"""A command that a signal ends leaves no temporary file, and dies of that signal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inr.files import remove_temporary, temporary, temporary_folder
from tests.support.commands import TIMEOUT_S, command, contents, environment, lasting, png_of
from tests.support.servers import until
from tests.support.small_fits import compressed

GOLDEN = Path(__file__).parents[2] / "golden"
DEADLY = [signal.SIGTERM, signal.SIGHUP]
SMALL = ("--model", "siren", "--set", "width=8", "--set", "depth=1", "--quiet")

ON_A_SLOW_DISK = """
import os, sys, time
from inr.cli.main import main
replace = os.replace
def slowly(*paths):
    time.sleep(100)
    replace(*paths)
os.replace = slowly
sys.exit(main(sys.argv[1:]))
"""
"""The command, where the last act of writing a file takes long."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(png_of(64))
    (tmp_path / "a.inr").write_bytes(compressed("siren").data)
    (tmp_path / "clip.inr").write_bytes((GOLDEN / "video_tiles.inr").read_bytes())
    (tmp_path / "tmp").mkdir()
    return tmp_path


@contextmanager
def running(place: Path, *arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A process in the folder, which also has its own place for temporary files; killed in the end."""
    with subprocess.Popen(
        arguments,
        cwd=place,
        env={**environment(), "TMPDIR": str(place / "tmp")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def temporaries(place: Path) -> list[str]:
    return [path.name for path in place.iterdir() if path.name.startswith(".inr-")] + os.listdir(place / "tmp")


def check_nothing_is_left(place: Path, number: int, *arguments: str) -> None:
    before = contents(place)
    with running(place, *arguments) as process:
        until(lambda: temporaries(place) or process.poll() is not None, TIMEOUT_S)
        assert process.poll() is None, process.communicate()
        process.send_signal(number)
        output, errors = process.communicate(timeout=TIMEOUT_S)
    assert contents(place) == before
    assert temporaries(place) == []
    assert b"Traceback" not in output + errors
    if number == signal.SIGINT:
        assert (process.returncode, errors) == (1, b"inr: interrupted; nothing was written\n")
    else:
        assert (process.returncode, errors) == (-number, b"")


@pytest.mark.parametrize("number", [*DEADLY, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize(
    "line",
    [
        "compress a.png new.inr --steps 2",
        "fit a.png new.inr --steps 2",
        "fit a.png --steps 2 --curve curve.csv",
        "decompress a.inr new.png",
    ],
)
def test_writing_is_given_up(place: Path, line: str, number: int) -> None:
    rest = () if line.startswith("decompress") else SMALL
    check_nothing_is_left(place, number, sys.executable, "-c", ON_A_SLOW_DISK, *line.split(), *rest)


@pytest.mark.parametrize("number", DEADLY, ids=lambda number: number.name)
@pytest.mark.parametrize("output", ["new.mkv", "frames"])
def test_a_video_is_given_up_amid_its_frames(place: Path, output: str, number: int) -> None:
    if output == "new.mkv":
        pytest.importorskip("av")
    line = ("decompress", "clip.inr", output, "--scale", "60", "--fps", "1000")
    check_nothing_is_left(place, number, *command(*line))


def test_a_terminated_fit_keeps_its_checkpoint(place: Path) -> None:
    """What ends jobs on a cluster gives them the time to save."""
    line = ("compress", "a.png", "new.inr", "--steps", str(lasting(1_000_000)), *SMALL[:-1], "--checkpoint", "fit.ckpt")
    with running(place, *command(*line)) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert b"fit cancelled after " in errors
    assert (place / "fit.ckpt").is_file()
    assert temporaries(place) == []


def test_an_ignored_signal_stays_ignored(place: Path) -> None:
    """As under `nohup`."""
    code = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.executable, sys.argv[1:])"
    )
    line = command("compress", "a.png", "new.inr", "--steps", "300", *SMALL[:-1])
    with running(place, sys.executable, "-c", code, *line) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert (place / "new.inr").is_file()


def test_everything_temporary_is_removed_at_once(tmp_path: Path) -> None:
    with temporary(tmp_path / "a.tmp") as file, temporary(tmp_path / "b.tmp") as folder, temporary_folder() as other:
        file.write_bytes(b"half")
        folder.mkdir()
        (folder / "00000.png").write_bytes(b"half")
        (other / "image.exr").write_bytes(b"half")
        remove_temporary()
        assert [path.exists() for path in (file, folder, other)] == [False] * 3


def test_a_fork_leaves_the_files_of_its_parent_alone(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from inr.files import remove_temporary, temporary\n"
        "with temporary(Path(sys.argv[1])) as path:\n"
        "    path.write_bytes(b'half')\n"
        "    if os.fork() == 0:\n"
        "        remove_temporary()\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    sys.stdout.write(str(path.exists()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], capture_output=True, check=True, text=True)
    assert done.stdout == "True"
    assert list(tmp_path.iterdir()) == []
