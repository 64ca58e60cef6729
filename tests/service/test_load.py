"""Much at once: long lists, many watchers, large uploads, slow readers, health checks while fits run."""

import asyncio
import os
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import inr
from inr.client import PreviewReady
from inr.client.content import Content, contents_of
from inr.rpc.v1 import job_pb2, job_pb2_grpc
from service.config import Quota
from service.jobs import EventKind
from service.store.database import Database
from service.store.jobs import JobStore, add_event
from tests.service.conftest import LONG, SMALL
from tests.support.servers import RunningServer, until

Picture = npt.NDArray[np.uint8]
UPLOAD = int(os.environ.get("INR_UPLOAD_BYTES", f"{256 * 2**20}"))
"""The full size, 2 GiB, is for a run by hand."""
ENDLESS = {**LONG, "steps": 40_000}
"""A job of a minute that is cancelled in the end; its progress is told every thousand steps at least."""
LISTING, BUSY = 0.1, 5
"""Seconds that a list of a thousand jobs may take; how many times as long on a machine that is busy."""
READERS, PREVIEWS, PREVIEW_BYTES = 20, 30, 200_000
"""Slow readers, and what each of them leaves unread: 6 MB, a hundred times what gRPC sends ahead at first."""


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server without workers, for all tests here: jobs only wait."""
    with RunningServer(tmp_path_factory.mktemp("idle") / "data", "--workers", "0") as running:
        yield running


@pytest.fixture
def endless(client: inr.Client, picture: Picture) -> Iterator[inr.client.Job]:
    """A job that runs on the shared server until the test is over."""
    job = client.submit(picture, **ENDLESS)
    until(lambda: job.info().progress is not None)
    yield job
    job.cancel()
    until(lambda: job.info().has_ended)


def test_a_thousand_jobs_are_listed_quickly(idle: RunningServer, picture: Picture) -> None:
    with inr.Client(idle.address) as client:
        client.submit(picture, **SMALL)
        [content] = contents_of(picture)
        store_jobs(idle, content.sha256, 1001 - len(client.jobs()))
        taken, worked = [], working_seconds(idle)
        for _ in range(9):
            began = time.perf_counter()
            found = client.jobs()
            taken.append(time.perf_counter() - began)
            assert len({job.id for job in found}) == 1001
        assert (working_seconds(idle) - worked) / len(taken) < LISTING  # however busy the machine is
        assert statistics.median(taken) < BUSY * LISTING, taken  # with what it waits for
        assert [job.id for job in found] == sorted((job.id for job in found), reverse=True)


def working_seconds(server: RunningServer) -> float:
    """Processor time of a server so far, without what it waits for."""
    times = psutil.Process(server.process.pid).cpu_times()
    return times.user + times.system


def store_jobs(server: RunningServer, sha256: str, count: int) -> None:
    """Jobs straight into the database of a server without workers."""
    database = Database(f"sqlite:///{server.data / 'inr.db'}")
    fit = job_pb2.Fit(files=[job_pb2.SourceFile(name="a.npy", sha256=sha256)], spec="{}").SerializeToString()
    store = JobStore(database)
    for _ in range(count):
        store.create("default", fit, [sha256], None, Quota())
    database.close()


Milestone = tuple[int, int, int, bytes]


async def milestones(stub: "job_pb2_grpc.JobServiceAsyncStub", job_id: str) -> tuple[list[int], list[Milestone]]:
    """Numbers of all events that a watch has; number, state, attempts and layer of those that nobody may miss."""
    numbers, found = [], []
    async for event in stub.WatchJob(job_pb2.WatchJobRequest(id=job_id)):
        numbers.append(event.sequence)
        if event.WhichOneof("event") in ("state", "layer"):
            change = event.state
            found.append((event.sequence, int(change.state), change.attempts, event.layer.SerializeToString()))
    return numbers, found


def test_two_hundred_watchers(server: RunningServer, client: inr.Client, picture: Picture) -> None:
    """Each gets every change of state and every layer with the same numbers as one who watches alone."""

    async def all_of_them(job_id: str, count: int) -> list[tuple[list[int], list[Milestone]]]:
        async with grpc.aio.insecure_channel(server.address) as one, grpc.aio.insecure_channel(server.address) as two:
            stubs = [job_pb2_grpc.JobServiceStub(channel) for channel in (one, two)]
            return await asyncio.gather(*[milestones(stubs[i % 2], job_id) for i in range(count)])

    job = client.submit(picture, **{**LONG, "steps": 800}, layers=3)
    watched = asyncio.run(all_of_them(job.id, 200))
    [(_, alone)] = asyncio.run(all_of_them(job.id, 1))
    states = [state for _, state, _, layer in alone if not layer]
    assert states == [job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_DONE]
    assert len(alone) == 6
    assert len(watched) == 200
    for numbers, found in watched:
        assert found == alone
        assert numbers == sorted(set(numbers))
        assert len(numbers) > len(alone) + 2  # progress as well


def test_a_large_upload_takes_little_memory(idle: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(UPLOAD - 4)
        file.seek(0, os.SEEK_END)
        file.write(b"\x93NUM")
    with inr.Client(idle.address) as client:
        process = psutil.Process(idle.process.pid)
        [content] = contents_of(path)
        most = 0

        async def sample() -> None:
            nonlocal most
            while True:
                most = max(most, process.memory_info().rss)
                await asyncio.sleep(0.02)

        async def both(content: Content) -> None:
            watching = asyncio.create_task(sample())
            await client._inner.upload(content)
            watching.cancel()

        client._loop.run(both(content))
        assert 0 < most < 300 * 2**20


def test_health_checks_and_reflection_while_fits_run(server: RunningServer, endless: inr.client.Job) -> None:
    before = steps(endless)
    with grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for _ in range(200):
            calls = [stub.Check.future(health_pb2.HealthCheckRequest(), timeout=10) for _ in range(5)]
            assert {call.result().status for call in calls} == {health_pb2.HealthCheckResponse.SERVING}
        names = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {"inr.rpc.v1.BlobService", "inr.rpc.v1.JobService", "inr.rpc.v1.FieldService"} <= set(names)
    until(lambda: steps(endless) > before)


def steps(job: inr.client.Job) -> int:
    """What a running job has done."""
    progress = job.info().progress
    return 0 if progress is None else progress.step


def test_the_first_preview_comes_at_once(client: inr.Client) -> None:
    """After the first steps of the fit of a megapixel; the benchmark measures how long that takes."""
    y, x = np.mgrid[0:1000, 0:1000] / 1000
    photo = np.round(127 + 120 * np.stack([np.sin(30 * x * y), np.cos(20 * x), np.sin(9 * y)], -1)).astype(np.uint8)
    client.submit(photo[:32, :32], **SMALL).wait()  # the worker has loaded everything
    job = client.submit(photo, steps=200)
    first = next(event for event in job.watch() if isinstance(event, PreviewReady))
    arrived, started = time.time(), job.info().started
    assert first.step <= 2
    assert started is not None
    assert arrived - started < 15  # with reading the picture, also on a busy machine
    job.cancel()
    until(lambda: job.info().has_ended)


class _Reader(threading.Thread):
    """Watches a job and reads all, at once."""

    def __init__(self, stub: "job_pb2_grpc.JobServiceStub", job_id: str) -> None:
        super().__init__(daemon=True)
        self._events = stub.WatchJob(job_pb2.WatchJobRequest(id=job_id))
        self.last, self.large, self.end = 0, 0, ""

    def run(self) -> None:
        for event in self._events:
            self.large += len(event.preview.png) == PREVIEW_BYTES
            self.end = job_pb2.JobState.Name(event.state.state)
            self.last = event.sequence


def test_readers_that_do_not_read_hold_up_nobody(
    server: RunningServer, client: inr.Client, endless: inr.client.Job
) -> None:
    """Large previews of a running fit that some watchers do not take, while another one takes them all."""
    narrow = [("grpc.http2.bdp_probe", 0)]  # the window stays at 64 KiB
    process = psutil.Process(server.process.pid)
    database = Database(f"sqlite:///{server.data / 'inr.db'}")
    noise = np.random.default_rng(0)
    with grpc.insecure_channel(server.address, narrow) as one, grpc.insecure_channel(server.address) as two:
        stub = job_pb2_grpc.JobServiceStub(one)
        slow = [stub.WatchJob(job_pb2.WatchJobRequest(id=endless.id)) for _ in range(READERS)]
        numbers = [[next(call).sequence] for call in slow]
        reader = _Reader(job_pb2_grpc.JobServiceStub(two), endless.id)
        reader.start()
        before, least = steps(endless), process.memory_info().rss
        most = least
        while reader.large < PREVIEWS:  # the fit's own may take the place of one before it is sent
            preview = job_pb2.Preview(png=noise.bytes(PREVIEW_BYTES), width=1, height=1, step=1)
            with database.write() as connection:
                add_event(connection, endless.id, EventKind.PREVIEW, preview.SerializeToString())
            [number] = JobStore(database).sequences([endless.id]).values()
            until(lambda n=number: reader.last >= n)
            most = max(most, process.memory_info().rss)
        until(lambda: steps(endless) > before)  # the fit goes on, and calls are answered
        assert most - least < READERS * PREVIEWS * PREVIEW_BYTES / 3
        endless.cancel()
        reader.join(timeout=30)
        assert reader.end == "JOB_STATE_CANCELLED"
        for call, seen in zip(slow, numbers, strict=True):
            events = list(call)  # now they read
            seen += [event.sequence for event in events]
            assert seen == sorted(set(seen))
            assert events[-1].state.state == job_pb2.JOB_STATE_CANCELLED
    database.close()


@pytest.mark.parametrize("what", ["jobs", "blobs"])
def test_a_disk_that_fails_is_named(idle: RunningServer, tmp_path: Path, what: str) -> None:
    """The folder of the server becomes a file: calls fail with a reason, and the server lives."""
    first, second = np.random.default_rng(what == "jobs").integers(0, 255, (2, 20, 20, 3)).astype(np.uint8)
    with inr.Client(idle.address, patience=0) as client:
        client.submit(first, **SMALL)
        victim = idle.data / ("uploads" if what == "jobs" else "blobs")
        victim.rename(tmp_path / "gone")
        victim.write_text("in the way")
        with pytest.raises(inr.InrError) as caught:
            client.submit(second, **SMALL)
        assert caught.value.code == "storage"
        victim.unlink()
        (tmp_path / "gone").rename(victim)
        assert client.submit(second, **SMALL).info().state == "queued"
