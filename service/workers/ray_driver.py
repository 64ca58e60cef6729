"""The driver of a Ray cluster: ``python -m service.workers.ray_driver``. It takes jobs and has nodes run them.

A process of its own: the server never loads Ray, and if this dies, the cluster ends its tasks and the leases run out.
All nodes need the same database, blobs and data folder, where the checkpoints are.
"""

import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import time

import ray

from inr.address import listen_address
from inr.errors import InrError, SpecError, StorageError
from service.config import ServerConfig
from service.executors.ray import READY
from service.logs import configure
from service.store.database import database_of
from service.store.queue import Queue
from service.workers.channel import Parent, first_line
from service.workers.ray_jobs import Cluster, RayJobs

POLL_SECONDS = 0.25
CONNECT_SECONDS = 5.0
OBJECT_BYTES = 256 * 2**20
"""Memory for objects of a cluster that is started here; what tasks exchange is small."""

_log = logging.getLogger(__name__)


def connect(config: ServerConfig, folder: str) -> Cluster:
    """Join the cluster, or start one here; raises `SpecError` if no node could ever run a job.

    Args:
        config: of the server.
        folder: for sockets and logs of a cluster that is started here.
    """
    where = config.ray_address or "a cluster of this machine"
    try:
        if config.ray_address is None:
            # Ray makes this the address of the machine's network card, but nothing lets others in: see the executor.
            ray.init(
                "local",
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                object_store_memory=OBJECT_BYTES,
                _temp_dir=folder,
            )
        else:
            _check_reachable(config.ray_address)
            ray.init(config.ray_address, log_to_driver=False, configure_logging=False)
    except InrError:
        raise
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        text = " ".join(str(error).split())
        raise SpecError(f"ray: cannot use {where}: {text[:500] or type(error).__name__}") from None
    cluster = Cluster(config.ray_cpus, config.ray_gpus)
    cluster.check()
    return cluster


def _check_reachable(where: str) -> None:
    """Raise `OSError` if nothing listens at HOST:PORT: Ray would try for a minute."""
    if where == "auto" or "://" in where:
        return
    address = listen_address(where, "ray-address")
    with socket.create_connection((address.host, address.port), CONNECT_SECONDS):
        pass


def main(voice: int) -> int:
    """Drive until the parent goes or says stop.

    Args:
        voice: descriptor on which to say that it is ready.
    """
    config = ServerConfig.from_json(first_line(0))
    parent = Parent(0)
    with contextlib.ExitStack() as stack:
        folder = ""
        if config.ray_address is None:  # not in the data folder: sockets need a short path
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="inr-ray-", ignore_cleanup_errors=True))
        stack.callback(ray.shutdown)
        _drive(config, connect(config, folder), parent, voice)
    return 0


def _drive(config: ServerConfig, cluster: Cluster, parent: Parent, voice: int) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: parent.stop())  # Ray has set its own
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    database = database_of(config)
    if database.is_sqlite and cluster.hosts() > 1:
        _log.warning("SQLite is safe for one machine only; a cluster of several needs PostgreSQL")
    jobs = RayJobs(config, Queue(database, config.lease_seconds, config.attempts), cluster)
    os.write(voice, f"{READY}\n".encode())
    while not parent.drain.is_set():
        try:
            jobs.turn()
        except StorageError as error:
            _log.warning("%s", error)
        parent.wait(POLL_SECONDS)
    jobs.stop(time.monotonic() + config.drain_seconds * 0.7)


def _own_voice() -> int:
    """Keep standard output for what is said to the parent; Ray writes to it as well."""
    voice = os.dup(1)
    os.dup2(2, 1)
    return voice


if __name__ == "__main__":
    configure()
    said = _own_voice()
    try:
        sys.exit(main(said))
    except InrError as error:
        os.write(said, f"{' '.join(str(error).split())}\n".encode())
        sys.exit(1)
