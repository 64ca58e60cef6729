"""Servers that are there and yet cannot be talked to: each says in one line, at once, which setting to change."""

import contextlib
import http.server
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

import inr
from inr.errors import FileAccessError, HandshakeError, ServiceError, SpecError, UnavailableError
from inr.rpc.v1 import job_pb2
from tests.service.test_command_line import refused, said
from tests.support.certificates import encrypted, issue
from tests.support.servers import RunningServer

PATIENCE = ("--patience", "60")
SOON = 15.0
"""Seconds, a fraction of the patience: what is wrong with settings is not tried again."""
FAR = "192.0.2.1:50051"


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pems")
    authority = issue(folder, "authority")
    issue(folder, "server", authority)
    issue(folder, "alice", authority)
    issue(folder, "self")
    issue(folder, "elsewhere", authority, names=("inr.example.org", "10.0.0.1"))
    issue(folder, "expired", authority, days=(-2, -1))
    issue(folder, "early", authority, days=(1, 2))
    return folder


@contextlib.contextmanager
def tls_server(pems: Path, name: str, client_ca: str | None = None) -> Iterator[str]:
    """A gRPC server that has this certificate, and the list of jobs of the service."""
    key, cert = (pems / f"{name}.key").read_bytes(), (pems / f"{name}.pem").read_bytes()
    wanted = None if client_ca is None else (pems / f"{client_ca}.pem").read_bytes()
    credentials = grpc.ssl_server_credentials([(key, cert)], wanted, require_client_auth=wanted is not None)
    with serving(lambda server: server.add_secure_port("127.0.0.1:0", credentials)) as port:
        yield f"127.0.0.1:{port}"


def no_jobs(request: job_pb2.ListJobsRequest, context: object) -> job_pb2.ListJobsResponse:
    """An empty list."""
    del request, context
    return job_pb2.ListJobsResponse()


