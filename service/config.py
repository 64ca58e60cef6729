"""How a server is set up."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inr.address import listen_address
from inr.errors import SpecError
from inr.spec import Spec
from inr.text import printable

MESSAGE_BYTES = 8 * 2**20
"""Largest message in either direction."""
CHUNK_BYTES = 256 * 2**10
"""Bytes of a message with data."""


class Quota(Spec):
    """What one tenant may use."""

    blob_bytes: Annotated[int, Field(ge=1)] = 16 * 2**30
    """Bytes of a blob."""
    stored_bytes: Annotated[int, Field(ge=1)] = 256 * 2**30
    """Bytes of all blobs."""
    active_jobs: Annotated[int, Field(ge=1)] = 10_000
    """Jobs that wait or run."""
    kept_jobs: Annotated[int, Field(ge=1)] = 100_000
    """Jobs in all, with those that have ended and are not deleted."""
    job_samples: Annotated[int, Field(ge=1)] = 2**32
    """Sample positions (pixels) of a job's signal."""
    job_seconds: Annotated[float, Field(gt=0)] = 7 * 86_400.0
    """Wall time of a job's fit."""
    decoded_values: Annotated[int, Field(ge=1)] = 2**28
    """Samples times channels of an answer of Decode."""
    requests_per_second: Annotated[float, Field(gt=0)] = 500.0
    """Calls, on average over ten seconds."""


class ServerConfig(Spec):
    """Settings of a server, and of its workers.

    Raises:
        SpecError: a value out of range, or settings that contradict each other.
    """

    listen: str = "127.0.0.1:50051"
    """HOST:PORT; port 0 takes a free one."""
    data: Path = Path("inr-data")
    """Folder for the database, the blobs, uploads and checkpoints."""
    database: str | None = None
    """SQLAlchemy URL; None for SQLite in the data folder, see `service.store.database.database_of`."""
    blobs: str | None = None
    """fsspec URL, or a folder; None for one in the data folder."""
    executor: Literal["local", "ray"] = "local"
    workers: Annotated[int, Field(ge=0, le=1024)] | None = None
    """Processes that fit; None for one for two cores; 0 for a server that only takes jobs."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Of each of them; None divides the cores. The same number gives the same bits."""
    ray_address: str | None = None
    """Of a Ray cluster; None starts one here."""
    ray_cpus: Annotated[float, Field(gt=0)] = 1.0
    """CPUs that a job asks the cluster for."""
    ray_gpus: Annotated[float, Field(ge=0)] = 0.0
    """GPUs that a job asks the cluster for."""
    token_file: Path | None = None
    """Lines of ``TENANT TOKEN``; None lets everybody in, as one tenant."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """Certificates that sign those of clients; asks every client for one."""
    insecure: bool = False
    """Allow an address that others can reach, without TLS."""
    metrics: str | None = None
    """HOST:PORT for Prometheus, or None."""
    quota: Quota = Quota()
    lease_seconds: Annotated[float, Field(ge=0.5, le=3600)] = 15.0
    """Time after which a worker that is not heard of has lost its job."""
    checkpoint_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 5.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 4
    """Deaths of workers without a new checkpoint after which a job is given up."""
    drain_seconds: Annotated[float, Field(gt=0, le=600)] = 8.0
    """Time for workers to put their jobs back when the server stops."""
    keep_days: Annotated[float, Field(gt=0)] = 30.0
    """Age at which blobs that no job uses are removed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        address = listen_address(self.listen, "listen")
        _check_folder(self.data)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SpecError("tls: give both --tls-cert and --tls-key, or neither")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise SpecError("tls: --tls-client-ca needs --tls-cert and --tls-key")
        if not address.is_local and self.tls_cert is None and not self.insecure:
            raise SpecError(
                f"listen: {self.listen} can be reached by others; give --tls-cert and --tls-key, or say --insecure"
            )
        if self.metrics is not None:
            listen_address(self.metrics, "metrics")
        return self

    @property
    def blobs_url(self) -> str:
        """Of the blobs."""
        return self.blobs or str((self.data / "blobs").absolute())

    @property
    def worker_count(self) -> int:
        """Processes that fit."""
        return max(1, cores() // 2) if self.workers is None else self.workers

    @property
    def worker_threads(self) -> int:
        """Threads of each of them."""
        return self.threads or max(1, cores() // max(1, self.worker_count))


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_folder(data: Path) -> None:
    """Raise `SpecError` for a name that the processes of a server could not tell each other in JSON."""
    try:
        str(data).encode()
    except UnicodeEncodeError:
        raise SpecError(f"data: the name of the folder must be Unicode; got {printable(str(data))}") from None
