"""Jobs on a Ray cluster, by way of one driver process."""

import asyncio
import contextlib
import importlib.util
import os
import secrets
import sys

import structlog

from inr.errors import MissingDependencyError, SpecError, StorageError
from service.config import ServerConfig
from service.executors.base import AbstractExecutor
from service.metrics import Metrics
from service.store.queue import Queue
from service.workers.channel import is_dead

PAUSE_SECONDS = 2.0
"""Before a driver that died is replaced: by then the cluster has ended its tasks, which kept their leases alive."""
READY = "ready"

_log = structlog.get_logger(__name__)


class RayExecutor(AbstractExecutor):
    """Keeps a driver alive, see `service.workers.ray_driver`.

    Args:
        config: of the server.
        queue: told when a driver has died.
        metrics: to count in.

    Raises:
        MissingDependencyError: Ray is not installed.
    """

    def __init__(self, config: ServerConfig, queue: Queue, metrics: Metrics) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingDependencyError("the executor ray needs Ray: pip install 'inr[ray]'")
        self._config, self._queue, self._metrics = config, queue, metrics
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._draining = False

    async def start(self) -> None:
        """Start the driver, and wait until it has joined the cluster; raises `SpecError` if it cannot."""
        process, said = await self._spawn()
        if said != READY:
            await process.wait()
            raise SpecError(said or "ray: the driver ended without a word; its log is on standard error")
        self._keeper = asyncio.create_task(self._keep(process))

    async def wake(self) -> None:
        """Let the driver look at the queue now."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(b"\n")

    async def drain(self, seconds: float) -> None:
        """Have the driver put all jobs back; kill it if it takes longer."""
        self._draining = True
        if self._process is None or self._keeper is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        ended, _ = await asyncio.wait([self._keeper], timeout=seconds)
        if ended:
            return
        _log.warning("driver_killed", pid=self._process.pid, reason="it did not stop in time")
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.wait([self._keeper], timeout=PAUSE_SECONDS + seconds)

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        """Start a driver whenever there is none."""
        said = READY
        while True:
            self._metrics.workers.set(int(said == READY))
            code = await process.wait()
            self._metrics.workers.set(0)
            if self._draining:
                return
            self._metrics.worker_deaths.inc()
            _log.warning("driver_died", code=code, said="" if said == READY else said, next_in_seconds=PAUSE_SECONDS)
            await asyncio.sleep(PAUSE_SECONDS)
            if self._is_draining():  # since this loop looked
                return
            try:
                process, said = await self._spawn()
            except OSError as error:  # no memory, no descriptors, for a while: the next turn tries again
                said = str(error)

    def _is_draining(self) -> bool:
        return self._draining

    async def _spawn(self) -> tuple[asyncio.subprocess.Process, str]:
        """Start a driver; returns the first line that it says, nothing if it died before that."""
        await asyncio.to_thread(self._bury)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "service.workers.ray_driver",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **_settings(self._config)},
            start_new_session=True,
        )
        self._process = process
        if process.stdin is None or process.stdout is None:
            return process, ""
        with contextlib.suppress(ConnectionError):
            process.stdin.write(self._config.to_json().encode() + b"\n")
            await process.stdin.drain()
        return process, (await process.stdout.readline()).decode().strip()

    def _bury(self) -> None:
        """What drivers of this machine held when they died is free at once."""
        with contextlib.suppress(StorageError):  # then leases run out by themselves
            for owner in self._queue.owners():
                if is_dead(owner.partition("/")[0]):
                    self._queue.died(owner)


def _settings(config: ServerConfig) -> dict[str, str]:
    """Environment of Ray where the user has not set it.

    Ray listens on all interfaces and runs what it is told. A cluster of our own therefore takes a token that only its
    processes know; who has a cluster knows how to be let in.
    """
    wanted = {"RAY_USAGE_STATS_ENABLED": "0"}
    if config.ray_address is None and not any(name.startswith("RAY_AUTH_") for name in os.environ):
        wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {name: value for name, value in wanted.items() if name not in os.environ}
