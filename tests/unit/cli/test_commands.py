"""The command line does what it says: the real command, run as a user runs it."""

import csv
import io
import json
import os
import pty
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from inr.cli.main import main
from tests.support.commands import (
    TIMEOUT_S,
    command,
    contents,
    environment,
    interrupted,
    is_one_error,
    lasting,
    png_of,
    run,
)
from tests.support.default_backend import AUTO
from tests.support.small_fits import compressed, photo, psnr_of

FIT_KEYS = {"model", "backend", "parameters", "steps", "psnr", "ssim", "seconds_fit", "seed"}
REPORT_KEYS = FIT_KEYS | {"bytes", "bpp", "seconds_total"}
COMMANDS = ("compress", "decompress", "info", "compare", "fit", "models", "backends", "presets", "samplers", "inits")
SMALL = ("--model", "siren", "--set", "width=8", "--set", "depth=1")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the photo as a.png and as a.inr, of three layers."""
    (tmp_path / "a.png").write_bytes(png_of(64))
    (tmp_path / "a.inr").write_bytes(compressed("siren", layers=3).data)
    return tmp_path


@pytest.fixture
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder as the working directory."""
    monkeypatch.chdir(place)
    return place


def succeeded(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_compress_reports_what_it_wrote(place: Path) -> None:
    done = run(
        "compress", "a.png", "b.inr", "--model", "hashgrid", "--size", "1500", "--steps", "40", "--json", cwd=place
    )
    report = json.loads(succeeded(done))
    data = (place / "b.inr").read_bytes()
    assert set(report) >= REPORT_KEYS
    assert (report["model"], report["backend"], report["steps"], report["seed"]) == ("hashgrid", AUTO, 40, 0)
    assert report["bytes"] == len(data)
    assert 0.85 * 1500 <= len(data) <= 1500
    assert report["bpp"] == pytest.approx(8 * len(data) / 64**2)
    assert report["psnr"] == pytest.approx(psnr_of(photo(64), inr.open(data).decode()), abs=1e-6)
    assert 0 < report["seconds_fit"] <= report["seconds_total"]
    assert done.stdout.count(b"\n") == 1
    lines = done.stderr.decode().splitlines()
    assert 2 <= len(lines) <= 12
    assert all(line.startswith("fit: ") and "step" in line and "dB" in line for line in lines)
    assert set(contents(place)) == {"a.png", "a.inr", "b.inr"}


def test_compress_says_one_line_a_person_can_read(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "a.png", "b.inr", "--steps", "3", "--quiet", "--layers", "2"]) == 0
    output, errors = capsys.readouterr()
    first, second = output.splitlines()
    assert first.startswith(f"b.inr: {(inside / 'b.inr').stat().st_size} bytes, ")
    assert "dB" in first
    assert second.startswith("layers: ")
    assert errors == ""


def test_bar_on_a_terminal(place: Path) -> None:
    terminal, inner = pty.openpty()
    with subprocess.Popen(
        command("compress", "a.png", "b.inr", *SMALL, "--steps", "200"),
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=inner,
    ) as process:
        os.close(inner)
        shown = b""
        while chunk := _read(terminal):
            shown += chunk
        output = process.communicate(timeout=TIMEOUT_S)[0]
    os.close(terminal)
    assert process.returncode == 0
    assert b"fitting" in shown
    assert b"dB" in shown
    assert b"\x1b[" in shown
    assert b"fit: " not in shown
    assert output.startswith(b"b.inr: ")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side has closed
        return b""


