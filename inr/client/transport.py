"""The connection: address, token, TLS, and the one channel that all calls share."""

import asyncio
import contextlib
import functools
import inspect
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import grpc

from inr.address import Address, server_address
from inr.client.diagnosis import SECONDS, Tls, diagnosis
from inr.client.failures import Patience, ending, retried, translated, within
from inr.client.threads import aside
from inr.errors import (
    DeadlineError,
    HandshakeError,
    InrError,
    SpecError,
    UnauthenticatedError,
    UnavailableError,
)
from inr.pem import load_pair, read_pem, trusting
from inr.rpc.v1 import blob_pb2_grpc, field_pb2_grpc, job_pb2_grpc

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

THIS_MACHINE = "127.0.0.1"
MESSAGE_BYTES = 8 * 2**20
CONNECT_SECONDS = 20.0
"""To find out that nobody answers at all, at most."""
GRACE_SECONDS = 0.5
"""For gRPC to see a deadline itself: while it waits for a full socket it sees none."""
SILENT_SECONDS = 30.0
"""Without anything new, after which a transfer is given up and made to go on anew."""
LOOK_SECONDS = 10.0
"""Between two looks at what answers instead of a server."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 15_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.enable_retries", 0),  # what is safe is tried again here, where it is known what is safe
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
_NO_PROXY = ("grpc.enable_http_proxy", 0)
_END = object()


@dataclass(frozen=True)
class Connection:
    """How to reach a server.

    Attributes:
        server: HOST or HOST:PORT, see `inr.address.server_address`; None takes INR_SERVER, or this machine.
        token: of the caller; None takes INR_TOKEN, or sends none.
        tls: encrypt; always if `ca` or `cert` is given, or INR_CA is set.
        ca: PEM file with the authority that signed the server's certificate; None takes INR_CA, or those of the system.
        cert: PEM file with the client's own certificate, with `key`.
        key: its key.
        insecure: send the token in clear text to other machines, where anybody on the way can read it.
        timeout: seconds that a single call may take.
        patience: seconds of nothing but failures after which a server that cannot be reached is given up.
        silence: seconds without anything new after which a transfer is made to go on anew.
    """

    server: str | None = None
    _: KW_ONLY
    token: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: str | Path | None = None
    cert: str | Path | None = None
    key: str | Path | None = None
    insecure: bool = False
    timeout: float = 30.0
    patience: float = 60.0
    silence: float = SILENT_SECONDS

    @functools.cached_property
    def address(self) -> Address:
        """Where the server is; raises `SpecError`."""
        if self.server is not None:
            return server_address(self.server)
        known = os.environ.get("INR_SERVER", "").strip()
        return server_address(known, "INR_SERVER") if known else Address(THIS_MACHINE)

    @functools.cached_property
    def tls_files(self) -> "TlsFiles | None":
        """Those of TLS, or None for no TLS.

        Raises:
            SpecError: settings that contradict each other, or a token that others could read.
            FileAccessError: a PEM file cannot be read.
        """
        where = "ca" if self.ca else "INR_CA"
        ca = self.ca or os.environ.get("INR_CA")
        if (self.cert is None) != (self.key is None):
            raise SpecError("client: give both cert and key, or neither")
        asked = [name for name, given in (("tls", self.tls), (where, ca), ("cert", self.cert)) if given]
        if asked and self.address.tls is False:
            raise SpecError(f"server: http:// is without TLS, which {asked[0]} asks for; write https://")
        if asked or self.address.tls:
            return TlsFiles.read(where, ca, self.cert, self.key)
        token, origin = self.secret
        if token and not self.insecure and not self.address.is_local:
            raise SpecError(
                f"{origin}: the token would go to {self.address} in clear text; use TLS (--tls or --ca), or say "
                "--insecure to send it so"
            )
        return None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Those of TLS, or None for no TLS; raises as `tls_files`."""
        files = self.tls_files
        return None if files is None else grpc.ssl_channel_credentials(*files.pems)

    def options(self) -> tuple[tuple[str, int], ...]:
        """Of the channel; what gRPC calls a backoff is also how long it tries to connect."""
        connecting = max(1, round(1000 * min(self.timeout, CONNECT_SECONDS)))
        local = (_NO_PROXY,) if self.address.is_local else ()
        return (*_OPTIONS, *local, ("grpc.min_reconnect_backoff_ms", connecting))

    @functools.cached_property
    def secret(self) -> tuple[str, str]:
        """The token, empty for none, and the name of the setting it is from; raises `SpecError` for what is none."""
        given, known = (self.token or "").strip(), os.environ.get("INR_TOKEN", "").strip()
        token, origin = (given, "--token") if given else (known, "INR_TOKEN")
        wrong = next((i for i, character in enumerate(token, 1) if not "!" <= character <= "~"), None)
        if wrong is not None:
            raise SpecError(
                f"{origin}: character {wrong} of the token is a space, or not printable ASCII; give what stands behind "
                "the tenant in the server's token file"
            )
        return token, origin

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        token, _ = self.secret
        return (("authorization", f"Bearer {token}"),) if token else ()

    def not_let_in(self) -> str:
        """What to do where the server knows no token, or another."""
        token, origin = self.secret
        if token:
            return f"the server at {self.address} does not know the token of {origin}; try another --token or INR_TOKEN"
        return f"the server at {self.address} asks for a token; give it with --token or INR_TOKEN"


