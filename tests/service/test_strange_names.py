"""Names with strange bytes: of files that are sent, of folders that a server keeps its data in."""

import json
import os
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import inr
from inr.cli.main import main
from inr.client.content import contents_of, name_of
from inr.errors import SignalError, SpecError
from inr.rpc.v1 import job_pb2, job_pb2_grpc
from inr.text import printable
from service.config import ServerConfig
from tests.service.conftest import SMALL
from tests.service.test_command_line import FIT, refused, said
from tests.support.commands import run
from tests.support.servers import RunningServer, alone

Picture = npt.NDArray[np.uint8]

NAMES = {
    b"a\xff\xfeb.png": "a\\udcff\\udcfeb.png",
    b"two\nlines.png": "two\\nlines.png",
    b"\x1b]0;owned\x07\x1b[2J.png": "\\x1b]0;owned\\x07\\x1b[2J.png",
    b"tab\t, \"quote\", 'single', \\back.png": "tab\\t, \"quote\", 'single', \\back.png",
    "f\u202egnp.png".encode(): "f\\u202egnp.png",
    "Füße 写真 🚀?#%00.png".encode(): "Füße 写真 🚀?#%00.png",
    b"\xff" * 251 + b".png": None,
}
"""Names of files, and how they are shown; the last is cut."""


