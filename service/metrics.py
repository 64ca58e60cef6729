"""What Prometheus may ask."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from inr.address import listen_address
from inr.errors import SpecError

_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "inr_calls_total", "Calls by method and status.", ("method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "inr_call_seconds", "Duration of calls.", ("method",), buckets=_BUCKETS, registry=self.registry
        )
        self.open_calls = Gauge("inr_open_calls", "Calls that are going on.", ("method",), registry=self.registry)
        self.jobs = Gauge("inr_jobs", "Jobs in each state.", ("state",), registry=self.registry)
        self.received = Counter("inr_received_bytes_total", "Bytes of uploads.", registry=self.registry)
        self.sent = Counter("inr_sent_bytes_total", "Bytes of downloads, fields and samples.", registry=self.registry)
        self.worker_deaths = Counter("inr_worker_deaths_total", "Workers that ended unasked.", registry=self.registry)
        self.workers = Gauge("inr_workers", "Worker processes.", registry=self.registry)

    def serve(self, listen: str) -> int:
        """Answer on HOST:PORT; returns the port. Raises `SpecError` if it is taken."""
        where = listen_address(listen, "metrics")
        try:
            server, _ = start_http_server(where.port, where.host, self.registry)
        except OSError as error:
            raise SpecError(f"metrics: cannot listen on {where}: {error.strerror}") from None
        return int(server.server_port)
