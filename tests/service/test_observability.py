"""What an operator sees: the first lines, one JSON object a line in the log, counters for Prometheus; never a token."""

import contextlib
import http.client
import json
import re
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from prometheus_client.parser import text_string_to_metric_families

import inr
from inr.client.content import contents_of
from inr.errors import NotFoundError, UnauthenticatedError
from inr.rpc.v1 import job_pb2, job_pb2_grpc
from tests.service.conftest import SMALL
from tests.support.proxy import Proxy
from tests.support.servers import RunningServer, until

Picture = npt.NDArray[np.uint8]
ALICE, BOB, WRONG = "alice-S3cret-Token", "bob-S3cret-Token", "wrong-S3cret-Token"
JOBS, BLOBS, FIELDS = (f"/inr.rpc.v1.{name}Service" for name in ("Job", "Blob", "Field"))


class Watched:
    """A server with metrics and tokens, and what it tells."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        found = re.search(r"metrics on port (\d+)", server.said)
        assert found is not None
        self.port = int(found[1])

    def metrics(self) -> str:
        """What Prometheus gets."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read().decode()

    def value(self, name: str, **labels: str) -> float:
        """A metric as it is now; 0 if it is not there."""
        samples = [s for family in text_string_to_metric_families(self.metrics()) for s in family.samples]
        return next((s.value for s in samples if s.name == name and s.labels == labels), 0.0)

    def logged(self, **wanted: str) -> list[dict[str, Any]]:
        """Lines of the log with these values."""
        lines = [json.loads(line) for line in self.server.log.read_text().splitlines()]
        return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "tokens").write_text(f"alice {ALICE}\nbob {BOB}\n")
    options = ("--workers", "1", "--token-file", str(folder / "tokens"), "--metrics", "127.0.0.1:0")
    with RunningServer(folder / "data", *options) as running:
        yield Watched(running)


@pytest.fixture
def alice(watched: Watched) -> Iterator[inr.Client]:
    with inr.Client(watched.server.address, token=ALICE) as connected:
        yield connected


def test_what_a_server_says_when_it_is_ready(watched: Watched) -> None:
    lines = watched.server.said.splitlines()
    data = watched.server.data
    assert lines[0] == f"listening on 127.0.0.1:{watched.server.port} (no TLS, tokens from {data.parent / 'tokens'})"
    assert lines[1] == f"jobs: 1 worker(s) with 1 thread(s); data in {data}"
    assert re.fullmatch(r"metrics on port \d+", lines[2])
    assert len(lines) == 3


def test_calls_are_counted(watched: Watched, alice: inr.Client) -> None:
    method = f"{JOBS}/GetJob"

    def calls(status: str) -> float:
        return watched.value("inr_calls_total", method=method, status=status)

    before = calls("not_found"), calls("unauthenticated"), watched.value("inr_call_seconds_count", method=method)
    for _ in range(3):
        with pytest.raises(NotFoundError):
            alice.job("0" * 27).info()
    with inr.Client(watched.server.address, token=WRONG) as nobody, pytest.raises(UnauthenticatedError):
        nobody.job("0" * 27).info()
    assert calls("not_found") == before[0] + 3
    assert calls("unauthenticated") == before[1] + 1
    assert watched.value("inr_call_seconds_count", method=method) == before[2] + 4
    assert watched.value("inr_open_calls", method=method) == 0


def test_jobs_and_bytes_are_counted(watched: Watched, alice: inr.Client, picture: Picture) -> None:
    [content] = contents_of(picture)
    received, sent = watched.value("inr_received_bytes_total"), watched.value("inr_sent_bytes_total")
    job = alice.submit(picture, **SMALL)
    with pytest.raises(inr.InrError):
        alice.submit(b"no picture", **SMALL).wait()
    result = job.result()
    assert watched.value("inr_received_bytes_total") == received + content.size + len(b"no picture")
    assert watched.value("inr_sent_bytes_total") == sent + len(result)
    alice.submit(picture, **SMALL).wait()
    assert watched.value("inr_received_bytes_total") == received + content.size + len(b"no picture")  # it was there
    until(lambda: watched.value("inr_jobs", state="done") == 2, seconds=20)
    assert watched.value("inr_jobs", state="failed") == 1
    assert watched.value("inr_jobs", state="running") == 0
    assert watched.value("inr_workers") == 1
    assert watched.value("inr_worker_deaths_total") == 0