def test_decompress_any_size(inside: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    field = inr.open((inside / "a.inr").read_bytes())
    answer = json.loads(succeeded(run("decompress", "a.inr", "b.png", "--scale", "2", "--json", cwd=inside)))
    assert answer == {"output": "b.png", "width": 128, "height": 128, "shape": [128, 128], "layers": 3}
    assert np.array_equal(inr.load(inside / "b.png").samples, field.decode(scale=2.0))
    line = "decompress a.inr c.ppm --region 8,4,16,12 --size 32X24 --layers 1"
    assert main(line.split()) == 0
    assert capsys.readouterr() == ("c.ppm: 32x24\n", "")
    wanted = inr.open((inside / "a.inr").read_bytes(), layers=1).decode(size=(32, 24), region=(8, 4, 16, 12))
    assert np.array_equal(inr.load(inside / "c.ppm").samples, wanted)


def test_partial_warns(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inside / "cut.inr").write_bytes((inside / "a.inr").read_bytes()[:-9])
    assert main(["decompress", "cut.inr", "b.png", "--partial", "--json"]) == 0
    output, warning = capsys.readouterr()
    assert json.loads(output)["layers"] == 2
    assert warning.startswith("inr: warning: ")
    assert "decoded 2 intact layers" in warning
    assert warning.count("\n") == 1


def test_standard_input_and_output_carry_bytes(place: Path) -> None:
    packed = run("compress", "-", "-", "--steps", "3", "--size", "900", "--quiet", cwd=place, stdin=png_of(64))
    assert packed.returncode == 0, packed.stderr
    assert packed.stderr == b""
    assert len(packed.stdout) <= 900
    unpacked = run("decompress", "-", "-", cwd=place, stdin=packed.stdout)
    assert unpacked.returncode == 0, unpacked.stderr
    with Image.open(io.BytesIO(unpacked.stdout)) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), inr.open(packed.stdout).decode())
    described = json.loads(succeeded(run("info", "-", "--json", cwd=place, stdin=packed.stdout)))
    assert described["bytes"] == len(packed.stdout)
    assert set(contents(place)) == {"a.png", "a.inr"}


