"""A server, assembled: nothing happens here that is not written elsewhere."""

import asyncio
import shutil
from collections.abc import Sequence
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from inr.address import Address, listen_address
from inr.errors import SpecError, StorageError
from inr.files import reason
from inr.pem import load_pair, read_pem, trusting
from inr.rpc.v1 import blob_pb2, blob_pb2_grpc, field_pb2, field_pb2_grpc, job_pb2, job_pb2_grpc
from service.api.blobs import BlobApi
from service.api.fields import FieldApi
from service.api.jobs import JobApi
from service.config import MESSAGE_BYTES, ServerConfig
from service.executors.base import AbstractExecutor
from service.executors.local import LocalExecutor
from service.helpers import Helpers
from service.interceptors.guard import Guard
from service.metrics import Metrics
from service.store.blobs import BlobStore
from service.store.database import database_of
from service.store.jobs import JobStore
from service.store.queue import Queue
from service.store.uploads import Uploads
from service.tenants import Tokens
from service.watching import Watching

SERVICES = (
    blob_pb2.DESCRIPTOR.services_by_name["BlobService"].full_name,
    job_pb2.DESCRIPTOR.services_by_name["JobService"].full_name,
    field_pb2.DESCRIPTOR.services_by_name["FieldService"].full_name,
)
HOUSEKEEPING_SECONDS = 5.0
SWEEP_EVERY = 720
"""Rounds of housekeeping between two searches for blobs that nobody uses."""
DECODERS = 3
"""Calls of Decode that are served at the same time; no tenant gets all of them."""
GOODBYE_SECONDS = 1.0
"""For open calls to end when the server stops."""

_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", 16 * 2**10),
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 1000),  # of a connection
    # Clients may ask whether the connection lives, as often as ours does.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

_log = structlog.get_logger(__name__)