@contextlib.contextmanager
def serving(bind: Callable[[grpc.Server], int], jobs: bool = True) -> Iterator[int]:
    """A gRPC server; `bind` gives it its port."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    if jobs:
        method: Any = grpc.unary_unary_rpc_method_handler(
            no_jobs, job_pb2.ListJobsRequest.FromString, job_pb2.ListJobsResponse.SerializeToString
        )
        handlers = grpc.method_handlers_generic_handler("inr.rpc.v1.JobService", {"ListJobs": method})
        server.add_generic_rpc_handlers((handlers,))
    port = bind(server)
    server.start()
    yield port
    server.stop(None).wait()


@contextlib.contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something that takes connections, and does this with each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):  # closed below
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INR_SERVER", "INR_TOKEN", "INR_CA"):
        monkeypatch.delenv(name, raising=False)


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    """What `inr jobs` says that fails, which is no matter of patience."""
    began = time.monotonic()
    error = refused(capsys, code, "jobs", *arguments, *PATIENCE)
    assert time.monotonic() - began < SOON
    return error


def test_tls_on_one_side_only(pems: Path, server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    with tls_server(pems, "server") as address:
        for plain in (address, f"http://{address}"):
            error = told(capsys, "--server", plain)
            assert f"the server at {address} wants TLS: say --tls, or give --ca (INR_CA) the authority" in error
        trust = ("--ca", str(pems / "authority.pem"))
        for encrypted_ in (address, f"https://{address}/", f"grpcs://{address}"):
            assert said(capsys, "jobs", "--server", encrypted_, *trust).startswith("ID ")
        assert "http:// is without TLS, which ca asks for" in told(
            capsys, "--server", f"http://{address}", *trust, code=2
        )
    for options in (trust, ("--tls",)):
        error = told(capsys, "--server", server.address, *options)
        assert f"the server at {server.address} speaks without TLS: leave out --tls, --ca (INR_CA)" in error
    assert "speaks without TLS" in told(capsys, "--server", f"https://{server.address}")


@pytest.mark.parametrize(
    ("name", "ca", "reason"),
    [
        (
            "server",
            None,
            "is signed by nobody whom this machine trusts (unable to get local issuer certificate): give --ca",
        ),
        ("self", None, "is signed by nobody whom this machine trusts (self-signed certificate): give --ca (INR_CA)"),
        (
            "server",
            "self",
            "is not signed by the authority in {ca} (unable to get local issuer certificate): give --ca",
        ),
        ("self", "authority", "is not signed by the authority in {ca} (self-signed certificate): give --ca (INR_CA)"),
        (
            "elsewhere",
            "authority",
            "is for inr.example.org, 10.0.0.1, not for 127.0.0.1: give --server a name that --ca",
        ),
        ("expired", "authority", "has expired: the server needs another, which no --ca can replace"),
        ("early", "authority", "is not valid yet: the server needs another, which no --ca can replace"),
    ],
)
def test_certificates_that_do_not_do(
    pems: Path,
    name: str,
    ca: str | None,
    reason: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = str(pems / f"{ca}.pem")
    with tls_server(pems, name) as address:
        expected = f"inr: error: the certificate of {address} {reason.format(ca=path)}"
        options = ("--tls",) if ca is None else ("--ca", path)
        assert told(capsys, "--server", address, *options).startswith(expected)
        if ca is not None:
            monkeypatch.setenv("INR_CA", path)
            assert told(capsys, "--server", address).startswith(expected)


def test_a_certificate_that_signs_itself_is_its_own_authority(pems: Path) -> None:
    with tls_server(pems, "self") as address, inr.Client(address, ca=pems / "self.pem") as client:
        assert client.jobs() == []


def test_certificates_of_clients(pems: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tls_server(pems, "server", client_ca="authority") as address:
        trust = ("--server", address, "--ca", str(pems / "authority.pem"))
        assert "asks for a client's certificate: give --cert and --key" in told(capsys, *trust)
        own = ("--cert", str(pems / "self.pem"), "--key", str(pems / "self.key"))
        assert f"does not accept the certificate in {pems / 'self.pem'}: try another --cert" in told(
            capsys, *trust, *own
        )
        own = ("--cert", str(pems / "alice.pem"), "--key", str(pems / "alice.key"))
        assert said(capsys, "jobs", *trust, *own).startswith("ID ")
        assert "wants TLS" in told(capsys, "--server", address)


def test_files_of_tls_are_looked_at_before_anything_is_sent(pems: Path, tmp_path: Path) -> None:
    authority, alice, secret = pems / "authority.pem", pems / "alice.pem", pems / "alice.key"
    (tmp_path / "text.pem").write_text("no certificate")
    locked = tmp_path / "locked.key"
    locked.write_bytes(encrypted(issue(tmp_path, "new")[1]))
    with pytest.raises(FileAccessError, match=r"ca: cannot read nowhere\.pem: no such file or directory"):
        inr.Client(FAR, ca="nowhere.pem")
    for wrong, message in (
        ({"ca": tmp_path / "text.pem"}, r"ca: .*text\.pem is not a PEM file"),
        ({"ca": secret}, r"ca: .*alice\.key has no certificate of an authority"),
        ({"ca": authority, "cert": alice, "key": pems / "self.key"}, r"key: .*self\.key is not the key of the cert"),
        ({"ca": authority, "cert": secret, "key": secret}, r"cert: .*alice\.key and .*alice\.key are no certificate"),
        (
            {"ca": authority, "cert": tmp_path / "new.pem", "key": locked},
            r"key: .*locked\.key is encrypted with a pass",
        ),
        ({"cert": alice}, r"give both cert and key, or neither"),
    ):
        with pytest.raises(SpecError, match=message):
            inr.Client(FAR, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["authority", "text"])
def test_a_server_says_at_once_that_its_files_do_not_belong_together(
    pems: Path, tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.key").write_text("no key")
    key = pems / "authority.key" if other == "authority" else tmp_path / "text.key"
    arguments = ("--tls-cert", str(pems / "server.pem"), "--tls-key", str(key), "--data", str(tmp_path / "data"))
    error = refused(capsys, 2, "serve", "--listen", "127.0.0.1:0", *arguments)
    expected = "is not the key of the certificate in" if other == "authority" else "is not a PEM file"
    assert f"tls-key: {key} {expected}" in error


# --- something else at the address ---


class Page(http.server.BaseHTTPRequestHandler):
    """A web page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hi")

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments


@pytest.mark.parametrize("encrypted_", [False, True])
def test_a_web_server(pems: Path, encrypted_: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as web:
        if encrypted_:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pems / "server.pem", pems / "server.key")
            web.socket = context.wrap_socket(web.socket, server_side=True)
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        address = f"127.0.0.1:{web.server_address[1]}"
        try:
            trust = ("--ca", str(pems / "authority.pem"))
            expected = f"a web server answers at {address}, not an inr server: is the port right?"
            assert expected in told(capsys, "--server", address, *trust)
            if not encrypted_:
                assert expected in told(capsys, "--server", address)
        finally:
            web.shutdown()
            thread.join()


def test_something_that_greets(capsys: pytest.CaptureFixture[str]) -> None:
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-\x1b[31mred\r\n")
        connection.recv(100)

    with listening(greet) as address:
        error = told(capsys, "--server", address)
        assert f"something else answers at {address}, not an inr server: it says 'SSH-2.0-" in error
        assert "\x1b" not in error


def test_a_grpc_server_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda server: server.add_insecure_port("127.0.0.1:0"), jobs=False) as port:
        error = told(capsys, "--server", f"127.0.0.1:{port}")
        assert "what answers is no inr server, or one of another version: method not found" in error
        with inr.Client(f"127.0.0.1:{port}") as client, pytest.raises(ServiceError):
            client.capabilities()


def test_something_that_is_silent_is_given_up_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    held: list[bytes] = []
    with listening(lambda connection: held.append(connection.recv(10**6) and connection.recv(10**6))) as address:
        with inr.Client(address, timeout=1.0, patience=0.0) as client, pytest.raises(ServiceError) as caught:
            client.jobs()
        assert not isinstance(caught.value, HandshakeError)