def processor_seconds(*arguments: str) -> float:
    """What one run takes of a processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, env=environment(), stdout=subprocess.DEVNULL, timeout=TIMEOUT_S, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_what_describes_starts_fast(place: Path) -> None:
    """Beside what loading the libraries takes: bounds in seconds would be those of one machine.

    Other tests on the machine slow single runs, so all three take turns, and the least of each counts.
    """
    libraries = (sys.executable, "-c", "import numpy, pydantic, typer; class_ = pydantic.BaseModel")
    programs = (libraries, command("info", str(place / "a.inr")), command("models"))
    taken = [[processor_seconds(*program) for program in programs] for _ in range(5)]
    alone, info, models = (min(times) for times in zip(*taken, strict=True))
    assert info < alone
    assert models < 2.5 * alone


def test_info_says_what_is_inside(place: Path) -> None:
    described = json.loads(succeeded(run("info", "a.inr", "--json", cwd=place)))
    report = compressed("siren", layers=3).report
    assert (described["model"], described["shape"], described["bytes"]) == ("siren", [64, 64], report.bytes)
    assert [layer["layer"] for layer in described["layers"]] == [1, 2, 3]
    assert [layer["psnr"] for layer in described["layers"]] == pytest.approx(report.layer_psnr, abs=0.006)
    text = succeeded(run("info", "a.inr", cwd=place))
    assert text.startswith("a.inr: inr 1.0, image 64x64x3 uint8, srgb\n")
    assert text.count("layer ") == 3


def test_compare_measures(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(succeeded(run("compare", "a.png", "a.inr", "--json", cwd=place)))
    report = compressed("siren", layers=3).report
    assert answer == pytest.approx({"psnr": report.psnr, "ssim": report.ssim, "bytes": report.bytes, "bpp": report.bpp})
    assert main(["compare", str(place / "a.png"), str(place / "a.png")]) == 0
    assert ": 100.00 dB, SSIM 1.0000, " in capsys.readouterr().out


def test_fit_writes_weights_and_curve(place: Path) -> None:
    line = "fit a.png f.inr --steps 30 --curve curve.csv --json --bits 16"
    answer = json.loads(succeeded(run(*line.split(), *SMALL, cwd=place)))
    assert set(answer) >= {*FIT_KEYS, "curve"}
    rows = list(csv.DictReader(io.StringIO((place / "curve.csv").read_text())))
    assert list(rows[0]) == ["step", "seconds", "loss", "psnr"]
    assert [int(row["step"]) for row in rows] == list(range(1, 31))
    assert float(rows[-1]["psnr"]) == pytest.approx(answer["psnr"], abs=0.1)
    described = json.loads(succeeded(run("info", "f.inr", "--json", cwd=place)))
    assert (described["coding"], described["model"]) == ("float16", "siren")
    assert answer["psnr"] == pytest.approx(psnr_of(photo(64), inr.open(place / "f.inr").decode()), abs=1e-6)


def test_fit_without_a_file_stops_at_a_psnr(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(inside)
    line = "fit a.png --steps 3000 --psnr 12 --quiet --curve curve.json"
    assert main([*line.split(), *SMALL]) == 0
    output, errors = capsys.readouterr()
    assert output.startswith("siren of 123 parameters: 1")
    assert errors == ""
    written = contents(inside)
    rows = json.loads(written.pop("curve.json"))
    assert rows[-1]["psnr"] >= 12 > rows[0]["psnr"]
    assert rows[-1]["step"] < 3000
    assert written == before


def test_models_as_the_issue_wants_them(place: Path) -> None:
    rows = json.loads(succeeded(run("models", "--json", cwd=place)))
    counts = {row["kind"]: row["parameters"] for row in rows}
    published = {
        **dict.fromkeys(("siren", "finer", "gauss"), 198_915),
        "wire": 199_287,
        "wire2d": 199_686,
        "sl2a": 330_243,
        "fkan": 436_355,
        "cafe": 224_439,
        "hashgrid": 291_395,
    }
    assert {kind: counts[kind] for kind in published} == published
    assert {"poly", "finr", "relu_pe", "densegrid", "bacon", "iterative", "bandpair"} <= set(counts)
    assert all(len(row["paper"]) > 20 for row in rows)
    assert all(row["settings"] for row in rows)


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("models", "kind", {"siren", "hashgrid"}),
        ("backends", "kind", {"native", "tcnn", "torch"}),
        ("presets", "name", {"fast", "default", "best"}),
        ("samplers", "kind", {"uniform", "full", "block", "teaching", "evos", "soft"}),
        ("inits", "kind", {"default", "vi3nr", "fresh", "scaled", "singular"}),
        ("losses", "kind", {"mse", "l1", "huber"}),
        ("tasks", "kind", {"fit", "superresolve"}),
        ("optimisers", "kind", {"adam", "adamw", "muon", "lbfgs"}),
        ("schedules", "kind", {"cosine", "exponential", "constant"}),
        ("reparams", "kind", {"none", "fourier"}),
    ],
)
def test_lists(capsys: pytest.CaptureFixture[str], name: str, key: str, values: set[str]) -> None:
    assert main([name, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row[key] for row in rows} >= values
    assert main([name]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[0] == key.upper()
    assert header == header.upper()
    assert [line.split()[0] for line in lines if line[0] != " "] == [row[key] for row in rows]
    assert all(any(row["paper"] in line for line in lines) for row in rows if "paper" in row)


def test_help_names_every_command(place: Path) -> None:
    text = succeeded(run("--help", cwd=place))
    assert [name for name in COMMANDS if f"  {name} " not in text] == []
    assert succeeded(run(cwd=place)) == text


STEPS = lasting(12_000)
LONG = ("compress", "tiny.png", "b.inr", *SMALL, "--steps", str(STEPS))


def interrupted_fit(place: Path, *options: str) -> tuple[int, list[str]]:
    """Exit code and lines of a fit that gets ctrl-C after its first line of progress."""
    (place / "tiny.png").write_bytes(png_of(16))
    code, first, output, rest = interrupted(*LONG, *options, cwd=place)
    assert output == ""
    return code, [first, *rest.splitlines(keepends=True)]


def test_ctrl_c_writes_nothing(place: Path) -> None:
    code, lines = interrupted_fit(place)
    assert code == 1
    assert lines[-1] == "inr: interrupted; nothing was written\n"
    assert all(line.startswith("fit: ") for line in lines[:-1])
    assert set(contents(place)) == {"a.png", "a.inr", "tiny.png"}


def test_ctrl_c_with_a_checkpoint_goes_on_later(place: Path) -> None:
    code, lines = interrupted_fit(place, "--checkpoint", "fit.ckpt")
    assert code == 1
    assert all(line.startswith("fit: ") for line in lines[:-1])
    assert is_one_error(lines[-1])
    done_steps = int(lines[-1].split("cancelled after ")[1].split()[0])
    assert 0.1 * STEPS <= done_steps < STEPS
    assert set(contents(place)) == {"a.png", "a.inr", "tiny.png", "fit.ckpt"}
    resumed = run(*LONG, "--checkpoint", "fit.ckpt", "--json", cwd=place)
    assert json.loads(succeeded(resumed))["steps"] == STEPS
    first = resumed.stderr.decode().splitlines()[0]
    assert int(first.split("step ")[1].split()[0]) > done_steps
    settings = {"width": 8, "depth": 1}
    whole = inr.compress(place / "tiny.png", model="siren", settings=settings, steps=STEPS)
    assert (place / "b.inr").read_bytes() == whole.data
