"""What can go wrong with a call: errors off the wire, when to try again, and how long to wait."""

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from inr.errors import (
    BusyError,
    DeadlineError,
    HandshakeError,
    InrError,
    PreconditionError,
    QuotaExceededError,
    RateLimitError,
    ServiceError,
    StorageError,
    UnauthenticatedError,
    UnavailableError,
    error_of,
)
from inr.text import printable

T = TypeVar("T")

PASSING = (UnavailableError, RateLimitError, BusyError, StorageError)
"""What may be over after a while."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
UNSAID = 2.0
"""Seconds of nothing but failures before a warning says what is waited for."""


class Patience:
    """How long to go on after failures that may be over after a while.

    The time runs from the first failure to the next success: a call that is silent for hours has not failed. A wait of
    more than `UNSAID` seconds is logged, once.

    Args:
        seconds: of nothing but failures.
        ready: waits for the job, once, if the server says that it is not done.
    """

    def __init__(self, seconds: float, ready: Callable[[], Awaitable[object]] | None = None) -> None:
        self._seconds, self._ready = seconds, ready
        self.renew()

    @property
    def tried_again(self) -> bool:
        """True if another attempt was made after a failure since the last success."""
        return self._since is not None

    def renew(self) -> None:
        """Something worked."""
        self._since: float | None = None
        self._pause = SHORTEST_PAUSE
        self._said = False

    async def after(self, error: InrError) -> None:
        """Wait before the next attempt; raises the error if waiting does not help, or for too long already."""
        if isinstance(error, PreconditionError) and self._ready is not None:
            ready, self._ready = self._ready, None
            await ready()
            return
        if not isinstance(error, PASSING) or isinstance(error, HandshakeError):
            raise error
        now = time.monotonic()
        if self._since is None:
            self._since = now
        left = self._since + self._seconds - now
        if left <= 0:
            raise error
        if now - self._since >= UNSAID and not self._said:
            self._said = True
            logging.getLogger(__name__).warning("inr: %s; trying for %.0f s more", error, left)
        wanted = min(self._pause, left) if error.retry_after is None else error.retry_after
        await asyncio.sleep(wanted * random.uniform(0.75, 1.25))  # noqa: S311
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


async def retried(call: Callable[[], Awaitable[T]], patience: Patience) -> T:
    """The answer of a call that may be made again, and raises an `InrError`."""
    while True:
        try:
            return await call()
        except InrError as error:
            await patience.after(error)


@contextlib.asynccontextmanager
async def within(seconds: float | None, error: InrError) -> AsyncIterator[asyncio.Timeout]:
    """Raise the error if what is awaited inside takes longer; the timeout may be put off from inside."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield limit
    except TimeoutError as cause:  # also one that was raised inside
        if isinstance(cause, InrError) or not limit.expired():
            raise
        raise error from None


@contextlib.asynccontextmanager
async def deadline(seconds: float | None, what: str) -> AsyncIterator[None]:
    """Raise a `DeadlineError` if what is awaited inside takes longer than that; None for no limit."""
    async with within(seconds, _late(seconds, what)):
        yield


async def until_deadline(items: AsyncGenerator[T, None], seconds: float | None, what: str) -> AsyncGenerator[T, None]:
    """The same items, if all of them come before the deadline; the time counts from the first that is asked for."""
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    async with contextlib.aclosing(items):
        while True:
            left = None if end is None else end - loop.time()
            try:  # anew for each: who takes the items may do so in several tasks
                async with within(left, _late(seconds, what)):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            yield item


def _late(seconds: float | None, what: str) -> InrError:
    return DeadlineError(f"{what} takes longer than {seconds:.3g} s" if seconds is not None else what)


@contextlib.contextmanager
def ending(call: Any) -> Iterator[Any]:
    """A call that ends with the context: gRPC would hold one that is left half-way open until it is collected."""
    try:
        yield call
    finally:
        call.cancel()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise the `InrError` that a failed call stands for."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise error_from(error) from None
    except grpc.aio.UsageError as error:
        raise InrError(f"the client cannot be used any more: {error}") from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise InrError("the client was closed during the call") from None  # nobody cancelled but gRPC


def error_from(error: grpc.aio.AioRpcError) -> InrError:
    """The library's error for a failed call."""
    message = error.details() or error.code().name.lower().replace("_", " ")
    status = _rich(error)
    info, retry, bad = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status is not None else ():
        for known in (info, retry, bad):
            if detail.Is(known.DESCRIPTOR):
                detail.Unpack(known)
    if not info.reason:  # not by the server, but by gRPC
        cls = _BY_STATUS.get(error.code(), ServiceError)
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return cls(f"what answers is no inr server, or one of another version: {_reason(message)}")
        return cls(f"the server cannot be reached: {_reason(message)}" if cls is UnavailableError else _reason(message))
    found = error_of(info.reason.lower(), printable(message))
    if isinstance(found, ServiceError):
        if retry.HasField("retry_delay"):
            found.retry_after = retry.retry_delay.ToMilliseconds() / 1000
        if bad.field_violations:
            found.field = bad.field_violations[0].field
    return found


def _reason(details: str) -> str:
    """The words of the system out of those of gRPC, which wraps them several times."""
    last = details.rpartition("last error: ")[2]
    last = re.sub(r"^[A-Z_]+: (?:(?:ipv[46]|unix):\S+: )?", "", last).removeprefix("Failed to connect to remote host: ")
    if "hostname lookup error" in last or "DNS resolution failed" in last:
        return "its name is not known" if "not found" in last else "its name cannot be looked up"
    return printable(last[:1].lower() + last[1:])


def _rich(error: grpc.aio.AioRpcError) -> Any:
    try:
        return rpc_status.from_call(error)
    except ValueError:  # its code or message is not that of the call: made by something in between
        return None


_BY_STATUS: dict[grpc.StatusCode, type[InrError]] = {
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.INTERNAL: UnavailableError,  # a stream that was reset, or whose status was lost with it
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: QuotaExceededError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
}
"""For failures that gRPC itself reports."""
