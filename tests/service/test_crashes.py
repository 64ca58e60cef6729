"""Processes die, all at once or one by one; jobs do not."""

import contextlib
import hashlib
import itertools
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest

import inr
from inr import native
from inr.client import ProgressMade
from inr.client.content import contents_of
from tests.service.conftest import LONG, LONG_STEPS, SMALL
from tests.support.servers import RunningServer, alone, until

Picture = npt.NDArray[np.uint8]
QUICK = ("--checkpoint-seconds", "0.3", "--lease-seconds", "5")


def running(client: inr.Client, picture: Picture, **settings: object) -> "inr.client.Job":
    """A job that has got further than its first checkpoint."""
    job = client.submit(picture, **{**LONG, **settings})
    until(lambda: (info := job.info()).progress is not None and info.progress.share > 0.15)
    return job


def computing(workers: list[psutil.Process]) -> psutil.Process:
    """The one that has a job. What each has taken of a processor before says little: starting takes more."""
    before = [worker.cpu_times().user for worker in workers]

    def most() -> tuple[float, int]:
        return max((worker.cpu_times().user - before[i], i) for i, worker in enumerate(workers))

    until(lambda: most()[0] > 0.2)
    return workers[most()[1]]


def test_a_killed_worker_loses_no_job(tmp_path: Path, picture: Picture) -> None:
    undisturbed = alone(picture, **LONG).data
    with RunningServer(tmp_path / "data", "--workers", "1", *QUICK) as server, inr.Client(server.address) as client:
        job = running(client, picture)
        [worker] = server.workers()
        worker.kill()
        steps = [event.step for event in job.watch() if isinstance(event, ProgressMade)]
        assert job.info().attempts == 2
        assert job.result() == undisturbed
        far = next(i for i, step in enumerate(steps) if step > 0.1 * LONG_STEPS)
        assert min(steps[far:]) > 0.02 * LONG_STEPS  # it went on from a checkpoint
        assert steps[-1] == LONG_STEPS


def test_a_killed_server_loses_no_job(tmp_path: Path, picture: Picture) -> None:
    undisturbed = alone(picture, **LONG).data
    server = RunningServer(tmp_path / "data", "--workers", "1", *QUICK).start()
    try:
        with inr.Client(server.address) as client:
            job = running(client, picture)
            waiting = client.submit(picture, **SMALL)
            workers = server.workers()
            server.kill()
            psutil.wait_procs(workers, timeout=20)
            assert not any(worker.is_running() for worker in workers)  # they noticed
            server.start()
            assert job.result() == undisturbed
            assert waiting.wait().state == "done"
    finally:
        server.stop()


def test_server_and_worker_killed_together(tmp_path: Path, picture: Picture) -> None:
    undisturbed = alone(picture, **LONG).data
    server = RunningServer(tmp_path / "data", "--workers", "1", *QUICK).start()
    try:
        with inr.Client(server.address) as client:
            job = running(client, picture)
            server.kill_with_workers()
            server.start()
            info = job.wait()
            assert info.attempts == 2
            assert job.result() == undisturbed
    finally:
        server.stop()


def test_a_stopped_server_puts_its_jobs_back(tmp_path: Path, picture: Picture) -> None:
    undisturbed = alone(picture, **LONG).data
    server = RunningServer(tmp_path / "data", "--workers", "1", *QUICK).start()
    try:
        with inr.Client(server.address) as client:
            job = running(client, picture)
            workers = server.workers()
            assert server.stop() < 20
            assert server.process.returncode == 0
            assert not any(worker.is_running() for worker in workers)
            server.start()
            assert job.result() == undisturbed
    finally:
        server.stop()


def test_a_frozen_worker_loses_its_job_and_cannot_spoil_it(tmp_path: Path, picture: Picture) -> None:
    """It comes back to life after another one has taken over, and must not write any more."""
    undisturbed = alone(picture, **LONG).data
    options = ("--workers", "2", "--checkpoint-seconds", "0.3", "--lease-seconds", "1")
    with RunningServer(tmp_path / "data", *options) as server, inr.Client(server.address) as client:
        until(lambda: len(server.workers()) == 2)
        job = running(client, picture)
        busy = computing(server.workers())
        busy.send_signal(signal.SIGSTOP)
        until(lambda: job.info().attempts == 2)
        busy.send_signal(signal.SIGCONT)
        assert job.result() == undisturbed
        assert job.info().attempts == 2


def test_a_job_that_kills_its_workers_is_given_up(tmp_path: Path, picture: Picture) -> None:
    options = ("--workers", "1", "--checkpoint-seconds", "3600", "--lease-seconds", "5")
    with RunningServer(tmp_path / "data", *options) as server, inr.Client(server.address) as client:
        job = client.submit(picture, **{**LONG, "steps": 10**6})
        other = client.submit(picture, **SMALL)
        for attempt in range(1, 5):
            until(lambda n=attempt: (info := job.info()).attempts == n and info.state == "running")
            for worker in server.workers():
                worker.kill()
        with pytest.raises(inr.InrError, match="its worker died 4 times in a row"):
            job.wait()
        assert other.wait().state == "done"


