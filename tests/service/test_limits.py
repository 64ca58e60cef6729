"""What is bounded, cleaned up, or kept up while somebody does something unusual."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.errors import BadMagicError, InrError, LimitExceededError, RequestError, SpecError
from inr.rpc.v1 import job_pb2, job_pb2_grpc
from service.config import Quota, ServerConfig
from service.jobs import EventKind, JobEvent
from service.server import Server
from service.store.database import Database
from service.store.jobs import JobStore
from service.tenants import Tokens
from service.watching import Watching
from service.workers import helper as helpers
from tests.service.conftest import SMALL
from tests.support.servers import RunningServer

Picture = npt.NDArray[np.uint8]


class SlowStore(JobStore):
    """Answers late, as under load."""

    def sequences(self, ids: Sequence[str]) -> dict[str, int]:
        found = super().sequences(ids)
        time.sleep(0.05)
        return found


def test_watches_that_begin_while_others_are_looked_at(tmp_path: Path) -> None:
    """None of them hears that its job was deleted, and each hears all there is."""
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    database.prepare()
    store = SlowStore(database)
    ids = [store.create("me", b"", (), None, Quota()).id for _ in range(30)]

    async def first(watching: Watching, job_id: str) -> list[JobEvent]:
        async for events in watching.events(job_id, 0):
            return events
        return []

    async def all_of_them() -> list[list[JobEvent]]:
        watching = Watching(store)
        running = asyncio.create_task(watching.run())
        waiting = [asyncio.create_task(_second(watching, ids[0]))]
        found = []
        for job_id in ids[1:]:
            found.append(await first(watching, job_id))
            waiting.append(asyncio.create_task(_second(watching, job_id)))
            await asyncio.sleep(0.013)
        for job_id in ids:
            store.cancel("me", job_id)
        later = await asyncio.wait_for(asyncio.gather(*waiting), 20)
        running.cancel()
        assert all(events[-1].sequence == 2 for events in later)
        return found

    async def _second(watching: Watching, job_id: str) -> list[JobEvent]:
        """What comes after the first event; raises if the job is said to be gone."""
        async for events in watching.events(job_id, 1):
            return events
        return []

    found = asyncio.run(all_of_them())
    assert [[event.kind for event in events] for events in found] == [[EventKind.STATE]] * (len(ids) - 1)
    database.close()


def test_a_token_file_in_the_middle_of_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.tenants.RELOAD_SECONDS", 0.0)
    path = tmp_path / "tokens"
    path.write_text("alice one\n")
    tokens = Tokens(path)
    path.write_text("alice one\nbob")
    assert tokens.tenant(b"one") == "alice"
    assert tokens.tenant(b"two") is None
    path.unlink()
    assert tokens.tenant(b"one") == "alice"
    path.write_text("alice one\nbob two\n")
    assert tokens.tenant(b"two") == "bob"
    (tmp_path / "empty").touch()
    with pytest.raises(SpecError, match="has no tokens"):
        Tokens(tmp_path / "empty")


def test_checkpoints_of_jobs_that_have_ended_are_removed(tmp_path: Path) -> None:
    server = Server(ServerConfig(data=tmp_path, workers=0))
    alive, ended = (server.jobs.create("me", b"", (), None, Quota()).id for _ in range(2))
    server.jobs.cancel("me", ended)
    for name in (alive, ended, "0" * 27):
        (tmp_path / "checkpoints" / name / "1").mkdir(parents=True)
    server._sweep()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [alive]


def test_text_that_a_database_or_a_message_cannot_hold(server: RunningServer, client: inr.Client) -> None:
    [sha256] = client.upload(np.zeros((8, 8, 3), np.uint8))
    with grpc.insecure_channel(server.address) as channel:
        stub = job_pb2_grpc.JobServiceStub(channel)
        fit = job_pb2.Fit(files=[job_pb2.SourceFile(name="a.npy", sha256=sha256)])
        for request in (
            job_pb2.CreateJobRequest(fit=fit, request_id="a\x00b"),
            job_pb2.CreateJobRequest(fit=job_pb2.Fit(files=fit.files, spec='{"model": "' + 40_000 * "x" + '"}')),
            job_pb2.CreateJobRequest(fit=job_pb2.Fit(files=fit.files, spec='{"' + 40_000 * "x" + '": 1}')),
            job_pb2.CreateJobRequest(fit=job_pb2.Fit(files=40_000 * [fit.files[0]])),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                stub.CreateJob(request)
            error: Any = caught.value
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(RequestError):
        client.submit(np.zeros((8, 8, 3), np.uint8), request_id="\x00", **SMALL)


@pytest.mark.parametrize(
    ("content", "error"), [(bytes(5000), BadMagicError), (b"\x89INR\r\n\x1a\n" + bytes(9000), LimitExceededError)]
)
def test_a_blob_that_is_no_file_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, error: type[InrError]
) -> None:
    server = Server(ServerConfig(data=tmp_path, workers=0))
    (tmp_path / "blob").write_bytes(content)
    sha256 = server.blobs.add("me", tmp_path / "blob")
    asked = helpers.Helper(server.config)
    read, counted = [0], asked._blobs.read

    def counting(sha256: str, offset: int, length: int) -> bytes:
        read[0] += length
        return counted(sha256, offset, length)

    monkeypatch.setattr(helpers, "MAX_FILE_BYTES", 9000)
    monkeypatch.setattr(asked._blobs, "read", counting)
    [(head, _)] = list(asked.answers({"op": "layers", "sha256": sha256}))
    assert head["error"] == error.code
    assert read[0] <= 8