@dataclass(frozen=True, eq=False)
class TlsFiles:
    """What a client brings to TLS, checked.

    Attributes:
        pems: of the authority, the key and the certificate, for gRPC; None where there is none.
        tls: the same for a look at the server.
    """

    pems: tuple[bytes | None, bytes | None, bytes | None]
    tls: Tls

    @staticmethod
    def read(where: str, ca: str | Path | None, cert: str | Path | None, key: str | Path | None) -> "TlsFiles":
        """Read the files; `where` is the name of the setting that names the authority.

        Raises:
            SpecError: a file is not what it should be.
            FileAccessError: it cannot be read.
        """
        trusted = None if ca is None else read_pem(where, ca)
        context = trusting(where, ca, trusted)
        if cert is None or key is None:
            return TlsFiles((trusted, None, None), Tls(context, ca, cert))
        pems = (trusted, read_pem("key", key), read_pem("cert", cert))
        load_pair(context, ("cert", Path(cert)), ("key", Path(key)))
        return TlsFiles(pems, Tls(context, ca, cert))


def made_as(make: Callable[P, T]) -> Callable[[Callable[[S, T], None]], Callable[Concatenate[S, P], None]]:
    """Decorator: an `__init__` takes what makes its only argument, written in one place."""

    def decorate(init: Callable[[S, T], None]) -> Callable[Concatenate[S, P], None]:
        @functools.wraps(init)
        def run(self: S, /, *arguments: P.args, **keywords: P.kwargs) -> None:
            init(self, make(*arguments, **keywords))

        own, *_ = inspect.signature(init).parameters.values()
        whole = [own, *inspect.signature(make).parameters.values()]
        run.__signature__ = inspect.Signature(whole, return_annotation=None)  # type: ignore[attr-defined]
        return run

    return decorate


@functools.cache
def _first_process() -> int:
    """The process that used gRPC first, as its children after a fork know too."""
    return os.getpid()


def check_process() -> None:
    """Raise `InrError` in a child process of one that has used gRPC: its threads and sockets are not here."""
    if _first_process() != os.getpid():
        raise InrError("a client was made before fork, after which gRPC hangs; use spawn or forkserver for processes")


class Wire:
    """The calls of a client, over one channel that is made when it is used first.

    Args:
        connection: its settings; those that cannot be used raise `SpecError` or `FileAccessError`.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._credentials = connection.credentials()
        connection.metadata()  # a token that cannot be sent
        self._met, self._look_at = False, 0.0
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def blobs(self) -> Any:
        """The methods of `BlobService`."""
        return blob_pb2_grpc.BlobServiceStub(self._open())

    @property
    def fields(self) -> Any:
        """The methods of `FieldService`."""
        return field_pb2_grpc.FieldServiceStub(self._open())

    @property
    def jobs(self) -> Any:
        """The methods of `JobService`."""
        return job_pb2_grpc.JobServiceStub(self._open())

    async def close(self) -> None:
        """Close the channel for good."""
        channel, self._channel, self._closed = self._channel, None, True
        if channel is not None:
            await channel.close()

    async def call(self, method: Any, message: Any, patience: Patience | None = None) -> Any:
        """The answer to one message, asked for again while that may help; raises an `InrError`."""
        timeout, metadata = self.connection.timeout, self.connection.metadata()
        late = DeadlineError(f"the server did not answer within {timeout:g} s")

        async def once() -> Any:
            async with self.calling(), within(timeout + GRACE_SECONDS, late):
                answer = await method(message, metadata=metadata, timeout=timeout)
            self._met = True
            return answer

        return await retried(once, patience or Patience(self.connection.patience))

    async def messages(
        self, method: Any, request: Any, *, first: float | None = None, later: float | None = None
    ) -> AsyncGenerator[Any, None]:
        """The answers to one message; raises an `InrError`.

        Args:
            method: of a stub.
            request: the message.
            first: seconds to wait for the first answer; None for as long as the connection lives.
            later: seconds to wait for each other one.
        """
        seconds = first
        with ending(method(request, metadata=self.connection.metadata())) as call:
            answers = aiter(call)
            while True:
                async with self.calling(), within(seconds, silent(seconds)):
                    answer = await anext(answers, _END)
                self._met = True
                if answer is _END:
                    return
                yield answer
                seconds = later

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Raise the `InrError` that a failed call stands for, and say what can be done about it."""
        try:
            with translated():
                yield
        except UnauthenticatedError:
            raise UnauthenticatedError(self.connection.not_let_in()) from None
        except UnavailableError as error:
            raise await self._explained(error) from None

    async def _explained(self, error: UnavailableError) -> UnavailableError:
        """The same error, or what is wrong with a server that nothing was heard of so far."""
        if self._met or error.retry_after is not None:
            return error
        files, found = self.connection.tls_files, None
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            tls, seconds = None if files is None else files.tls, min(SECONDS, self.connection.timeout)
            found = await aside(diagnosis, self.connection.address, tls, seconds)
        if found is not None:
            return HandshakeError(found)
        return UnavailableError(f"{error}; --server or INR_SERVER says where it is, now {self.connection.address}")

    def _open(self) -> grpc.aio.Channel:
        check_process()
        if self._closed:
            raise InrError("the client is closed")
        loop = asyncio.get_running_loop()
        if self._channel is None:
            self._channel, self._loop = self._new_channel(), loop
        elif self._loop is not loop:
            raise InrError("an AsyncClient stays with the event loop where it was used first; make another one")
        return self._channel

    def _new_channel(self) -> grpc.aio.Channel:
        target, options = self.connection.address.target, self.connection.options()
        if self._credentials is None:
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, self._credentials, options=options)


def silent(seconds: float | None) -> UnavailableError:
    """What is wrong with a transfer that does not go on."""
    return UnavailableError(f"the server was silent for {seconds or 0:g} s")
