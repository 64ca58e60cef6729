"""Disks that are full or read-only, a locked database, servers that cannot start: named, and nothing is lost."""

import contextlib
import hashlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import inr
from inr.client.content import contents_of
from inr.errors import StorageError
from inr.rpc.v1 import blob_pb2, blob_pb2_grpc, job_pb2, job_pb2_grpc
from tests.service.conftest import LONG, SMALL
from tests.support.servers import RunningServer, alone, until

Picture = npt.NDArray[np.uint8]
MIB = 2**20
FIT = {**LONG, "steps": 400}
_FULL = re.compile("cannot (put|renew|tell)[^\n]*full")
SHORT = {**SMALL, "steps": 400}
QUICK = ("--workers", "1", "--checkpoint-seconds", "0.3", "--lease-seconds", "5")


@contextmanager
def disk(folder: Path, options: str = "size=24m") -> Iterator[None]:
    """A small disk of its own at a folder; skips, saying why, where that cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    except FileNotFoundError:
        pytest.skip("a small disk cannot be mounted here: there is no program mount")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {' '.join(done.stderr.split())}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=20)


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True, timeout=20)


def fill(folder: Path) -> Path:
    """Take all the room that is left; returns the file that has it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return filler


def check_database(data: Path) -> None:
    with contextlib.closing(sqlite3.connect(data / "inr.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def check_log(server: RunningServer) -> None:
    """Nothing went wrong that nobody had thought of."""
    assert "Traceback" not in server.log.read_text()


def send(client: inr.Client, data: bytes) -> None:
    [content] = contents_of(data)
    client.upload(content)


def test_an_upload_that_does_not_fit_leaves_nothing_behind(tmp_path: Path, picture: Picture) -> None:
    data = tmp_path / "data"
    with disk(data), RunningServer(data, "--workers", "0") as server, inr.Client(server.address, patience=0) as client:
        with pytest.raises(StorageError, match="bytes are missing, and the disk has room for"):
            send(client, np.random.default_rng(0).bytes(32 * MIB))
        full_in_the_middle(server, data)
        assert list((data / "uploads").iterdir()) == []
        assert client.submit(picture, **SMALL).info().state == "queued"
        check_log(server)
        server.stop()
        check_database(data)


def full_in_the_middle(server: RunningServer, data: Path) -> None:
    """An upload that would have fitted, but something else takes the room."""
    content = np.random.default_rng(1).bytes(12 * MIB)
    sha256 = hashlib.sha256(content).hexdigest()

    def parts() -> Iterator[blob_pb2.UploadRequest]:
        yield blob_pb2.UploadRequest(header=blob_pb2.UploadHeader(sha256=sha256, size=len(content)))
        for i in range(12):
            yield blob_pb2.UploadRequest(data=content[i * MIB : (i + 1) * MIB])
            if i == 1:
                until(lambda: sum(path.stat().st_size for path in (data / "uploads").iterdir()) >= MIB)
                fill(data)

    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as caught:
        blob_pb2_grpc.BlobServiceStub(channel).Upload(parts())
    (data / "filler").unlink()
    refused(caught.value, "STORAGE", "cannot write an upload: no space left on device")


def refused(error: Any, reason: str, message: str) -> None:
    """Unavailable, with one line and the time after which to come again."""
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == message
    rich = rpc_status.from_call(error)
    assert rich is not None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert any(detail.Unpack(info) for detail in rich.details if detail.Is(info.DESCRIPTOR))
    assert any(detail.Unpack(retry) for detail in rich.details if detail.Is(retry.DESCRIPTOR))
    assert info.reason == reason
    assert retry.retry_delay.ToMilliseconds() > 0


def test_a_checkpoint_that_does_not_fit_lets_the_job_wait(tmp_path: Path, picture: Picture) -> None:
    data = tmp_path / "data"
    with (
        disk(data / "checkpoints", "size=1m"),
        RunningServer(data, *QUICK) as server,
        inr.Client(server.address) as client,
    ):
        filler = fill(data / "checkpoints")
        job = client.submit(picture, **SHORT)
        until(lambda: job.info().waiting_for != "")
        assert job.info().state == "queued"
        assert job.info().waiting_for.endswith("no space left on device")
        assert str(tmp_path) not in job.info().waiting_for
        filler.unlink()
        assert job.result() == alone(picture, **SHORT).data
        assert job.info().waiting_for == ""
        check_log(server)


def test_a_full_disk_loses_no_job(tmp_path: Path, picture: Picture) -> None:
    """Neither checkpoints nor the database can be written for a while."""
    data = tmp_path / "data"
    with disk(data), RunningServer(data, *QUICK) as server, inr.Client(server.address) as client:
        job = client.submit(picture, **FIT)
        until(lambda: (info := job.info()).progress is not None and info.progress.share > 0.15)
        filler = fill(data)
        until(lambda: job.info().waiting_for != "" or _FULL.search(server.log.read_text()) is not None)
        assert job.info().state in ("running", "queued")
        filler.unlink()
        assert job.result() == alone(picture, **FIT).data
        check_log(server)
        server.stop()
        check_database(data)


def test_blobs_that_cannot_be_written_let_jobs_and_uploads_wait(tmp_path: Path, picture: Picture) -> None:
    blobs = tmp_path / "data" / "blobs"
    with (
        disk(blobs),
        RunningServer(tmp_path / "data", *QUICK) as server,
        inr.Client(server.address, patience=0) as client,
    ):
        client.check(picture, **SMALL)  # the picture is there
        remount(blobs, "ro")
        job = client.submit(picture, **SMALL)
        with pytest.raises(StorageError, match="cannot store a blob: read-only file system"):
            send(client, b"some bytes")
        until(lambda: job.info().waiting_for == "cannot store a blob: read-only file system")
        remount(blobs, "rw")
        send(client, b"some bytes")
        assert client.download(hashlib.sha256(b"some bytes").hexdigest()) == b"some bytes"
        assert job.wait().state == "done"
        check_log(server)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process has a database for itself."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20);"
        "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        yield
        holder.communicate(timeout=20)


def test_a_database_that_is_locked_for_a_while_loses_nothing(tmp_path: Path, picture: Picture) -> None:
    path = tmp_path / "data" / "inr.db"
    options = ("--database", f"sqlite:///{path}?timeout=2")
    with RunningServer(tmp_path / "data", *QUICK, *options) as server, inr.Client(server.address) as client:
        job = client.submit(picture, **FIT)
        until(lambda: job.info().progress is not None)
        made: list[inr.client.Job] = []
        asking = threading.Thread(target=lambda: made.append(client.submit(picture, **SMALL)))
        with locked(path), grpc.insecure_channel(server.address) as channel:
            asking.start()
            jobs = job_pb2_grpc.JobServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                jobs.CancelJob(job_pb2.CancelJobRequest(id=job.id))
            refused(caught.value, "STORAGE", "database: database is locked")
            assert job.info().state == "running"  # reading goes on
        asking.join()
        assert [other.wait().state for other in made] == ["done"]
        assert job.result() == alone(picture, **FIT).data
        assert len(client.jobs()) == 2
        check_log(server)
    check_database(tmp_path / "data")


def serve(tmp_path: Path, *options: str) -> tuple[int, str]:
    """`inr serve` that cannot start: its exit code, and its only line."""
    command = [sys.executable, "-m", "inr", "serve", "--listen", "127.0.0.1:0", "--workers", "0"]
    command += ["--data", str(tmp_path / "data"), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("inr: error: ")
    return done.returncode, lines[0].removeprefix("inr: error: ")


@pytest.mark.parametrize(
    ("option", "why"), [("listen", "is something else there?"), ("metrics", "address already in use")]
)
def test_a_port_that_is_taken(tmp_path: Path, option: str, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, line = serve(tmp_path, f"--{option}", address)
    assert code == 2
    assert line.startswith(f"{option}: cannot listen on {address}")
    assert line.lower().endswith(why)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"alice\n", "token file: line 1 of {path} must be TENANT TOKEN"),
        (b"# nobody\n", "token file: {path} has no tokens"),
        (b"alice \xff\xfe\n", "token file: {path} is not UTF-8 text"),
        (None, "token file: cannot read {path}"),
    ],
)
def test_a_token_file_that_is_none(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "tokens"
    if content is not None:
        path.write_bytes(content)
    code, line = serve(tmp_path, "--token-file", str(path))
    assert code == 2
    assert line.startswith(message.format(path=path))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle://somewhere/else", "database: SQLite and PostgreSQL are supported; got 'oracle'"),
        ("nonsense", "database: 'nonsense' cannot be used"),
        ("sqlite://", "database: SQLite needs a file"),
    ],
)
def test_a_database_that_nobody_knows(tmp_path: Path, url: str, message: str) -> None:
    code, line = serve(tmp_path, "--database", url)
    assert code == 2
    assert line.startswith(message)


def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:topsecret@127.0.0.1:1/none"
    code, line = serve(tmp_path, "--database", url)
    assert code == 1
    assert line.startswith("database: connection")
    assert "topsecret" not in line


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "inr.db")) as connection:
        connection.execute("CREATE TABLE inr_schema (version INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO inr_schema VALUES (99)")
        connection.commit()
    code, line = serve(tmp_path)
    assert (code, line) == (1, "the database has tables of version 99; this server needs version 1")
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "inr.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("inr_schema",)]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "inr.db").write_bytes(os.urandom(5000))
    assert serve(tmp_path) == (1, "database: file is not a database")


def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    with disk(tmp_path / "data"):
        remount(tmp_path / "data", "ro")
        code, line = serve(tmp_path)
    assert (code, line) == (1, "database: unable to open database file")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    assert serve(tmp_path) == (1, f"cannot make the folder {tmp_path / 'data'}: file exists")