KILLED_AT = 20
"""Pieces after which the server dies; so many are on their way at most, and 4 of them are written at once."""


def committed(server: RunningServer) -> int:
    """Bytes that a server has written of its only upload under way."""
    return sum(path.stat().st_size for path in server.data.rglob("*.part"))


def test_a_broken_upload_goes_on(tmp_path: Path) -> None:
    """The server dies in the middle of it; what had arrived is not sent again."""
    array = np.random.default_rng(0).integers(0, 255, (2000, 2000, 3)).astype(np.uint8)
    [content] = contents_of(array)
    sent: list[int] = []
    arrived: list[int] = []
    server = RunningServer(tmp_path / "data", "--workers", "0").start()
    try:
        with inr.Client(server.address, patience=60) as client:
            reads = content.read

            def slow(offset: int, length: int) -> bytes:
                sent.append(offset)
                if len(sent) == KILLED_AT:
                    until(lambda: committed(server) > 0)
                    server.kill()
                    arrived.append(committed(server))
                    threading.Thread(target=server.start).start()
                return reads(offset, length)

            object.__setattr__(content, "read", slow)
            client.upload(content)
            assert client.download(content.sha256) == content.data
            assert min(sent[KILLED_AT:]) == arrived[0]
    finally:
        server.stop()


CHAOS_JOBS = 50


def test_chaos(tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers die every second, the server dies twice, watches are dropped, an upload is cut: all as if undisturbed."""
    settings = {**LONG, "steps": 600 if native.load() else 200}  # torch takes several times as long for a step
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    wanted = {seed: alone(picture, **settings, seed=seed).data for seed in range(3)}
    wanted_noise = alone(noise, **SMALL).data
    monkeypatch.setattr("inr.client.transfer.CHUNK_BYTES", 2**14)  # so that there is a middle to be cut in
    patient = ("--attempts", "20")  # on a busy machine a worker may not live until its first checkpoint
    server = RunningServer(tmp_path / "data", "--workers", "2", *QUICK, *patient).start()
    havoc = _Havoc(server)
    try:
        with inr.Client(server.address, patience=120) as client:
            jobs = [client.submit(picture, **settings, seed=i % 3) for i in range(CHAOS_JOBS)]
            havoc.start()
            assert _upload_slowly(client, noise).count(0) == 1  # it takes longer than the server lives
            noisy = client.submit(noise, **SMALL)
            for job in jobs:
                list(itertools.islice(job.watch(), 4))  # and dropped
            results = [job.result() for job in jobs]
            assert noisy.result() == wanted_noise
            havoc.end()
            assert havoc.servers_killed == 2
            assert havoc.workers_killed > 3
            assert results == [wanted[i % 3] for i in range(CHAOS_JOBS)]
            assert {job.state for job in client.jobs()} == {"done"}
            assert len(client.jobs()) == CHAOS_JOBS + 1
    finally:
        havoc.end()
        server.stop()


class _Havoc(threading.Thread):
    """Kills a worker every second, and the server instead in the third and eighth, once an upload is under way.

    A worker is spared while nobody has got any further since the last death: on a busy machine starting takes seconds.
    """

    def __init__(self, server: RunningServer) -> None:
        super().__init__()
        self._server, self._over, self._random = server, threading.Event(), random.Random(3)
        self._seen: set[bytes] = set()
        self.workers_killed = self.servers_killed = 0

    def run(self) -> None:
        seconds = 0
        until(lambda: committed(self._server) > 0)
        while not self._over.wait(1.0):
            seconds += 1
            try:
                if seconds in (3, 8):
                    self._server.kill()
                    self._server.start()
                    self.servers_killed += 1
                elif self._anybody_got_further() and (workers := self._server.workers()):
                    self._random.choice(workers).kill()
                    self.workers_killed += 1
            except psutil.Error:
                continue

    def _anybody_got_further(self) -> bool:
        """True if there is a checkpoint with other contents than all before it."""
        found = set()
        for path in (self._server.data / "checkpoints").rglob("*"):
            with contextlib.suppress(OSError):  # a folder, or gone already
                found.add(hashlib.sha256(path.read_bytes()).digest())
        further = not found <= self._seen
        self._seen |= found
        return further

    def end(self) -> None:
        self._over.set()
        if self.is_alive():
            self.join()


def _upload_slowly(client: inr.Client, array: Picture) -> list[int]:
    """Upload an array, a piece every quarter of a second; returns the offsets of the pieces that were sent."""
    [content] = contents_of(array)
    offsets: list[int] = []
    read = content.read

    def slow(offset: int, length: int) -> bytes:
        offsets.append(offset)
        time.sleep(0.25)
        return read(offset, length)

    object.__setattr__(content, "read", slow)
    client.upload(content)
    return offsets