class Server:
    """The service in one process, with its workers and helpers beside it.

    Args:
        config: all settings.

    Raises:
        SpecError: settings that cannot be used: a token file or certificate that cannot be read, an unknown URL.
        StorageError: database or blobs cannot be used.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.config = config.replace(data=config.data.absolute())
        self.metrics = Metrics()
        self._tokens = None if config.token_file is None else Tokens(config.token_file)
        self._credentials = _credentials(config)
        self._make_data()
        self._database = database_of(self.config)
        self._database.prepare()
        self.jobs = JobStore(self._database)
        self.queue = Queue(self._database, config.lease_seconds, config.attempts)
        self.blobs = BlobStore(self._database, self.config.blobs_url)
        self.uploads = Uploads(self.config.data / "uploads", self.blobs)
        self.helpers = Helpers(self.config, 1)
        self.decoders = Helpers(self.config, DECODERS, each=DECODERS - 1)
        self.executor = _executor(self.config, self.queue, self.metrics)
        self._watching = Watching(self.jobs)
        self._health = health.HealthServicer()
        self._tasks: list[asyncio.Task[None]] = []
        self.address = listen_address(config.listen, "listen")
        self.metrics_port: int | None = None

    async def start(self) -> None:
        """Listen, and take jobs; raises `SpecError` if the address cannot be had."""
        guard = Guard(self._tokens, self.config.quota.requests_per_second, self.metrics)
        self._grpc = grpc.aio.server(interceptors=[guard], options=_OPTIONS)
        self._add_services()
        self.address = self._bound()
        if self.config.metrics is not None:
            self.metrics_port = self.metrics.serve(self.config.metrics)
        await self.executor.start()
        await self._grpc.start()
        for service in ("", *SERVICES):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._tasks = [asyncio.create_task(self._watching.run()), asyncio.create_task(self._housekeeping())]

    async def stop(self) -> None:
        """Take nothing new, put the jobs back, and end."""
        await self._health.enter_graceful_shutdown()
        refusing = asyncio.create_task(self._grpc.stop(GOODBYE_SECONDS))
        await self.executor.drain(self.config.drain_seconds)
        await refusing
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.helpers.close()
        await self.decoders.close()
        self._database.close()

    def _make_data(self) -> None:
        try:
            self.config.data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the folder {self.config.data}: {reason(error)}") from None

    def _add_services(self) -> None:
        config = self.config
        blob_pb2_grpc.add_BlobServiceServicer_to_server(
            BlobApi(self.blobs, self.uploads, config.quota, self.metrics), self._grpc
        )
        job_pb2_grpc.add_JobServiceServicer_to_server(
            JobApi(self.jobs, self.blobs, self.helpers, self._watching, config.quota, self.executor.wake), self._grpc
        )
        field_pb2_grpc.add_FieldServiceServicer_to_server(
            FieldApi(config, self.jobs, self.blobs, self.helpers, self.decoders, self.metrics), self._grpc
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        names = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._grpc)

    def _bound(self) -> Address:
        listen = str(self.address)
        try:
            if self._credentials is not None:
                port = self._grpc.add_secure_port(listen, self._credentials)
            else:
                port = self._grpc.add_insecure_port(listen)
        except RuntimeError:
            port = 0
        if not port:
            raise SpecError(f"listen: cannot listen on {listen}; is something else there?")
        return Address(self.address.host, int(port))

    async def _housekeeping(self) -> None:
        """Count jobs; now and then, remove what nobody uses."""
        for turn in range(2**62):
            try:
                for state, count in (await asyncio.to_thread(self.jobs.counts)).items():
                    self.metrics.jobs.labels(state.name.lower()).set(count)
                if turn % SWEEP_EVERY == 0:
                    await asyncio.to_thread(self._sweep)
            except OSError as error:  # a StorageError is one, too
                _log.warning("housekeeping_failed", reason=str(error))
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    def _sweep(self) -> None:
        """Remove blobs and uploads that nobody uses, and checkpoints of jobs that have ended."""
        age = self.config.keep_days * 86_400
        blobs = self.blobs.sweep(age)
        self.uploads.sweep(age)
        home = self.config.data / "checkpoints"
        folders = {path.name for path in home.iterdir()} if home.is_dir() else set()
        left = folders - self.jobs.going_on(folders)
        for name in left:
            shutil.rmtree(home / name, ignore_errors=True)
        _log.info("swept", blobs=blobs, checkpoints=len(left))


def _executor(config: ServerConfig, queue: Queue, metrics: Metrics) -> AbstractExecutor:
    if config.executor == "ray":
        from service.executors.ray import RayExecutor

        return RayExecutor(config, queue, metrics)
    return LocalExecutor(config, queue, metrics)


def _credentials(config: ServerConfig) -> grpc.ServerCredentials | None:
    if config.tls_cert is None or config.tls_key is None:
        return None
    key, cert = read_pem("tls-key", config.tls_key), read_pem("tls-cert", config.tls_cert)
    authority = None if config.tls_client_ca is None else read_pem("tls-client-ca", config.tls_client_ca)
    context = trusting("tls-client-ca", config.tls_client_ca, authority)
    load_pair(context, ("tls-cert", config.tls_cert), ("tls-key", config.tls_key))
    return grpc.ssl_server_credentials([(key, cert)], authority, require_client_auth=authority is not None)


def told(server: Server) -> list[str]:
    """Where a server listens and what it has, in a few lines."""
    config = server.config
    tls = "no TLS" if config.tls_cert is None else "mutual TLS" if config.tls_client_ca is not None else "TLS"
    who = "no tokens" if config.token_file is None else f"tokens from {config.token_file}"
    runs = f"ray at {config.ray_address or 'this machine'}"
    if config.executor == "local":
        runs = f"{config.worker_count} worker(s) with {config.worker_threads} thread(s)"
    lines = [
        f"listening on {server.address} ({tls}, {who})",
        f"jobs: {runs}; data in {config.data}",
    ]
    if server.metrics_port is not None:
        lines.append(f"metrics on port {server.metrics_port}")
    return lines
