"""The client's side of the command line: the real command against a real server, as a user runs it."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import inr
from inr.cli.main import main
from tests.service.conftest import SMALL
from tests.support.commands import TIMEOUT_S, command, environment, is_one_error, run
from tests.support.servers import RunningServer, alone, until

STATES = {"queued", "running", "done", "failed", "cancelled"}
FIT = ("--model", "siren", "--set", "width=16", "--set", "depth=2", "--steps", "40")
"""`SMALL`, as it is typed."""
ENDLESS = (*FIT, "--steps", "100000")
"""Minutes, cancelled in the end."""
PROGRESS = re.compile(r"fit: +(\d+)%  step (\d+)  -?\d+\.\d\d dB  \d+ s left")


@pytest.fixture
def place(
    tmp_path: Path, server: RunningServer, picture: npt.NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working directory, with a.png in it; the shared server is the one that commands talk to."""
    Image.fromarray(picture).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INR_SERVER", server.address)
    monkeypatch.delenv("INR_TOKEN", raising=False)
    monkeypatch.delenv("INR_CA", raising=False)
    return tmp_path


@pytest.fixture
def endless(place: Path, client: inr.Client, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """Id of a job that runs until it is cancelled."""
    job = client.job(submitted(capsys, *ENDLESS))
    until(lambda: job.info().progress is not None)
    yield job.id
    job.cancel()
    until(lambda: job.info().has_ended)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard output of a command that succeeds, and says nothing else."""
    assert main(list(arguments)) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    return output


def seconds_in(span: str) -> float:
    """What ``3m05s`` says."""
    units = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([dhms])", span))


def submitted(capsys: pytest.CaptureFixture[str], *arguments: str, source: str = "a.png") -> str:
    """Id of a new job."""
    identity = json.loads(said(capsys, "submit", source, *arguments, "--json"))["id"]
    assert isinstance(identity, str)
    return identity


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """The one line of a command that fails with this code and writes nothing on standard output."""
    assert main(list(arguments)) == code
    output, errors = capsys.readouterr()
    assert output == ""
    assert is_one_error(errors), errors
    return errors


def test_submit_and_jobs_print_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = said(capsys, "submit", "a.png", *FIT, "--json")
    assert output.count("\n") == 1
    job = json.loads(output)
    assert job["id"]
    assert job["state"] in STATES
    assert job["name"] == "a.png"
    ended = json.loads(said(capsys, "submit", "a.png", *FIT, "--seed", "1", "--wait", "--quiet", "--json"))
    assert (ended["state"], ended["attempts"]) == ("done", 1)
    assert ended["result"]["bytes"] > 0
    output = said(capsys, "jobs", "--json")
    assert output.count("\n") == 1
    listed = json.loads(output)
    assert isinstance(listed, list)
    assert [entry["id"] for entry in listed[:2]] == [ended["id"], job["id"]]  # newest first
    assert {entry["state"] for entry in listed} <= STATES


def test_jobs_by_state_and_number(place: Path, client: inr.Client, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        client.job(submitted(capsys, *FIT)).wait()
    done = json.loads(said(capsys, "jobs", "--state", "done", "--limit", "2", "--json"))
    assert [job["state"] for job in done] == ["done", "done"]
    head, *lines = said(capsys, "jobs", "--state", "done", "--limit", "2").splitlines()
    assert head.split() == ["ID", "STATE", "AGE", "DURATION", "LEFT", "NAME", "RESULT"]
    assert len(lines) == 2
    for line, job in zip(lines, done, strict=True):
        short, state, age, ran, left, name, *result = line.split()
        assert (short, state, left, name) == (job["id"][:12], "done", "-", "a.png")
        assert seconds_in(age) == pytest.approx(time.time() - job["created"], abs=60)
        assert seconds_in(ran) == pytest.approx(job["ended"] - job["started"], abs=0.06 if "." in ran else 1.0)
        assert result[:2] == [str(job["result"]["bytes"]), "bytes,"]
        assert line.index("a.png") == head.index("NAME")
    either = json.loads(said(capsys, "jobs", "--state", "queued", "--state", "running", "--json"))
    assert {job["state"] for job in either} <= {"queued", "running"}


def test_submit_writes_the_file_of_the_library(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, "submit", "a.png", "out.inr", *FIT, "--layers", "2", "--quiet")
    here = alone(place / "a.png", **SMALL, layers=2)
    assert (place / "out.inr").read_bytes() == here.data
    report = here.report
    assert f"{report.bytes} bytes, {report.bpp:.3f} bpp, {report.psnr:.2f} dB" in line
    assert line.count("\n") == 1
    assert {path.name for path in place.iterdir()} == {"a.png", "out.inr"}


def test_progress_lines_on_a_pipe(place: Path) -> None:
    done = run("submit", "a.png", *FIT, "--steps", "2000", "--wait", cwd=place)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[0-9a-f]+  [-0-9]+ [:0-9]+  done       a\.png  .*dB.*\n", done.stdout.decode())
    lines = done.stderr.decode().splitlines()
    states = [line.split(": ")[1] for line in lines if line.startswith("job ")]
    assert states == sorted(set(states), key=["queued", "running", "done"].index)
    assert states[-1] == "done"
    shown = [PROGRESS.fullmatch(line) for line in lines if not line.startswith("job ")]
    assert 2 <= len(shown) <= 12
    assert [int(match[1]) for match in shown if match] == sorted(int(match[1]) for match in shown if match)
    assert None not in shown


def on_a_terminal(place: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, and what a terminal that is standard error shows."""
    terminal, inner = pty.openpty()
    with subprocess.Popen(
        command(*arguments),
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
    return process.returncode, output.decode(), shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side has closed
        return b""


def test_bar_on_a_terminal(place: Path) -> None:
    code, output, shown = on_a_terminal(place, "submit", "a.png", *FIT, "--steps", "2000", "--wait")
    assert code == 0, shown
    assert output.count("\n") == 1
    assert "\x1b[" in shown
    assert "running" in shown
    assert re.search(r"step \d+  -?\d+\.\d\d dB", shown)
    assert "━" in shown
    assert "fit: " not in shown


def test_bytes_go_through_pipes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (place / "a.png").read_bytes()
    packed = run("submit", "-", "-", *FIT, "--quiet", cwd=place, stdin=source)
    assert packed.returncode == 0, packed.stderr
    assert packed.stderr == b""
    assert packed.stdout == alone(source, **SMALL).data
    [job] = json.loads(said(capsys, "jobs", "--limit", "1", "--json"))
    fetched = run("fetch", job["id"], "-", cwd=place)
    assert (fetched.returncode, fetched.stdout, fetched.stderr) == (0, packed.stdout, b"")
    assert {path.name for path in place.iterdir()} == {"a.png"}


def test_fetch_writes_what_submit_would(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = submitted(capsys, *FIT)
    line = said(capsys, "fetch", job, "late.inr")
    assert line.startswith(f"{job}  ")
    assert " done " in line
    assert (place / "late.inr").read_bytes() == alone(place / "a.png", **SMALL).data
    again = json.loads(said(capsys, "fetch", job, "again.inr", "--json"))
    assert again["id"] == job
    assert (place / "again.inr").read_bytes() == (place / "late.inr").read_bytes()
    assert "the directory nowhere does not exist" in refused(capsys, 1, "fetch", job, "nowhere/late.inr")


def test_watch_shows_a_job_from_its_beginning(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = submitted(capsys, *FIT, "--steps", "1000")
    assert main(["watch", job]) == 0
    output, errors = capsys.readouterr()
    assert output.startswith(f"{job}  ")
    assert " done " in output
    lines = errors.splitlines()
    assert lines[0] == f"job {job}: queued"
    assert lines[-1] == f"job {job}: done"
    assert any(PROGRESS.fullmatch(line) for line in lines)
    assert main(["watch", job, "--json"]) == 0
    output, errors = capsys.readouterr()  # of a job that has ended long ago
    assert json.loads(output)["state"] == "done"
    assert errors.splitlines()[-1] == f"job {job}: done"


def test_a_cancelled_job(place: Path, client: inr.Client, capsys: pytest.CaptureFixture[str], endless: str) -> None:
    answer = json.loads(said(capsys, "cancel", endless, "--json"))
    assert answer["id"] == endless
    until(lambda: client.job(endless).info().state == "cancelled")
    assert json.loads(said(capsys, "jobs", "--state", "cancelled", "--limit", "1", "--json"))[0]["id"] == endless
    assert main(["watch", endless]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    *told, error = errors.splitlines(keepends=True)
    assert told[-1] == f"job {endless}: cancelled\n"
    assert is_one_error(error)
    assert "was cancelled" in error
    assert "was cancelled" in refused(capsys, 1, "fetch", endless, "never.inr")
    assert not (place / "never.inr").exists()


def test_a_failed_job_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "text.png").write_bytes(b"this is no picture")
    error = refused(capsys, 1, "submit", "text.png", "text.inr", *FIT, "--quiet")
    assert "text.png" in error
    assert not (place / "text.inr").exists()
    [job] = json.loads(said(capsys, "jobs", "--limit", "1", "--json"))
    assert (job["state"], job["error_code"]) == ("failed", "bad_signal")
    assert job["error"] in error
    assert job["error"] in said(capsys, "jobs", "--state", "failed", "--limit", "1")


def interrupted(place: Path, *arguments: str, ready: Callable[[], bool] | None = None) -> tuple[int, bytes, str]:
    """Exit code and streams of a command that gets ctrl-C when that is so, or as soon as it shows that its job runs."""
    with subprocess.Popen(
        command(*arguments),
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        if process.stderr is None:
            raise RuntimeError("no standard error")
        shown = b""
        while ready is None and b"running" not in shown and (line := process.stderr.readline()):
            shown += line
        if ready is not None:
            until(ready)
        os.killpg(process.pid, signal.SIGINT)
        output, rest = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, output, (shown + rest).decode()


def test_ctrl_c_leaves_the_job_alone(place: Path, client: inr.Client, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, shown = interrupted(place, "submit", "a.png", "never.inr", *ENDLESS)
    [newest] = client.jobs(limit=1)
    try:
        assert (code, output) == (1, b"")
        hint = f"inr: job {newest.id} goes on; inr watch {newest.id} shows it, inr cancel {newest.id} stops it"
        assert hint in shown.splitlines()
        assert "Traceback" not in shown
        assert not (place / "never.inr").exists()
        assert newest.state == "running"
        steps = _steps(client, newest.id)
        until(lambda: _steps(client, newest.id) > steps)  # it works
        code, output, shown = interrupted(place, "watch", newest.id)
        assert (code, output) == (1, b"")
        assert hint in shown.splitlines()
        assert client.job(newest.id).info().state == "running"
    finally:
        said(capsys, "cancel", newest.id)
        until(lambda: client.job(newest.id).info().has_ended)


def test_ctrl_c_when_nothing_is_shown(place: Path, client: inr.Client) -> None:
    before = {job.id for job in client.jobs()}

    def works() -> bool:
        return any(job.id not in before and job.progress is not None for job in client.jobs(limit=1))

    arguments = ("submit", "a.png", *ENDLESS, "--wait", "--quiet")
    code, output, shown = interrupted(place, *arguments, ready=works)
    job = client.job(client.jobs(limit=1)[0].id)
    assert (code, output) == (1, b"")
    assert f"inr: job {job.id} goes on; " in shown
    assert job.info().state == "running"
    job.cancel()
    until(lambda: job.info().has_ended)


def _steps(client: inr.Client, job_id: str) -> int:
    progress = client.job(job_id).info().progress
    return 0 if progress is None else progress.step


def test_a_reader_that_leaves_is_no_drama(place: Path, client: inr.Client, capsys: pytest.CaptureFixture[str]) -> None:
    job = submitted(capsys, *FIT)
    client.job(job).wait()
    with subprocess.Popen(
        command("fetch", job, "-"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        if process.stdout is None:
            raise RuntimeError("no standard output")
        process.stdout.close()
        process.stdout = None
        errors = process.communicate(timeout=TIMEOUT_S)[1]
    assert (process.returncode, errors) == (1, b"")
