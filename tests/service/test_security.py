"""Who may do what, over real TLS, with real tokens; and what hostile clients get."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from PIL import Image

import inr
from inr.errors import (
    InrError,
    NotFoundError,
    OffsetError,
    QuotaExceededError,
    RequestError,
    SpecError,
    UnauthenticatedError,
    UnavailableError,
)
from inr.rpc.v1 import blob_pb2, blob_pb2_grpc, field_pb2, field_pb2_grpc, job_pb2, job_pb2_grpc
from service.config import Quota, ServerConfig
from service.tenants import Tokens, tenant_of
from tests.service.conftest import SMALL
from tests.support.certificates import issue
from tests.support.servers import RunningServer

Picture = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = issue(folder, "authority")
    issue(folder, "server", authority)
    issue(folder, "alice", authority)
    issue(folder, "stranger")
    return folder


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with two tenants."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_text("# who\nalice alice-secret\nbob bob-secret\n\nbob bob-second\n")
    with RunningServer(folder / "data", "--workers", "1", "--token-file", str(folder / "tokens")) as running:
        yield running


def test_tokens(guarded: RunningServer, picture: Picture) -> None:
    for token in (None, "", "wrong", "alice-secre", "alice-secret2"):
        with inr.Client(guarded.address, token=token) as client, pytest.raises(UnauthenticatedError):
            client.jobs()
    for token in ("bob-secret", "bob-second"):
        with inr.Client(guarded.address, token=token) as client:
            assert client.jobs() == []


def test_a_tenant_sees_nothing_of_another(guarded: RunningServer, picture: Picture) -> None:
    with inr.Client(guarded.address, token="alice-secret") as alice:  # noqa: S106
        job = alice.submit(picture, **SMALL)
        result = alice.job(job.id).wait().result
        assert result is not None
    with inr.Client(guarded.address, token="bob-secret") as bob:  # noqa: S106
        theirs = bob.job(job.id)
        for act in (theirs.info, theirs.cancel, theirs.delete, theirs.wait, lambda: list(theirs.watch())):
            with pytest.raises(NotFoundError, match="there is no job"):
                act()
        for look in (bob.open, bob.decode):
            with pytest.raises(NotFoundError):
                look(job.id)
        with pytest.raises(NotFoundError, match="there is no blob"):
            bob.download(result.sha256)
        assert bob.jobs() == []


def test_a_changed_token_file_counts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tokens"
    path.write_text("alice one\n")
    monkeypatch.setattr("service.tenants.RELOAD_SECONDS", 0.0)
    tokens = Tokens(path)
    metadata = [("authorization", "Bearer two")]
    with pytest.raises(UnauthenticatedError):
        tenant_of(tokens, metadata, {})
    path.write_text("alice one\nbob two\n")
    assert tenant_of(tokens, metadata, {}) == "bob"
    path.write_text("nonsense\n")
    assert tenant_of(tokens, metadata, {}) == "bob"  # as before, until the file makes sense again
    with pytest.raises(SpecError, match="must be TENANT TOKEN"):
        Tokens(path)


def test_tls(tmp_path: Path, certificates: Path) -> None:
    pem = {name: str(certificates / name) for name in ("server.pem", "server.key", "authority.pem", "stranger.pem")}
    options = ("--workers", "0", "--tls-cert", pem["server.pem"], "--tls-key", pem["server.key"])
    with RunningServer(tmp_path / "data", *options) as server:
        assert "TLS" in server.said
        with inr.Client(server.address, ca=pem["authority.pem"]) as client:
            assert client.jobs() == []
        for ca in (pem["stranger.pem"], None):
            with (
                inr.Client(server.address, timeout=5, patience=0, ca=ca) as client,
                pytest.raises(UnavailableError),
            ):
                client.jobs()


def test_mutual_tls_names_the_tenant(tmp_path: Path, certificates: Path, picture: Picture) -> None:
    place = {path.name: str(path) for path in certificates.iterdir()}
    options = ("--tls-cert", place["server.pem"], "--tls-key", place["server.key"])
    demand = ("--tls-client-ca", place["authority.pem"])
    with RunningServer(tmp_path / "data", "--workers", "0", *options, *demand) as server:
        trust: dict[str, Any] = {"ca": place["authority.pem"], "timeout": 5.0, "patience": 0.0}
        with inr.Client(server.address, **trust, cert=place["alice.pem"], key=place["alice.key"]) as alice:
            assert alice.submit(picture, **SMALL).info().state == "queued"
        with (
            inr.Client(server.address, **trust, cert=place["stranger.pem"], key=place["stranger.key"]) as stranger,
            pytest.raises(UnavailableError),
        ):
            stranger.jobs()
        with inr.Client(server.address, **trust) as nobody, pytest.raises(UnavailableError):
            nobody.jobs()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.168.1.1:50051", "example.com:1"])
def test_others_are_let_in_only_on_demand(listen: str) -> None:
    with pytest.raises(SpecError, match="can be reached by others; give --tls-cert and --tls-key, or say --insecure"):
        ServerConfig(listen=listen)
    assert ServerConfig(listen=listen, insecure=True).listen == listen


QUOTAS = tuple(Quota.model_fields)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"listen": "nonsense"}, "takes HOST:PORT"),
        ({"listen": "127.0.0.1:99999"}, "takes HOST:PORT"),
        ({"tls_cert": Path("a")}, "give both --tls-cert and --tls-key"),
        ({"tls_client_ca": Path("a")}, "needs --tls-cert"),
        ({"executor": "cloud"}, "executor"),
        ({"workers": -1}, "workers"),
        ({"executor": "Ray"}, "executor: input should be 'local' or 'ray'; got 'Ray'"),
        ({"metrics": "x"}, "metrics: takes HOST:PORT"),
        ({"metrics": "::1:9464"}, "metrics: takes HOST:PORT with a port of 0..65535, an IPv6 host in brackets"),
        (
            {"workrs": 1},
            "workrs: is not known; known: listen, data, database, blobs, executor, workers, threads, ray_add",
        ),
        ({"quota": {"activ_jobs": 1}}, f"^quota: activ_jobs: is not known; known: {', '.join(QUOTAS)}; got 1$"),
        (
            {"quota": {"Active_jobs": 1, "x": 2}},
            f"^quota: Active_jobs: is not known; known: {', '.join(QUOTAS)}; got 1$",
        ),
        ({"quota": {"active_jobs": "many"}}, "^quota: active_jobs: input should be a valid integer.*; got 'many'$"),
        ({"quota": {"active_jobs": 0}}, "^quota: active_jobs: input should be greater than or equal to 1; got 0$"),
        ({"quota": {"blob_bytes": "16GiB"}}, "^quota: blob_bytes: input should be a valid integer.*; got '16GiB'$"),
    ],
)
def test_settings_of_a_server_that_make_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ServerConfig(**settings)


@pytest.fixture
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    """A bare connection to the shared server, for what the client would never send."""
    with grpc.insecure_channel(server.address) as bare:
        yield bare


def assert_refused(call: "grpc.Call | object", status: grpc.StatusCode, reason: str) -> None:
    """Iterate a failed call; it must have this status and reason, and no trace of Python."""
    with pytest.raises(grpc.RpcError) as caught:
        list(call)  # type: ignore[call-overload]
    error: Any = caught.value
    assert error.code() is status, error.details()
    assert "Traceback" not in (error.details() or "")
    assert "/tmp" not in (error.details() or "")  # noqa: S108
    rich = rpc_status.from_call(error)
    assert rich is not None
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in rich.details if detail.Is(info.DESCRIPTOR))
    assert info.reason == reason


def upload(channel: grpc.Channel, *messages: blob_pb2.UploadRequest) -> list[object]:
    """One upload, as a list so that all calls look alike."""
    return [blob_pb2_grpc.BlobServiceStub(channel).Upload(iter(messages))]


class Lazily:
    """Makes a call only when it is iterated."""

    def __init__(self, call: object) -> None:
        self._call = call

    def __iter__(self) -> Iterator[object]:
        return iter([self._call()])  # type: ignore[operator]


INVALID, RANGE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE
MISSING, EXHAUSTED = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED
HASH = "0" * 64


def header(size: int = 10, offset: int = 0, sha256: str = HASH) -> blob_pb2.UploadRequest:
    return blob_pb2.UploadRequest(header=blob_pb2.UploadHeader(sha256=sha256, size=size, offset=offset))


def data(count: int) -> blob_pb2.UploadRequest:
    return blob_pb2.UploadRequest(data=bytes(count))


def test_uploads_of_hostile_clients(channel: grpc.Channel) -> None:
    for messages, status, reason in (
        ([], INVALID, "BAD_REQUEST"),
        ([data(1)], INVALID, "BAD_REQUEST"),
        ([blob_pb2.UploadRequest()], INVALID, "BAD_REQUEST"),
        ([header(sha256="../../etc/passwd")], INVALID, "BAD_REQUEST"),
        ([header(sha256="A" * 64)], INVALID, "BAD_REQUEST"),
        ([header(size=0)], INVALID, "BAD_REQUEST"),
        ([header(size=-5)], INVALID, "BAD_REQUEST"),
        ([header(size=2**62)], EXHAUSTED, "QUOTA_EXCEEDED"),
        ([header(offset=-1)], RANGE, "BAD_OFFSET"),
        ([header(offset=5)], RANGE, "BAD_OFFSET"),
        ([header(size=3), data(4)], INVALID, "BAD_REQUEST"),
        ([header(size=10), header(size=10)], INVALID, "BAD_REQUEST"),
        ([header(size=10, sha256="1" * 64), data(10)], INVALID, "BAD_REQUEST"),
    ):
        assert_refused(Lazily(lambda m=messages: upload(channel, *m)), status, reason)


def test_an_upload_in_single_bytes(client: inr.Client, channel: grpc.Channel) -> None:
    import hashlib

    content = bytes(range(256)) * 4
    sha256 = hashlib.sha256(content).hexdigest()
    pieces = [blob_pb2.UploadRequest(data=content[i : i + 1]) for i in range(len(content))]
    [answer] = upload(channel, header(len(content), 0, sha256), *pieces)
    assert isinstance(answer, blob_pb2.UploadResponse)
    assert answer.complete
    assert client.download(sha256) == content


def test_calls_of_hostile_clients(channel: grpc.Channel) -> None:
    jobs, blobs = job_pb2_grpc.JobServiceStub(channel), blob_pb2_grpc.BlobServiceStub(channel)
    fields = field_pb2_grpc.FieldServiceStub(channel)
    lies = [
        (lambda: jobs.ListJobs(job_pb2.ListJobsRequest(page_size=-1)), INVALID, "BAD_REQUEST"),
        (lambda: jobs.ListJobs(job_pb2.ListJobsRequest(page_token="x' OR 1")), INVALID, "BAD_REQUEST"),  # noqa: S106
        (lambda: jobs.ListJobs(job_pb2.ListJobsRequest(states=[99])), INVALID, "BAD_REQUEST"),  # type: ignore[list-item]
        (lambda: jobs.GetJob(job_pb2.GetJobRequest(id="")), MISSING, "NOT_FOUND"),
        (lambda: jobs.GetJob(job_pb2.GetJobRequest(id="../" * 50)), MISSING, "NOT_FOUND"),
        (lambda: jobs.CreateJob(job_pb2.CreateJobRequest()), INVALID, "BAD_REQUEST"),
        (lambda: jobs.CreateJob(create(HASH)), MISSING, "NOT_FOUND"),
        (lambda: jobs.CreateJob(create("nonsense")), INVALID, "BAD_REQUEST"),
        (lambda: jobs.CreateJob(create(HASH, spec="[1]")), INVALID, "BAD_REQUEST"),
        (lambda: jobs.CreateJob(create(HASH, spec="{")), INVALID, "BAD_REQUEST"),
        (lambda: jobs.CreateJob(create(HASH, spec="[" * 60_000)), INVALID, "BAD_REQUEST"),
        (lambda: jobs.CreateJob(create(HASH, request_id="x" * 1000)), INVALID, "BAD_REQUEST"),
        (lambda: blobs.GetUpload(blob_pb2.GetUploadRequest(sha256="?")), INVALID, "BAD_REQUEST"),
    ]
    for call, status, reason in lies:
        assert_refused(Lazily(call), status, reason)
    assert_refused(jobs.WatchJob(job_pb2.WatchJobRequest(id="nothing")), MISSING, "NOT_FOUND")
    assert_refused(blobs.Download(blob_pb2.DownloadRequest(sha256=HASH)), MISSING, "NOT_FOUND")
    assert_refused(fields.StreamField(field_pb2.StreamFieldRequest()), INVALID, "BAD_REQUEST")
    assert_refused(fields.StreamField(field_pb2.StreamFieldRequest(max_bytes=-1)), INVALID, "BAD_REQUEST")
    assert_refused(fields.StreamField(field_pb2.StreamFieldRequest(enough_psnr=float("nan"))), INVALID, "BAD_REQUEST")
    assert_refused(fields.Decode(field_pb2.DecodeRequest()), INVALID, "BAD_REQUEST")


def create(sha256: str, spec: str = "", request_id: str = "") -> job_pb2.CreateJobRequest:
    fit = job_pb2.Fit(files=[job_pb2.SourceFile(name="a.png", sha256=sha256)], spec=spec)
    return job_pb2.CreateJobRequest(fit=fit, request_id=request_id)


def test_a_field_that_lies(client: inr.Client, channel: grpc.Channel) -> None:
    """A file that is none, or that asks for far too much, is refused as the library refuses it."""
    from tests.support import lies

    fields = field_pb2_grpc.FieldServiceStub(channel)
    for content, reason in (
        (b"no field at all", "BAD_MAGIC"),
        (lies.HUGE["shape beyond an axis"][1], "LIMIT_EXCEEDED"),
        (lies.WRONG["box with nan"], "CORRUPT_HEADER"),
    ):
        sha256 = put(client, content)
        source = field_pb2.FieldSource(sha256=sha256)
        assert_refused(fields.Decode(field_pb2.DecodeRequest(source=source)), INVALID, reason)
        assert_refused(fields.StreamField(field_pb2.StreamFieldRequest(source=source)), INVALID, reason)
    assert client.capabilities().version


def put(client: inr.Client, content: bytes) -> str:
    """Upload some bytes; returns their hash."""
    from inr.client.content import contents_of

    [made] = contents_of(content)
    client.upload(made)
    return made.sha256


def test_messages_that_are_too_large(channel: grpc.Channel) -> None:
    stub = job_pb2_grpc.JobServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.CreateJob(create(HASH, spec=" " * (9 * 2**20)))
    error: Any = caught.value
    assert error.code() is EXHAUSTED
    assert "8388608" in error.details()


def test_a_small_file_of_a_huge_picture(tmp_path: Path) -> None:
    """A few kilobytes that would become a quarter of a gigabyte are refused before they do."""
    Image.new("1", (16_000, 16_000)).save(tmp_path / "bomb.png", optimize=True)
    assert (tmp_path / "bomb.png").stat().st_size < 2**18
    with (
        RunningServer(tmp_path / "data", "--workers", "1", "--quota", "job_samples=1000000") as server,
        inr.Client(server.address) as client,
    ):
        with pytest.raises(InrError, match="is too large: 16000 × 16000 pixels; at most 1000000"):
            client.submit(tmp_path / "bomb.png", **SMALL).wait()
        [worker] = server.workers()
        assert peak_memory(worker.pid) < 700 * 2**20
        fine = client.submit(np.zeros((8, 8, 3), np.uint8), **SMALL)
        assert fine.wait().state == "done"


def peak_memory(pid: int) -> int:
    """The most bytes that a process ever had in memory (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def test_random_bytes_at_every_method(channel: grpc.Channel, client: inr.Client) -> None:
    random = np.random.default_rng(1)
    for package in (blob_pb2, job_pb2, field_pb2):
        for service in package.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                for length in (1, 17, 300):
                    noise = random.bytes(length)
                    call: Any = channel.stream_stream(path)
                    with pytest.raises(grpc.RpcError) as caught:
                        list(call(iter([noise]), timeout=20))
                    error: Any = caught.value
                    assert error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
                    assert "Traceback" not in error.details()
    assert client.jobs(limit=1) is not None


def test_errors_are_of_the_library(client: inr.Client) -> None:
    for cls in (NotFoundError, OffsetError, QuotaExceededError, RequestError):
        assert issubclass(cls, InrError)
    with pytest.raises(NotFoundError) as caught:
        client.job("0" * 27).info()
    assert caught.value.code == "not_found"