def test_what_came_before_a_break_is_counted(watched: Watched, alice: inr.Client) -> None:
    [content] = contents_of(np.random.default_rng(0).bytes(3_000_000))
    before = watched.value("inr_received_bytes_total")
    with Proxy(watched.server.port, 20e6) as proxy:
        proxy.cut_each("up", 2_000_000)
        with inr.Client(proxy.address, token=ALICE) as broken:
            broken.upload(content)
    assert watched.value("inr_received_bytes_total") == before + content.size
    assert watched.value("inr_calls_total", method=f"{BLOBS}/Upload", status="OK") >= 2


def test_a_stream_that_the_client_leaves_is_counted_as_cancelled(
    watched: Watched, alice: inr.Client, picture: Picture
) -> None:
    method = f"{JOBS}/WatchJob"
    endless = alice.submit(picture, **{**SMALL, "steps": 10**6})
    before = watched.value("inr_calls_total", method=method, status="cancelled")
    for _ in endless.watch():
        break
    endless.cancel()
    until(lambda: watched.value("inr_calls_total", method=method, status="cancelled") == before + 1, seconds=20)
    assert watched.value("inr_open_calls", method=method) == 0


def test_a_worker_that_dies_is_counted_and_logged(watched: Watched) -> None:
    until(lambda: len(watched.server.workers()) == 1)
    [worker] = watched.server.workers()
    worker.kill()
    until(lambda: watched.value("inr_worker_deaths_total") == 1)
    [line] = watched.logged(event="worker_died")
    assert (line["pid"], line["code"], line["level"]) == (worker.pid, -9, "warning")
    until(lambda: watched.value("inr_workers") == 1)


def test_calls_are_logged_with_the_clients_own_request_id(watched: Watched) -> None:
    with grpc.insecure_channel(watched.server.address) as channel:
        jobs = job_pb2_grpc.JobServiceStub(channel)
        for token, request_id in ((ALICE, "from-alice"), (BOB, "from-bob"), (WRONG, "from-nobody")):
            metadata = (("authorization", f"Bearer {token}"), ("x-request-id", request_id))
            with pytest.raises(grpc.RpcError):
                jobs.GetJob(job_pb2.GetJobRequest(id="nothing"), metadata=metadata)
        jobs.ListJobs(job_pb2.ListJobsRequest(), metadata=(("authorization", f"Bearer {ALICE}"),))
    for request_id, tenant, outcome in (
        ("from-alice", "alice", "not_found"),
        ("from-bob", "bob", "not_found"),
        ("from-nobody", None, "unauthenticated"),
    ):
        [line] = watched.logged(request_id=request_id)
        assert (line["event"], line["method"]) == ("call", f"{JOBS}/GetJob")
        assert (line.get("tenant"), line["outcome"]) == (tenant, outcome)
        assert 0 <= line["seconds"] < 10
        assert line["timestamp"].endswith("Z")
    made_up = watched.logged(method=f"{JOBS}/ListJobs")[-1]["request_id"]
    assert re.fullmatch("[0-9a-f]{16}", made_up)


def test_nothing_that_is_told_has_a_token(watched: Watched, alice: inr.Client, picture: Picture) -> None:
    job = alice.submit(picture, **SMALL)
    job.result()
    alice.decode(job)
    log, metrics = watched.server.log.read_text(), watched.metrics()
    assert "alice" in log
    assert all(secret not in log + metrics + watched.server.said for secret in (ALICE, BOB, WRONG))
    assert watched.logged(event="call", tenant="alice", method=f"{FIELDS}/Decode", outcome="OK")


def test_a_request_id_that_is_none_is_not_taken(watched: Watched) -> None:
    with grpc.insecure_channel(watched.server.address) as channel:
        jobs = job_pb2_grpc.JobServiceStub(channel)
        for value in ("x" * 65, ""):
            metadata = (("authorization", f"Bearer {BOB}"), ("x-request-id", value))
            jobs.ListJobs(job_pb2.ListJobsRequest(), metadata=metadata)
            line = watched.logged(tenant="bob", method=f"{JOBS}/ListJobs")[-1]
            assert re.fullmatch("[0-9a-f]{16}", line["request_id"])
