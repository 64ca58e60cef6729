"""Bad input: one line that says what is wrong, exit code 1 or 2, nothing left behind."""

import os
import re
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

from inr.cli import main as cli
from inr.cli.main import main
from inr.container.file import SIGNATURE
from tests.support.commands import TIMEOUT_S, command, contents, environment, is_one_error, png_of, run
from tests.support.image_files import picture, png_bytes
from tests.support.small_fits import compressed

FAST = ("--steps", "2", "--quiet")


def _npy(path: Path, value: float) -> None:
    samples = np.zeros((8, 9, 3), dtype=np.float32)
    samples[2, 3, 1] = value
    np.save(path, samples)


def fill(folder: Path) -> None:
    """Put good files, bad files and outputs that exist already into a folder."""
    data = compressed("siren", layers=3).data
    good = png_of(64)
    files = {
        "a.png": good,
        "a.inr": data,
        "empty.png": b"",
        "text.png": b"hello, I am no picture\n",
        "cut.png": good[: len(good) // 2],
        "point.png": png_bytes(picture("uint8", 3, (1, 1))),
        "row.png": png_bytes(picture("uint8", 3, (1, 9))),
        "column.png": png_bytes(picture("uint8", 1, (9, 1))),
        "newer.inr": data[:8] + b"\2" + data[9:],
        "cut.inr": data[:-3],
        "base_cut.inr": data[:60],
        "changed.inr": data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
        "huge.png": png_bytes(picture("uint8", 1), header=struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0)),
        "old.inr": SIGNATURE + b"precious",
        "old.png": png_of(16),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    (folder / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(30))
    (folder / "noise.bin").write_bytes(np.random.default_rng(0).bytes(3000))
    np.savez(folder / "archive.npz", x=np.zeros(3))
    (folder / "loop.png").symlink_to("loop.png")
    _npy(folder / "nan.npy", float("nan"))
    _npy(folder / "inf.npy", float("inf"))
    np.save(folder / "volume.npy", np.zeros((3, 4, 5, 6, 7), dtype=np.uint8))
    np.save(folder / "complex.npy", np.zeros((8, 8), dtype=np.complex64))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, filled."""
    fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ISSUE = {
    "missing file": ("compress nowhere.png old.inr", 1, "cannot read nowhere.png: no such file"),
    "directory": (
        "compress folder old.inr",
        1,
        "folder is a folder without pictures, which would be the frames of a video",
    ),
    "zero bytes": ("compress empty.png old.inr", 1, r"empty.png is empty \(0 bytes\)"),
    "text": (
        "compress text.png old.inr",
        1,
        r"text.png is text.* inr reads pictures .PNG, JPEG.* videos .MP4.* arrays .\.npy",
    ),
    "truncated": ("compress cut.png old.inr", 1, "cut.png is damaged"),
    "1x1": ("compress point.png old.inr --model siren", 1, "at least 2 pixels on each side; got 1x1"),
    "1xN": ("compress row.png old.inr --model siren", 1, "at least 2 pixels on each side; got 9x1"),
    "NaN": ("compress nan.npy old.inr", 1, r"nan.npy has 1 samples that are NaN .* index \(2, 3, 1\)"),
    "unknown model": ("compress a.png old.inr --model wyre", 2, "unknown model 'wyre'; known: siren, hashgrid"),
    "unknown option": ("compress a.png old.inr --speed 3", 2, "[Nn]o such option: --speed"),
    "impossible size": ("compress a.png old.inr --size 10", 2, r"size: 10 bytes are too few; the smallest is \d+"),
    "unwritable": ("compress a.png nowhere/x.inr", 1, "cannot write nowhere/x.inr: the directory nowhere does not"),
    "newer version": ("decompress newer.inr old.png", 1, r"format version 2.0; this version reads 1.x"),
}


Runs = dict[str, "Future[subprocess.CompletedProcess[bytes]]"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Runs]]:
    """A filled folder and the real command on all bad inputs of the issue in it, two at a time."""
    folder = tmp_path_factory.mktemp("issue")
    fill(folder)
    with ThreadPoolExecutor(2) as pool:
        yield folder, {case: pool.submit(run, *line.split(), cwd=folder) for case, (line, _, _) in ISSUE.items()}


@pytest.mark.parametrize("case", ISSUE)
def test_bad_input_of_the_issue(runs: tuple[Path, Runs], place: Path, case: str) -> None:
    folder, answers = runs
    _, code, message = ISSUE[case]
    done = answers[case].result()
    assert is_one_error(done.stderr.decode()), done.stderr
    assert re.search(message, done.stderr.decode())
    assert done.returncode == code
    assert done.stdout == b""
    wait(answers.values())
    assert contents(folder) == contents(place)


COMPRESS = [
    ("photo.heic old.inr", 1, "photo.heic is a HEIC picture, which is not supported; inr reads pictures .PNG"),
    ("noise.bin old.inr", 1, "noise.bin is of a format that is not supported; inr reads pictures .*videos .*arrays"),
    ("archive.npz old.inr", 1, "archive.npz is a zip archive, as .npz files are, which is not supported"),
    ("loop.png old.inr", 1, "cannot read loop.png: too many levels of symbolic links"),
    ("folder/ old.inr", 1, "folder/ is a folder without pictures, which would be the frames of a video"),
    ("inf.npy old.inr", 1, "1 that are infinite"),
    ("volume.npy old.inr", 1, r"shape \(3, 4, 5, 6, 7\) with 5 axes of coordinates; allowed are"),
    ("complex.npy old.inr", 1, "complex64; allowed are uint8"),
    ("column.png old.inr --model siren", 1, "got 1x9"),
    ("huge.png old.inr", 1, "too large: .* at most"),
    ("a.inr old.inr", 1, "a.inr is a .inr file already"),
    ("a.png/x old.inr", 1, "not a directory"),
    ("a.png folder", 1, "cannot write folder: it is a directory"),
    ("a.png a.png/x.inr", 1, "cannot write a.png/x.inr"),
    (f"a.png {'n' * 300}", 1, "name too long"),
    (f"{'n' * 300} old.inr", 1, "name too long"),
    ("a.png", 2, "OUT.inr"),
    ("", 2, "IN"),
    ("a.png old.inr extra", 2, "extra"),
    ("a.png - --json", 2, "both want standard output"),
    ("a.png old.inr --preset extreme", 2, "unknown preset 'extreme'; known: fast, default, best"),
    ("a.png old.inr --size 0", 2, "size"),
    ("a.png old.inr --size -5", 2, "size"),
    ("a.png old.inr --size 1e3", 2, "--size"),
    ("a.png old.inr --size 99999999 --model siren", 2, "got 99999999"),
    ("a.png old.inr --bpp 0", 2, "bpp"),
    ("a.png old.inr --bpp nan", 2, "bpp.*finite"),
    ("a.png old.inr --bpp 65", 2, "bpp.*64"),
    ("a.png old.inr --bpp 0.0001", 2, r"bytes are too few; the smallest is \d+"),
    ("a.png old.inr --bpp 0.0001 --model siren", 2, r"can have \d+ to"),
    ("a.png old.inr --coder latent --model siren", 2, "model: the coder latent has none; it takes "),
    ("a.png old.inr --coder latent --lr 0.1", 2, "learning_rate: the coder latent has none; it takes "),
    ("a.png old.inr --coder latent:width=0", 2, "latent: width: "),
    ("a.png old.inr --psnr 100", 2, "psnr.*99"),
    ("a.png old.inr --psnr 80", 2, "80 dB was not reached, the file has"),
    ("a.png old.inr --psnr 80 --model siren", 2, "80 dB was not reached, the best was"),
    ("a.png old.inr --lambda 0.01 --model siren", 2, "lmbda: the coder weights has none"),
    ("a.png old.inr --quality 0", 2, "quality.*1"),
    ("a.png old.inr --quality 101", 2, "quality.*100"),
    ("a.png old.inr --size 900 --bpp 2", 2, "at most one of"),
    ("a.png old.inr --bits 13", 2, "bits: 1 to 12, or 16 or 32"),
    ("a.png old.inr --bits 0", 2, "bits"),
    ("a.png old.inr --layers 9", 2, "layers.*8"),
    ("a.png old.inr --layers 2 --bits 32", 2, "1 layer"),
    ("a.png old.inr --set width", 2, "--set takes name=value; got 'width'"),
    ("a.png old.inr --set width=wide", 2, "width: .*integer.*; got 'wide'"),
    ("a.png old.inr --set wdth=3", 2, "no setting 'wdth'; it has .*width"),
    ("a.png old.inr --set width=1.5", 2, "width.*integer"),
    ("a.png old.inr --set width=inf", 2, "width"),
    ("a.png old.inr --set width=8 --size 900", 2, "not both"),
    ("a.png old.inr --model siren --set width=4096", 2, "50368515 parameters; a file holds at most 16777216"),
    ("a.png old.inr --seconds 0", 2, "seconds"),
    ("a.png old.inr --seconds nan", 2, "seconds"),
    ("a.png old.inr --lr 0", 2, "learning_rate"),
    ("a.png old.inr --batch 0", 2, "batch"),
    ("a.png old.inr --seed -1", 2, "seed"),
    ("a.png old.inr --seed x", 2, "--seed"),
    ("a.png old.inr --backend abacus", 2, "unknown backend 'abacus'; known: auto, native, tcnn, torch"),
    ("a.png old.inr --device tpu", 2, "device"),
    ("a.png old.inr --checkpoint folder", 1, "folder"),
    ("a.png old.inr --checkpoint nowhere/c", 1, "cannot write nowhere/c"),
    ("a.png old.inr --checkpoint text.png", 1, "text.png is not a checkpoint"),
]
DECOMPRESS = [
    ("nowhere.inr old.png", 1, "cannot read nowhere.inr"),
    ("folder old.png", 1, "is a directory"),
    ("empty.png old.png", 1, "not a .inr file"),
    ("a.png old.png", 1, "not a .inr file"),
    ("cut.inr old.png", 1, "cut: 3 of .* bytes are missing; --partial decodes the 2 intact layers"),
    ("base_cut.inr old.png --partial", 1, "cut"),
    ("changed.inr old.png", 1, "CRC-32"),
    ("a.inr old.xyz", 2, "unknown image suffix '.xyz'; allowed are .png"),
    ("a.inr old", 2, "unknown image suffix ''"),
    ("a.inr folder", 2, "unknown image suffix ''"),
    ("a.inr nowhere/x.png", 1, "does not exist"),
    ("a.inr - --json", 2, "both want standard output"),
    ("a.inr old.png --scale 0", 2, "more than 0; got 0"),
    ("a.inr old.png --scale nan", 2, "got nan"),
    ("a.inr old.png --scale 1e12", 1, "too large"),
    ("a.inr old.png --scale big", 2, "--scale"),
    ("a.inr old.png --size 64", 2, "size: needs width and height, at least 1 each; got 64"),
    ("a.inr old.png --size 0x4", 2, "at least 1 each; got 0x4"),
    ("a.inr old.png --size ²x4", 2, "whole numbers"),
    (f"a.inr old.png --size {'9' * 5000}x4", 2, "whole numbers"),
    ("a.inr old.png --size 99999999x9999999", 1, "too many samples; at most"),
    ("a.inr old.png --size 4x4 --scale 2", 2, "not both"),
    ("a.inr old.png --region 0,0,4", 2, "region: needs x, y, width and height; got 0,0,4"),
    ("a.inr old.png --region 60,0,8,8", 2, r"axis x has samples 0\.\.63; got 8 from 60"),
    ("a.inr old.png --region -1,0,8,8", 2, "--region"),
    ("a.inr old.png --layers 4", 1, r"layers must be within 1\.\.3; got 4"),
    ("a.inr old.png --layers 0", 1, r"layers must be within 1\.\.3; got 0"),
    ("a.inr old.png --max-bytes 0", 2, "at least 1"),
    ("a.inr old.png --max-bytes 9", 1, "ends"),
    ("a.inr old.png --backend abacus", 2, "unknown backend"),
    ("a.inr old.jpg --device tpu", 1, "device"),
]
OTHERS = [
    ("compress a.png old.inr --model", 2, "'--model' requires an argument"),
    ("info", 2, "FILE"),
    ("info a.png", 1, "not a .inr file"),
    ("info nowhere.inr", 1, "cannot read nowhere.inr"),
    ("info newer.inr", 1, "version 2.0; this version reads 1.x"),
    ("info cut.inr", 1, "3 of .* bytes are missing"),
    ("info a.inr b.inr", 2, "b.inr"),
    ("info a.inr --verbose", 2, "--verbose"),
    ("compare a.png point.png", 1, "cannot compare 64x64x3 uint8 with 1x1x3 uint8"),
    ("compare nowhere.png a.inr", 1, "cannot read nowhere.png"),
    ("compare a.png text.png", 1, "text.png is text, which is not supported"),
    ("compare a.png newer.inr", 1, "version 2.0"),
    ("fit a.png old.inr --bits 8", 2, "bits: 16 or 32 store floats; got 8"),
    ("fit a.png old.inr --curve nowhere/c.csv", 1, "cannot write nowhere/c.csv"),
    ("fit a.png old.inr --curve folder", 1, "it is a directory"),
    ("fit a.png old.inr --psnr 0", 2, "psnr"),
    ("fit a.png - --json", 2, "both want standard output"),
    ("compres a.png old.inr", 2, r"compres.*\(compress, decompress, "),
    ("--verbose", 2, "--verbose"),
    ("models all", 2, "all"),
]
CASES = [
    *((f"compress {line} {' '.join(FAST)}", *rest) for line, *rest in COMPRESS),
    *((f"decompress {line}", *rest) for line, *rest in DECOMPRESS),
    *OTHERS,
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("line", "code", "message"), CASES, ids=[str(line)[:60] for line, *_ in CASES])
def test_bad_input(place: Path, capsys: pytest.CaptureFixture[str], line: str, code: int, message: str) -> None:
    """In this process, which is the same but for the start of the interpreter."""
    before = contents(place)
    assert main(line.split()) == code
    output, errors = capsys.readouterr()
    assert is_one_error(errors, as_json="--json" in line), errors
    assert re.search(message, errors), errors
    assert output == ""
    assert contents(place) == before


@pytest.mark.parametrize("line", ["compress - x.inr", "info -"])
def test_empty_standard_input(place: Path, line: str) -> None:
    before = contents(place)
    done = run(*line.split(), cwd=place)
    assert is_one_error(done.stderr.decode())
    assert done.returncode == 1
    assert contents(place) == before


def test_a_name_of_strange_bytes_is_said_in_what_a_terminal_shows(place: Path) -> None:
    for name, message in ((b"\xff\n.png", "no such file"), (b"\xfe.png", "is text, which is not supported")):
        (place / os.fsdecode(b"\xfe.png")).write_bytes(b"words")
        done = run("compress", os.fsdecode(name), "old.inr", cwd=place)
        assert is_one_error(done.stderr.decode("ascii"))
        assert message in done.stderr.decode()
        assert done.returncode == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "a.png").chmod(0)
    assert main(["compress", "a.png", "old.inr", *FAST]) == 1
    assert capsys.readouterr().err == "inr: error: cannot read a.png: permission denied\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "folder").chmod(0o500)
    assert main(["compress", "a.png", "folder/x.inr", *FAST]) == 1
    assert capsys.readouterr().err == "inr: error: cannot write folder/x.inr: permission denied\n"


def test_failure_at_the_very_end_leaves_the_old_file(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    before = contents(place)
    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["decompress", "a.inr", "old.png", "--force"]) == 1
    assert capsys.readouterr().err == "inr: error: cannot write old.png: no space left on device\n"
    assert contents(place) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("line", ["info a.inr", "decompress a.inr -"])
def test_full_standard_output(place: Path, line: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command(*line.split()),
            cwd=place,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.stderr == b"inr: error: cannot write standard output: no space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("line", ["info a.inr", "decompress a.inr -"])
def test_closed_pipe_is_silent(place: Path, line: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            command(*line.split()),
            cwd=place,
            env=environment(),
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [("<&-", 1, "standard input: it is closed"), (">&-", 0, ""), ("2>&-", 1, ""), (">&- 2>&-", 0, "")],
)
def test_closed_streams(place: Path, redirection: str, code: int, message: str) -> None:
    target = {"<&-": "-", "2>&-": "nowhere.inr"}.get(redirection, "a.inr")
    shell = f'exec "$@" {redirection}'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *command("info", target)],
        cwd=place,
        env=environment(),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stdout + done.stderr


def test_file_name_that_is_not_unicode(place: Path) -> None:
    name = os.fsdecode(b"\xff.inr")
    (place / name).write_bytes((place / "a.inr").read_bytes())
    strict = {**environment(), "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(
        command("info", name), cwd=place, env=strict, capture_output=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith(rb"\udcff.inr: inr 1.0, image 64x64x3")
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (MemoryError(), "inr: error: out of memory\n"),
        (KeyboardInterrupt(), "inr: interrupted; nothing was written\n"),
    ],
)
def test_failures_of_the_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, raised: BaseException, message: str
) -> None:
    def fail(arguments: list[str]) -> int:
        raise raised

    monkeypatch.setattr(cli, "_run", fail)
    assert main(["info"]) == 1
    assert capsys.readouterr().err == message
