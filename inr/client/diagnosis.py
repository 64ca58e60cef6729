"""Why no connection to a server comes about: what answers at its address, found out by talking to it.

gRPC says little about that, in words that change from version to version.
"""

import contextlib
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from inr.address import Address
from inr.text import printable

SECONDS = 4.0
"""To find out, at most."""
MOST_NAMES = 8
"""Of a certificate, in a message."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""What a client of HTTP/2 begins with: a magic text, and an empty frame of settings."""
_WHICH_CA = "give --ca (INR_CA) the authority that signed its certificate, or a self-signed certificate itself"
_FRAME, _SETTINGS, _ALERT = 9, 4, 0x15
"""Bytes of the head of a frame, the type of the one that a server begins with; the first byte of a refusal of TLS."""
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_NUMBER = 9, 10, 62, 64
"""Codes of OpenSSL for certificates; the others say that nobody who is trusted has signed it."""


@dataclass(frozen=True)
class Tls:
    """What a client brings to TLS.

    Attributes:
        context: whom it trusts, and its certificate.
        ca: file with the authority that it trusts, None for those of the system.
        cert: file with its certificate, or None.
    """

    context: ssl.SSLContext
    ca: str | Path | None
    cert: str | Path | None


def diagnosis(address: Address, tls: Tls | None, seconds: float = SECONDS) -> str | None:
    """What is wrong with how a server is talked to, in one line; None if that cannot be told.

    Args:
        address: where it is.
        tls: of the client, None if it talks without.
        seconds: for all of it, at most.
    """
    if address.socket:
        return None
    talk = _Talk(address, seconds)
    with contextlib.suppress(OSError, ValueError):  # nobody there: gRPC says so as well
        return talk.plain() if tls is None else talk.encrypted(tls)
    return None


class _Talk:
    """A few connections to an address, within some seconds."""

    def __init__(self, address: Address, seconds: float) -> None:
        self._address, self._end = address, time.monotonic() + seconds

    def plain(self) -> str | None:
        """As a client without TLS."""
        with contextlib.suppress(OSError):  # how TLS takes it
            answer = self._answer(None)
            if answer and answer[0] != _ALERT:
                return self._other(answer)
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        with contextlib.suppress(ssl.SSLError):
            self._handshake(anybody).close()
            return f"the server at {self._address} wants TLS: say --tls, or {_WHICH_CA}"
        return None

    def encrypted(self, tls: Tls) -> str | None:
        """As a client with TLS."""
        try:
            answer = self._answer(tls.context)
            if not answer and not self._answer(tls.context):  # once may be a server that ends just now
                return self._hung_up(tls)
            return self._other(answer)
        except ssl.SSLCertVerificationError as error:
            return self._distrust(error, tls)
        except ssl.SSLError as error:
            if _is_refusal(error.reason or ""):
                return self._hung_up(tls)
        answer = self._answer(None)
        if _is_settings(answer):
            return (
                f"the server at {self._address} speaks without TLS: leave out --tls, --ca (INR_CA), --cert and "
                "https://, or start it with --tls-cert and --tls-key"
            )
        return self._other(answer)

    def _distrust(self, error: ssl.SSLCertVerificationError, tls: Tls) -> str:
        """Why the certificate of the server does not do."""
        whose = f"the certificate of {self._address}"
        if error.verify_code in (_EXPIRED, _NOT_YET):
            when = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
            return f"{whose} {when}: the server needs another, which no --ca can replace, or a clock is wrong"
        if error.verify_code in (_OTHER_NAME, _OTHER_NUMBER):
            names = ", ".join(self._names(tls.context)) or "no name at all"
            return f"{whose} is for {names}, not for {self._address.host}: give --server a name that --ca vouches for"
        words = printable(error.verify_message)
        if tls.ca is None:
            return f"{whose} is signed by nobody whom this machine trusts ({words}): {_WHICH_CA}"
        return f"{whose} is not signed by the authority in {tls.ca} ({words}): {_WHICH_CA}"

    def _names(self, context: ssl.SSLContext) -> list[str]:
        """Whom the certificate of the server is for."""
        context.check_hostname = False
        try:
            with contextlib.closing(self._handshake(context)) as stream:
                found = (stream.getpeercert() or {}).get("subjectAltName", ())
        finally:
            context.check_hostname = True
        return [printable(str(pair[1])) for pair in found][:MOST_NAMES]

    def _hung_up(self, tls: Tls) -> str:
        """What a server means that ends the connection as soon as it has seen the certificate of the client."""
        if tls.cert is None:
            return f"the server at {self._address} asks for a client's certificate: give --cert and --key, beside --ca"
        return f"the server at {self._address} does not accept the certificate in {tls.cert}: try another --cert"

    def _other(self, answer: bytes) -> str | None:
        """What a first answer shows if it is not that of a gRPC server."""
        if not answer or _is_settings(answer):
            return None
        if answer.lstrip()[:5].lower() in (b"http/", b"<!doc", b"<html"):
            return f"a web server answers at {self._address}, not an inr server: is the port right?"
        began = printable(answer[:24].decode("ascii", "backslashreplace")).strip()
        return f"something else answers at {self._address}, not an inr server: it says {began!r}"

    def _answer(self, context: ssl.SSLContext | None) -> bytes:
        """The first bytes that come back, none if the connection ends; raises `OSError`, also if nothing comes."""
        with contextlib.closing(self._connected() if context is None else self._handshake(context)) as stream:
            stream.sendall(_PREFACE)
            answer = b""
            while len(answer) < _FRAME and (part := stream.recv(256)):
                answer += part
            return answer

    def _handshake(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        raw = self._connected()
        try:
            return context.wrap_socket(raw, server_hostname=self._address.host)
        except BaseException:
            raw.close()
            raise

    def _connected(self) -> socket.socket:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return socket.create_connection((self._address.host, self._address.port), left)


def _is_refusal(reason: str) -> bool:
    """True for what OpenSSL calls an alert about a certificate; gRPC itself sends none."""
    return "ALERT" in reason and any(word in reason for word in ("CERT", "UNKNOWN_CA", "HANDSHAKE_FAILURE"))


def _is_settings(answer: bytes) -> bool:
    return len(answer) >= _FRAME and answer[3] == _SETTINGS and answer[:2] == b"\0\0"