def written(picture: Picture, folder: Path, name: bytes) -> str:
    """A PNG file with this name; returns its path as Python and the command line have it."""
    Image.fromarray(picture).save(folder / "plain.png")
    path = os.path.join(os.fsencode(folder), name)
    os.rename(folder / "plain.png", path)
    return os.fsdecode(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_any_name_is_sent(
    name: bytes, server: RunningServer, picture: Picture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, there = written(picture, tmp_path, name), ("--server", server.address)
    shown = NAMES[name] or "\\udcff" * 30
    output = said(capsys, "submit", path, str(tmp_path / "x.inr"), *FIT, "--quiet", *there)
    assert shown[:40] in output
    assert output.endswith("\n")
    assert output[:-1].isprintable()
    assert (tmp_path / "x.inr").read_bytes() == alone(np.asarray(picture), **SMALL).data
    output = said(capsys, "jobs", "--limit", "1", *there)
    assert all(line.isprintable() for line in output.splitlines())
    assert len(output.splitlines()) == 2
    [job] = json.loads(said(capsys, "jobs", "--limit", "1", "--json", *there))
    assert job["name"] == name_of(Path(path))
    if NAMES[name] is not None:
        assert job["name"] == shown
    assert len(job["name"]) <= 255
    assert job["name"].endswith(".png")


def test_a_damaged_file_with_such_a_name(
    server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"x\x1b[31m\n\xff.png")
    Path(os.fsdecode(path)).write_bytes(b"no picture")
    error = refused(capsys, 1, "submit", os.fsdecode(path), "--wait", "--quiet", "--server", server.address)
    assert "x\\x1b[31m\\n\\udcff.png" in error
    with inr.Client(server.address) as client, pytest.raises(SignalError, match=r"x\\x1b\[31m\\n\\udcff\.png"):
        client.submit(os.fsdecode(path)).wait()


def test_frames_with_such_names(client: inr.Client, picture: Picture, tmp_path: Path) -> None:
    for name in (b"1\xff.png", b"2\n.png"):
        written(picture, tmp_path, name)
    assert [content.name for content in contents_of(tmp_path)] == ["1\\udcff.png", "2\\n.png"]
    assert client.submit(tmp_path, **SMALL).result() == alone(tmp_path, **SMALL).data


def test_names_that_another_client_sent(idle: RunningServer, waiting: inr.Client, picture: Picture) -> None:
    """What a server says is shown only after a look at it."""
    from inr.client.events import job_info

    [sha256] = waiting.upload(picture)
    fit = job_pb2.Fit(files=[job_pb2.SourceFile(name="\x1b[31m\n\u202e.png", sha256=sha256)])
    with grpc.insecure_channel(idle.address) as channel:
        answer = job_pb2_grpc.JobServiceStub(channel).CreateJob(job_pb2.CreateJobRequest(fit=fit))
    assert job_info(answer.job).name == "\\x1b[31m\\n\\u202e.png"
    assert waiting.job(answer.job.id).info().name == "\\x1b[31m\\n\\u202e.png"
    failed = job_pb2.Job(failure=job_pb2.Failure(code="bad_signal", message="\x1b[31m"), waiting_for="\x07")
    assert (job_info(failed).error, job_info(failed).waiting_for) == ("\\x1b[31m", "\\x07")


@pytest.mark.parametrize("name", [b"a\xff.png", b"a\n\x1b[31m.png"])
def test_local_commands_show_such_names_as_well(name: bytes, picture: Picture, tmp_path: Path) -> None:
    source = written(picture, tmp_path, name)
    target = source.removesuffix("png") + "inr"
    done = run("compress", source, target, *FIT, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1
    assert done.stdout.decode()[:-1].isprintable()
    described = run("info", target, cwd=tmp_path)
    assert all(line.isprintable() for line in described.stdout.decode().splitlines())
    done = run("compress", source, target, *FIT, "--quiet", "--json", cwd=tmp_path)
    output = json.loads(done.stdout)["output"]
    output.encode()  # no halves of surrogate pairs, which other readers of JSON refuse
    assert output.endswith(".inr")
    missing = run("info", target + "x", cwd=tmp_path)
    assert missing.stderr.decode()[:-1].isprintable()


@pytest.mark.parametrize("option", ["--request-id", "--model", "--preset"])
def test_options_with_strange_bytes(
    option: str, server: RunningServer, picture: Picture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(picture, tmp_path, b"a.png")
    for value in ("\udcff", "a\nb", "\x1b[31m"):
        assert main(["submit", path, option, value, "--server", server.address]) in (1, 2)
        output, errors = capsys.readouterr()
        assert output == ""
        assert errors.startswith("inr: error: ")
        assert errors[:-1].isprintable()


# --- folders of servers ---

FOLDERS = ("what? 50% off %41 &a=b#c", "a::b", "file::memory:", "[1]*{2} ü写'\"", "x:/y\nz/~")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_server_keeps_its_data_where_it_is_told(folder: str, picture: Picture, tmp_path: Path) -> None:
    data = tmp_path / "all" / folder
    data.parent.mkdir(parents=True)
    with RunningServer(data, "--workers", "1") as server, inr.Client(server.address) as client:
        job = client.submit(picture, **SMALL)
        assert job.result() == alone(picture, **SMALL).data
        assert client.decode(job).shape == picture.shape
        assert len(client.jobs()) == 1
    with RunningServer(data, "--workers", "0") as server, inr.Client(server.address) as client:  # finds it again
        assert client.job(job.id).result() == alone(picture, **SMALL).data
    assert (data / "inr.db").is_file()
    stored = [path for path in (data / "blobs").rglob("*") if path.is_file()]
    assert len(stored) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"all"}
    assert f"data in {printable(str(data))}" in server.said


def test_blobs_lie_where_they_are_told_to(picture: Picture, tmp_path: Path) -> None:
    blobs = tmp_path / "b?lobs" / "50%::x#1"
    with (
        RunningServer(tmp_path / "data", "--workers", "1", "--blobs", str(blobs)) as server,
        inr.Client(server.address) as client,
    ):
        assert client.submit(picture, **SMALL).result() == alone(picture, **SMALL).data
    assert len([path for path in blobs.rglob("*") if path.is_file()]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"data", "data.log", "b?lobs"}
    file = tmp_path / "as-url"
    with (
        RunningServer(tmp_path / "more", "--workers", "0", "--blobs", f"file://{file}") as server,
        inr.Client(server.address) as client,
    ):
        client.upload(picture)
    assert len([path for path in file.rglob("*") if path.is_file()]) == 1


def test_folders_and_urls_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SpecError, match=r"data: the name of the folder must be Unicode; got .*\\udcff"):
        ServerConfig(data=Path(os.fsdecode(b"/srv/\xff")))
    serve = ("serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"))
    error = refused(capsys, 2, *serve, "--blobs", "s4://bucket/x")
    assert "blobs: the scheme 's4' is not known; known: " in error
    for scheme in ("file", "memory", "s3"):
        assert f" {scheme}," in error
    for url in ("mysql://x/y", "sqlite3:///x"):
        assert "SQLite and PostgreSQL are supported" in refused(capsys, 2, *serve, "--database", url)
    (tmp_path / "file").write_text("")
    error = refused(capsys, 1, "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "file"))
    assert f"cannot make the folder {tmp_path / 'file'}: file exists" in error
