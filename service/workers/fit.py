"""A worker process: it takes jobs one after another until its parent goes."""

import logging
import os
import signal
from multiprocessing.connection import Connection

import torch
import torch._dynamo  # the first optimiser of a process loads it, which takes a second: here, before workers are forked

from inr.errors import StorageError
from inr.native import limit_threads
from service.config import ServerConfig
from service.logs import configure
from service.store.blobs import BlobStore
from service.store.database import database_of
from service.store.queue import Queue
from service.workers.channel import Parent, owner_of
from service.workers.job_runner import JobRunner

POLL_SECONDS = 1.0
"""Between two looks at the queue, if nobody wakes this process: other servers may have put something there."""

_log = logging.getLogger(__name__)


def work(settings: str, pipe: Connection) -> None:
    """Work until the parent goes or says stop.

    Args:
        settings: JSON of a `ServerConfig`.
        pipe: from the parent, see `Parent`.
    """
    configure()
    config = ServerConfig.from_json(settings)
    parent = Parent(pipe.fileno())
    signal.signal(signal.SIGTERM, lambda number, frame: parent.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches the server, which tells its workers
    torch.set_num_threads(config.worker_threads)
    limit_threads(config.worker_threads)
    database = database_of(config)
    queue = Queue(database, config.lease_seconds, config.attempts)
    runner = JobRunner(config, queue, BlobStore(database, config.blobs_url), parent.drain)
    owner = owner_of(os.getpid())
    while not parent.drain.is_set():
        try:
            claim = queue.claim(owner)
            if claim is not None:
                _log.info("job %s: attempt %d", claim.job.id, claim.job.attempts + 1)
                runner.run(claim)
                continue
        except StorageError as error:  # the job, if there is one, comes back when its lease runs out
            _log.warning("%s", error)
        parent.wait(POLL_SECONDS)
    database.close()
