"""Addresses as people write them."""

import pytest

from inr.address import Address, listen_address, server_address
from inr.errors import SpecError


@pytest.mark.parametrize(
    ("text", "shown", "target", "tls", "local"),
    [
        ("localhost", "localhost:50051", "dns:///localhost:50051", None, True),
        ("127.9.9.9:7", "127.9.9.9:7", "dns:///127.9.9.9:7", None, True),
        ("INR.Example.ORG:65535", "inr.example.org:65535", "dns:///inr.example.org:65535", None, False),
        (" inr.example.org \n", "inr.example.org:50051", "dns:///inr.example.org:50051", None, False),
        ("http://10.0.0.1", "10.0.0.1:50051", "dns:///10.0.0.1:50051", False, False),
        ("HTTPS://Inr.Example.org:443/", "inr.example.org:443", "dns:///inr.example.org:443", True, False),
        ("grpc://localhost:1/", "localhost:1", "dns:///localhost:1", None, True),
        ("grpcs://[::1]", "[::1]:50051", "dns:///[::1]:50051", True, True),
        ("::1", "[::1]:50051", "dns:///[::1]:50051", None, True),
        ("[0:0:0:0:0:0:0:1]:80", "[::1]:80", "dns:///[::1]:80", None, True),
        ("2001:DB8::2", "[2001:db8::2]:50051", "dns:///[2001:db8::2]:50051", None, False),
        ("[fe80::1%eth0]:9", "[fe80::1%eth0]:9", "dns:///[fe80::1%25eth0]:9", None, False),
        ("http://[fe80::1%25eth0]:9", "[fe80::1%eth0]:9", "dns:///[fe80::1%25eth0]:9", False, False),
        ("dns:///example.org", "example.org:50051", "dns:///example.org:50051", None, False),
        ("ipv6:[::1]:1", "[::1]:1", "dns:///[::1]:1", None, True),
        ("dns:8", "dns:8", "dns:///dns:8", None, False),
        ("bücher.example", "xn--bcher-kva.example:50051", "dns:///xn--bcher-kva.example:50051", None, False),
        ("node_1.internal.:5", "node_1.internal.:5", "dns:///node_1.internal.:5", None, False),
        ("unix:/run/inr.sock", "unix:/run/inr.sock", "unix:/run/inr.sock", None, True),
        ("unix-abstract:inr", "unix-abstract:inr", "unix-abstract:inr", None, True),
    ],
)
def test_what_a_client_may_be_given(text: str, shown: str, target: str, tls: bool | None, local: bool) -> None:
    address = server_address(text)
    assert (str(address), address.target, address.tls, address.is_local) == (shown, target, tls, local)


@pytest.mark.parametrize("port", ["0", "65536", "99999", "9" * 5000, "x", "", "-1", "+1", " 1", "٣", "50051/jobs"])
def test_ports_that_are_none(port: str) -> None:
    for host in ("localhost", "[::1]", "https://inr.example.org"):
        with pytest.raises(SpecError, match=r"^server: the port must be within 1\.\.65535; got "):
            server_address(f"{host}:{port}")


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", ":50051", "50051", "256.1.1.1", "1.2.3", "http://", "a b", "a/b", "a?b", "a#b", "user@host", "-a"),
        *("a..b", "a\nb", "\x1b[31m", "[1.2.3.4]:5", "[::1", "[::1]5", "::1:50051", "1:2:3", "x" * 64, "[]:1"),
        *("a." * 130 + "b", "\udcff"),
    ],
)
def test_hosts_that_are_none(text: str) -> None:
    with pytest.raises(SpecError, match=r"^INR_SERVER: takes HOST or HOST:PORT") as caught:
        server_address(text, "INR_SERVER")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["ftp", "tcp", "ssh", ""])
def test_schemes_that_are_none(scheme: str) -> None:
    with pytest.raises(SpecError, match=r"server: '.*' is no scheme for a server; known: http, https \(TLS\), grpc"):
        server_address(f"{scheme}://localhost:1")


def test_where_a_server_listens() -> None:
    assert listen_address("[::]:0", "listen") == Address("::", 0)
    assert str(listen_address("LOCALHOST:1", "listen")) == "localhost:1"
    wrong = ("here", "127.0.0.1", "::1", "::1:0", "*:1", ":1", "localhost:65536", "http://localhost:1", "unix:/x", "")
    for text in wrong:
        with pytest.raises(SpecError, match=r"^metrics: takes HOST:PORT with a port of 0\.\.65535, an IPv6 host in"):
            listen_address(text, "metrics")
