"""Worker processes of one machine: kept alive, and ended with their server whatever they are doing."""

import asyncio
from pathlib import Path

from service.config import ServerConfig
from service.executors.local import LocalExecutor
from service.metrics import Metrics
from service.store.database import database_of
from service.store.queue import Queue


def test_a_worker_that_is_still_starting_ends_with_its_server(tmp_path: Path) -> None:
    """A busy machine may take longer to start a worker than a server that stops waits for its workers."""
    config = ServerConfig(data=tmp_path, workers=1, threads=1)
    database = database_of(config)
    database.prepare()
    executor = LocalExecutor(config, Queue(database, config.lease_seconds, config.attempts), Metrics())

    async def run() -> bool:
        await executor.start()
        await asyncio.sleep(0)  # its keeper has begun
        drained = asyncio.create_task(executor.drain(seconds=0.01))
        done, _ = await asyncio.wait([drained], timeout=90)
        return drained in done

    assert asyncio.run(run())
    database.close()