def test_nobody_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        error = refused(capsys, 1, "jobs", "--server", address, "--patience", "0")
        assert "the server cannot be reached: connection refused; --server or INR_SERVER says where it is" in error
        assert address in error
        with inr.Client(address, patience=0) as client, pytest.raises(UnavailableError) as caught:
            client.jobs()
        assert not isinstance(caught.value, HandshakeError)  # it may come, and is waited for
    error = refused(capsys, 1, "jobs", "--server", "nowhere.invalid", "--patience", "0")
    assert "the server cannot be reached: its name" in error
    assert "nowhere.invalid:50051" in error


# --- addresses ---


def test_addresses_of_a_server(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    port = server.port
    for given in (
        *(f"127.0.0.1:{port}/", f"http://127.0.0.1:{port}", f"grpc://localhost:{port}/", f" LocalHost:{port} "),
        *(f"dns:///127.0.0.1:{port}", f"ipv4:127.0.0.1:{port}"),
    ):
        assert said(capsys, "jobs", "--server", given, "--limit", "1").startswith("ID ")
    for given in ("", "127.0.0.1:99999", f"127.0.0.1:{port}/jobs", f"ftp://127.0.0.1:{port}"):
        assert "error: server: " in told(capsys, "--server", given, code=2)


def test_a_server_on_ipv6(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--workers", "0", "--metrics", "[::1]:0")
    with RunningServer(tmp_path / "data", *options, listen="[::1]:0") as there:
        assert there.said.splitlines()[0] == f"listening on [::1]:{there.port} (no TLS, no tokens)"
        assert there.said.splitlines()[2].startswith("metrics on port ")
        for given in (there.address, f"http://[::1]:{there.port}/", f"[0:0:0:0:0:0:0:1]:{there.port}"):
            assert said(capsys, "jobs", "--server", given).startswith("ID ")


def test_a_server_on_a_socket_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_TOKEN", "secret")  # goes nowhere else
    address = f"unix:{tmp_path}/a b.sock"
    with serving(lambda server: server.add_insecure_port(address)), inr.Client(address) as client:
        assert client.jobs() == []


# --- tokens ---


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with two tenants; its token file was written on another system."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_bytes("\ufeffalice alice-secret\r\n \t# nobody\r\n\r\n  bob\t bob-secret \r\n".encode())
    with RunningServer(folder / "data", "--workers", "0", "--token-file", str(folder / "tokens")) as running:
        yield running


def test_tokens_are_stripped_of_white_space(
    guarded: RunningServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("jobs", "--server", guarded.address)
    for token in ("alice-secret", " alice-secret", "bob-secret\n", "\tbob-secret\r\n", "\u00a0bob-secret\u2003"):
        assert said(capsys, *where, "--token", token).startswith("ID ")
        monkeypatch.setenv("INR_TOKEN", token)
        assert said(capsys, *where).startswith("ID ")
        assert said(capsys, *where, "--token", "  ").startswith("ID ")  # no token at all
        monkeypatch.delenv("INR_TOKEN")


def test_token_errors_name_the_settings(
    guarded: RunningServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--server", guarded.address)
    asks = f"the server at {guarded.address} asks for a token; give it with --token or INR_TOKEN"
    assert asks in told(capsys, *where)
    for option, variable, origin in (("wr0ng", "alice-secret", "--token"), (None, "wr0ng", "INR_TOKEN")):
        monkeypatch.setenv("INR_TOKEN", variable)
        error = told(capsys, *where, *(() if option is None else ("--token", option)))
        assert f"the server at {guarded.address} does not know the token of {origin}; try another --token" in error
        assert "wr0ng" not in error
    monkeypatch.setenv("INR_TOKEN", "s3cret")
    far = told(capsys, "--server", FAR, code=2)
    assert f"INR_TOKEN: the token would go to {FAR} in clear text; use TLS (--tls or --ca), or say --insecure" in far
    assert "--token: the token would go to" in told(capsys, "--server", FAR, "--token", "s3cret", code=2)
    for token in ("alice s3cret", "s3cr\u00e9t", "s3cret\x1b[31m", "Bearer s3cret", "s3\x00cret", "s3\udcffcret"):
        error = told(capsys, *where, "--token", token, code=2)
        assert "--token: character " in error
        assert "s3" not in error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("alice one\n".encode("utf-16"), "is not UTF-8 text; save it as that"),
        ("alice gehëim\n".encode(), "the token in line 1 of .* is not printable ASCII"),
        (b"alice\n", "line 1 of .* must be TENANT TOKEN"),
        (b"\xef\xbb\xbf\r\n", "has no tokens"),
        (None, "token file: cannot read .*: no such file or directory"),
    ],
)
def test_token_files_that_make_no_sense(
    tmp_path: Path, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "tokens").write_bytes(content)
    arguments = ("--token-file", str(tmp_path / "tokens"), "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0")
    assert re.search(message, refused(capsys, 2, "serve", *arguments))
