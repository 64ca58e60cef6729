"""Worker processes of this machine: started, watched, restarted."""

import asyncio
import contextlib
import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import structlog

from inr.errors import StorageError
from service.config import ServerConfig
from service.executors.base import AbstractExecutor
from service.metrics import Metrics
from service.store.queue import Queue
from service.workers.channel import is_dead, owner_of

SETTLED_SECONDS = 0.5
"""A worker that lived so long was sound: the next one starts at once."""
LONGEST_PAUSE = 5.0
"""Seconds before a worker is replaced that died again and again."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class _Worker:
    """A process, and the end of the pipe that wakes it."""

    process: ForkServerProcess
    pipe: Connection

    @property
    def pid(self) -> int:
        return self.process.pid or 0


class LocalExecutor(AbstractExecutor):
    """Keeps a number of worker processes alive.

    They are forked, but not from this process, in which gRPC runs: a process that does nothing else has loaded the
    library once and makes them, so that one that died is replaced in milliseconds. Each has a pipe to this process,
    whose end tells it that the server is gone, however it went.

    Args:
        config: of the server.
        queue: told when a worker dies.
        metrics: to count in.
    """

    def __init__(self, config: ServerConfig, queue: Queue, metrics: Metrics) -> None:
        self._config, self._queue, self._metrics = config, queue, metrics
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["service.workers.fit"])
        self._workers: dict[int, _Worker] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._draining = False

    async def start(self) -> None:
        """Start all workers; what those of an earlier server held when they died is free at once."""
        await asyncio.to_thread(self._bury)
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in range(self._config.worker_count)]

    async def wake(self) -> None:
        """Let all workers look at the queue now."""
        for worker in list(self._workers.values()):
            with contextlib.suppress(OSError):
                os.write(worker.pipe.fileno(), b"\n")

    async def drain(self, seconds: float) -> None:
        """Ask the workers to put their jobs back; kill those that take longer."""
        self._draining = True
        for worker in list(self._workers.values()):
            worker.process.terminate()
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=seconds)
        for worker in list(self._workers.values()):
            _log.warning("worker_killed", pid=worker.pid, reason="it did not stop in time")
            worker.process.kill()
        if self._keepers:
            await asyncio.wait(self._keepers)

    async def _keep(self, slot: int) -> None:
        """Start a worker whenever there is none."""
        pause = 0.05
        while not self._draining:
            began = time.monotonic()
            try:
                worker = await asyncio.to_thread(self._started)
            except (OSError, EOFError, RuntimeError) as error:  # no memory, no descriptors, no threads, for a while
                _log.error("worker_not_started", reason=str(error))
                await asyncio.sleep(LONGEST_PAUSE)
                continue
            self._workers[slot] = worker
            self._metrics.workers.set(len(self._workers))
            if self._is_draining():  # since it began to start, too late to be told with the others
                worker.process.terminate()
            await self._ended(worker)
            del self._workers[slot]
            self._metrics.workers.set(len(self._workers))
            await self._tell_death(worker.pid)
            if self._is_draining():  # since this loop looked
                return
            self._metrics.worker_deaths.inc()
            pause = 0.05 if time.monotonic() - began > SETTLED_SECONDS else min(2 * pause, LONGEST_PAUSE)
            _log.warning("worker_died", pid=worker.pid, code=worker.process.exitcode, next_in_seconds=pause)
            await asyncio.sleep(pause)

    def _is_draining(self) -> bool:
        return self._draining

    def _started(self) -> _Worker:
        reader, writer = self._context.Pipe(duplex=False)
        from service.workers.start import work

        process = self._context.Process(target=work, args=(self._config.to_json(), reader), name="inr worker")
        process.start()
        reader.close()
        os.set_blocking(writer.fileno(), False)  # a worker that does not read must not hold up the server
        return _Worker(process, writer)

    @staticmethod
    async def _ended(worker: _Worker) -> None:
        """Wait until a process has ended."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(worker.process.sentinel, done.set)
        try:
            await done.wait()
        finally:
            loop.remove_reader(worker.process.sentinel)
        worker.process.join()
        worker.pipe.close()

    def _bury(self) -> None:
        with contextlib.suppress(StorageError):  # then leases run out by themselves
            for owner in self._queue.owners():
                if is_dead(owner):
                    self._queue.died(owner)

    async def _tell_death(self, pid: int) -> None:
        with contextlib.suppress(StorageError):  # then the lease runs out by itself
            await asyncio.to_thread(self._queue.died, owner_of(pid))
