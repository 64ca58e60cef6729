"""Pipes in the place of files: opened once, read to the end, written to as they are."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import inr
from inr.cli.main import main
from inr.files import is_standard_input, is_standard_output, names_no_format
from inr.signals.image.read import decode_image
from inr.signals.video.read import load_video
from inr.signals.video.write import save_video
from tests.support.commands import TIMEOUT_S, command, environment, png_of
from tests.support.small_fits import compressed
from tests.support.video_files import meta_of, moving

FRAMES = moving(5, 24, 32)
FAST = ("--model", "siren", "--set", "width=16", "--steps", "3", "--quiet")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A picture, an array, a video, and the picture compressed."""
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "a.npy", np.sin(np.mgrid[:9, :8, :7].sum(0) / 5).astype(np.float32))
    save_video(folder / "c.mkv", FRAMES, meta_of(FRAMES))
    made = {"x.png": png_of(40), "x.inr": compressed("siren").data}
    return made | {name: (folder / name).read_bytes() for name in ("a.npy", "c.mkv")}


Pipe = Callable[[str], Path]


@pytest.fixture
def pipe(tmp_path: Path, files: dict[str, bytes]) -> Iterator[Pipe]:
    """Makes a named pipe that gives the bytes of a file once, in pieces, to whoever opens it."""
    writers: list[threading.Thread] = []

    def make(name: str) -> Path:
        path = tmp_path / f"pipe{len(writers)}"
        os.mkfifo(path)

        def write() -> None:
            with path.open("wb", buffering=0) as stream:
                for first in range(0, len(files[name]), 1000):
                    stream.write(files[name][first : first + 1000])

        writers.append(threading.Thread(target=write, daemon=True))
        writers[-1].start()
        return path

    yield make
    for writer in writers:
        writer.join(timeout=TIMEOUT_S)
        assert not writer.is_alive()


@pytest.mark.parametrize("name", ["x.png", "a.npy", "c.mkv"])
def test_every_kind_is_compressed_from_a_pipe_as_from_a_file(
    tmp_path: Path, files: dict[str, bytes], pipe: Pipe, name: str
) -> None:
    (tmp_path / name).write_bytes(files[name])
    for source, output in ((tmp_path / name, "file.inr"), (pipe(name), "pipe.inr")):
        assert main(["compress", str(source), str(tmp_path / output), *FAST]) == 0
    assert (tmp_path / "pipe.inr").read_bytes() == (tmp_path / "file.inr").read_bytes()


def test_every_command_takes_pipes(tmp_path: Path, pipe: Pipe, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["info", str(pipe("x.inr"))],
        ["decompress", str(pipe("x.inr")), str(tmp_path / "x.png")],
        ["fit", str(pipe("x.png")), *FAST],
        ["compare", str(pipe("x.png")), str(pipe("x.png"))],
        ["compare", str(tmp_path / "x.png"), str(pipe("x.inr"))],
    ):
        assert main(arguments) == 0, arguments
    assert "100.00 dB" in capsys.readouterr().out
    assert decode_image((tmp_path / "x.png").read_bytes(), "x").domain.shape == (64, 64)
    assert inr.load(pipe("a.npy")).domain.shape == (9, 8, 7)
    assert load_video(pipe("c.mkv")).domain.shape == FRAMES.shape[:3]


@pytest.mark.parametrize("name", ["pipe", "pipe.jpg", "pipe.npy"])
def test_a_pipe_is_written_in_the_format_of_its_suffix_or_png(
    tmp_path: Path, files: dict[str, bytes], name: str
) -> None:
    (tmp_path / "x.inr").write_bytes(files["x.inr"])
    path, received = tmp_path / name, list[bytes]()
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()), daemon=True)
    reader.start()
    assert main(["decompress", str(tmp_path / "x.inr"), str(path)]) == 0
    reader.join(timeout=TIMEOUT_S)
    start = {"pipe": b"\x89PNG", "pipe.jpg": b"\xff\xd8\xff", "pipe.npy": b"\x93NUMPY"}[name]
    assert received[0].startswith(start)
    assert decode_image(received[0], name).domain.shape == (64, 64)


@pytest.mark.parametrize("output", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_any_name_gets_the_file_alone(
    tmp_path: Path, files: dict[str, bytes], output: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for name in ("x.png", "x.inr"):
        (tmp_path / name).write_bytes(files[name])
    for arguments in (["compress", str(tmp_path / "x.png"), output], ["fit", str(tmp_path / "x.png"), output]):
        assert main([*arguments, *FAST]) == 0
        assert inr.open(capfdbinary.readouterr().out).decode().shape == (40, 40, 3)
    assert main(["decompress", str(tmp_path / "x.inr"), output]) == 0
    assert decode_image(capfdbinary.readouterr().out, "x").domain.shape == (64, 64)
    assert main(["decompress", str(tmp_path / "x.inr"), output, "--json"]) == 2
    assert b"both want standard output" in capfdbinary.readouterr().err


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """A line of bash in which ``inr`` is the command."""
    script = f'inr() {{ {" ".join(command())} "$@"; }}; {line}'
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(
        [bash, "-c", script], cwd=cwd, env=environment(), capture_output=True, timeout=TIMEOUT_S, check=False
    )


def test_process_substitution_and_standard_streams_of_a_shell(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name in ("x.png", "x.inr"):
        (tmp_path / name).write_bytes(files[name])
    options = " ".join(FAST)
    for line, said in (
        (f"inr compress <(cat x.png) >(cat > y.inr) {options} && sleep 0.2 && inr info <(cat y.inr)", b"40x40x3"),
        (f"inr compress /dev/stdin /dev/stdout {options} < x.png | inr compare x.png -", b" dB"),
        ("inr compare <(cat x.png) <(cat x.png)", b"100.00 dB"),
        ("cat x.png | inr compare - x.png", b"100.00 dB"),
    ):
        done = shell(line, tmp_path)
        assert (done.returncode, done.stderr) == (0, b""), line
        assert said in done.stdout, line


def test_what_cannot_be(tmp_path: Path, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "-", "/dev/stdin"]) == 2
    assert "standard input is read once; name a file for one of the two" in capsys.readouterr().err
    (tmp_path / "c.mkv").write_bytes(files["c.mkv"])
    assert main(["compress", str(tmp_path / "c.mkv"), str(tmp_path / "c.inr"), *FAST]) == 0
    for output, message in (("/dev/stdout", "cannot go to standard output"), ("/dev/null", "whose name has no suffix")):
        assert main(["decompress", str(tmp_path / "c.inr"), output]) == 2
        assert message in capsys.readouterr().err


def test_names_of_streams(tmp_path: Path) -> None:
    assert [is_standard_input(name) for name in ("-", "/dev/stdin", "/dev/stdout", "stdin")] == [
        True,
        True,
        False,
        False,
    ]
    assert [is_standard_output(name) for name in ("-", Path("/dev/fd/1"), None)] == [True, True, False]
    assert [names_no_format(name) for name in ("-", "/dev/null", tmp_path, "x", "x.png")] == [True, True, *[False] * 3]
