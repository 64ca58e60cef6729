"""Where a server is: HOST:PORT as people write it, with or without a scheme, a port, brackets."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote

from inr.errors import SpecError

DEFAULT_PORT = 50051

_SCHEMES: dict[str, bool | None] = {"http": False, "https": True, "grpc": None, "grpcs": True, "dns": None}
"""What may stand before ``://``, and whether it asks for TLS; None leaves that to the other settings."""
_RESOLVERS = re.compile(r"^(dns|ipv4|ipv6):(?!\d*$)")
"""How gRPC says the same; a host may have such a name."""
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_LONGEST = 253
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


@dataclass(frozen=True)
class Address:
    """Where a server is.

    Attributes:
        host: name or number, in lower case and without brackets; empty for a socket.
        port: 0 to 65535.
        tls: what the scheme asks for; None if it leaves that open.
        socket: of this machine, as gRPC calls it, ``unix:PATH``; else empty.
    """

    host: str
    port: int = DEFAULT_PORT
    tls: bool | None = None
    socket: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.socket or f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """For the client of gRPC, which takes a URI."""
        return self.socket or f"dns:///{quote(str(self), safe='[]:')}"

    @property
    def is_local(self) -> bool:
        """True if what is sent there does not leave this machine."""
        if self.socket or self.host.rstrip(".") == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def server_address(text: str, name: str = "server") -> Address:
    """The address that a client is given.

    Args:
        text: HOST or HOST:PORT, an IPv6 address with or without brackets; before them ``http://``, ``https://``,
            ``grpc://`` or ``grpcs://``; or ``unix:PATH``.
        name: of the setting, for messages.

    Raises:
        SpecError: it is none of these.
    """
    given = text.strip()
    if re.match(r"unix(-abstract)?:.", given):
        return Address("", socket=given)
    scheme, separator, rest = given.partition("://")
    if not separator:
        scheme, rest = "grpc", _RESOLVERS.sub("", given)
    if scheme.lower() not in _SCHEMES:
        raise SpecError(
            f"{name}: {scheme!r:.60} is no scheme for a server; known: http, https (TLS), grpc, grpcs (TLS)"
        )
    host, port = _split(rest.strip("/"))
    if host is None:
        raise SpecError(f"{name}: takes HOST or HOST:PORT, an IPv6 host with a port in brackets; got {text!r:.80}")
    if port is not None and _number(port) not in range(1, 2**16):
        raise SpecError(f"{name}: the port must be within 1..65535; got {port!r:.60}")
    return Address(host, DEFAULT_PORT if port is None else int(port), _SCHEMES[scheme.lower()])


def listen_address(text: str, name: str) -> Address:
    """The address that a server listens on: HOST:PORT, where port 0 takes a free one; raises `SpecError`."""
    host, port = _split(text.strip())
    if host is None or port is None or _number(port) not in range(2**16):
        raise SpecError(
            f"{name}: takes HOST:PORT with a port of 0..65535, an IPv6 host in brackets ([::1]:0); got {text!r:.80}"
        )
    return Address(host, int(port))


def _split(text: str) -> tuple[str | None, str | None]:
    """The host, None if it cannot be one, and what stands for the port, None if nothing does."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or not (not rest or rest.startswith(":")):
            return None, None
        return _known(host), rest[1:] if rest else None
    if text.count(":") > 1:
        return _known(text), None
    host, colon, port = text.partition(":")
    return _known(host), port if colon else None


def _known(host: str) -> str | None:
    """A host in the form that certificates have and gRPC takes; None for what cannot be one."""
    try:
        if ":" in host:
            return str(ipaddress.IPv6Address(host.replace("%25", "%")))
        if re.fullmatch(r"[\d.]+", host):
            return str(ipaddress.IPv4Address(host))
        name = (host if host.isascii() else host.encode("idna").decode()).lower()
    except ValueError:
        return None
    return name if len(name) <= _LONGEST and _NAME.fullmatch(name) else None


def _number(digits: str) -> int:
    """A port; -1 for what is none."""
    return int(digits) if re.fullmatch(r"[0-9]{1,5}", digits) else -1
