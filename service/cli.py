"""`inr serve`: the command line of the server."""

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from inr.cli.options import named_values, option, takes
from inr.cli.terminal import say
from inr.errors import MissingDependencyError

if TYPE_CHECKING:
    from service.config import ServerConfig
    from service.server import Server


ADDRESS, STORAGE, JOBS, CLUSTER, CALLERS = "Address", "Storage", "Jobs", "Cluster", "Callers"
"""Groups of options in the help."""


@dataclass(frozen=True)
class ServeOptions:
    """Settings of a server on the command line, see `service.config.ServerConfig`."""

    listen: Annotated[str, option(ADDRESS, help="HOST:PORT; port 0 takes a free one.")] = "127.0.0.1:50051"
    data: Annotated[Path, option(STORAGE, help="Folder for database, blobs, uploads, checkpoints.")] = Path("inr-data")
    database: Annotated[str | None, option(STORAGE, help="SQLAlchemy URL; default SQLite in the data folder.")] = None
    blobs: Annotated[str | None, option(STORAGE, help="fsspec URL; default a folder in the data folder.")] = None
    workers: Annotated[int | None, option(JOBS, help="Processes that fit; default one for two cores.")] = None
    threads: Annotated[int | None, option(JOBS, help="Of each of them; default their share of the cores.")] = None
    executor: Annotated[str, option(JOBS, help="local or ray.")] = "local"
    ray_address: Annotated[str | None, option(CLUSTER, help="Ray cluster; default one of this machine.")] = None
    ray_cpus: Annotated[float, option(CLUSTER, help="CPUs that a job asks the cluster for.")] = 1.0
    ray_gpus: Annotated[float, option(CLUSTER, help="GPUs that a job asks the cluster for.")] = 0.0
    token_file: Annotated[Path | None, option(CALLERS, help="Lines of TENANT TOKEN.")] = None
    tls_cert: Annotated[Path | None, option(CALLERS, help="PEM file with the certificate chain.")] = None
    tls_key: Annotated[Path | None, option(CALLERS, help="PEM file with its key.")] = None
    tls_client_ca: Annotated[
        Path | None, option(CALLERS, help="PEM file; asks clients for certificates it signed.")
    ] = None
    quota: Annotated[
        list[str] | None,
        option(
            CALLERS,
            help="Limit of each tenant: name=value; may be repeated. Names: blob_bytes, stored_bytes, active_jobs, "
            "kept_jobs, job_samples, job_seconds, decoded_values, requests_per_second.",
        ),
    ] = None
    insecure: Annotated[bool, option(ADDRESS, "--insecure", help="Let others in without TLS.")] = False
    metrics: Annotated[str | None, option(ADDRESS, help="HOST:PORT for Prometheus.")] = None
    lease_seconds: Annotated[float, option(JOBS, help="Silence after which a worker has lost its job.")] = 15.0
    checkpoint_seconds: Annotated[float, option(JOBS, help="Between two checkpoints.")] = 5.0
    attempts: Annotated[int, option(JOBS, help="Deaths of workers in a row after which a job is given up.")] = 4


@takes(ServeOptions)
def serve(options: ServeOptions) -> None:
    """Take fit jobs over gRPC, run them, stream what they make."""
    from service.config import ServerConfig

    config = ServerConfig(**{**vars(options), "quota": named_values("--quota", options.quota)})
    try:
        from service.logs import configure
        from service.server import Server
    except ImportError as error:
        raise MissingDependencyError(f"the server needs {error.name}: pip install 'inr[server]'") from None
    configure()
    asyncio.run(_serve(Server, config))


async def _serve(make: "type[Server]", config: "ServerConfig") -> None:
    from service.server import told

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = make(config)
    await server.start()
    say(*told(server))
    sys.stdout.flush()
    await stop.wait()
    await server.stop()
