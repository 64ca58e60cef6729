"""Around every call: who is it, may they, how long did it take, and errors as statuses."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import grpc
import structlog
from grpc_status import rpc_status
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from inr.errors import InrError, InternalServiceError, RateLimitError
from service.metrics import Metrics
from service.status import status_of
from service.tenants import Tokens, tenant_of

_log = structlog.get_logger(__name__)

OPEN_TO_ALL = ("/grpc.health.v1.Health/", "/grpc.reflection.")
"""Services that need no token."""
WINDOW = 10
"""Seconds over which calls are counted."""

_tenant: ContextVar[str] = ContextVar("tenant")

Handler = Any
"""A `grpc.RpcMethodHandler`, whose kind is only known when it is looked at."""


def tenant() -> str:
    """Whom the present call is from."""
    return _tenant.get()


class Guard(grpc.aio.ServerInterceptor):
    """Authentication, rate limit, request id, log, metrics and errors of every call.

    Args:
        tokens: the known ones, or None.
        calls_per_second: of a tenant, over ten seconds.
        metrics: to count in.
    """

    def __init__(self, tokens: Tokens | None, calls_per_second: float, metrics: Metrics) -> None:
        self._tokens, self._metrics = tokens, metrics
        self._limit = RateLimitItemPerSecond(max(1, round(WINDOW * calls_per_second)), WINDOW)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Handler | None]], details: Any
    ) -> Handler | None:
        """Wrap the handler of a call."""
        handler = await continuation(details)
        if handler is None or details.method.startswith(OPEN_TO_ALL):
            return handler
        return self._wrapped(handler, details.method)

    def _wrapped(self, handler: Handler, method: str) -> Handler:
        if handler.response_streaming:
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream

            # No generator: one that gRPC leaves half-way would be closed some time later, and what it holds with it.
            async def stream(request: Any, context: Any) -> None:
                async with self._around(method, context), contextlib.aclosing(inner(request, context)) as answers:
                    async for answer in answers:
                        await context.write(answer)

            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else (grpc.unary_stream_rpc_method_handler)
            )
            return make(stream, handler.request_deserializer, handler.response_serializer)
        inner = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def single(request: Any, context: Any) -> Any:
            async with self._around(method, context):
                return await inner(request, context)

        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(single, handler.request_deserializer, handler.response_serializer)

    @asynccontextmanager
    async def _around(self, method: str, context: Any) -> AsyncIterator[None]:
        request_id = _request_id(context)
        try:
            with self._counted(method, request_id):
                who = tenant_of(self._tokens, context.invocation_metadata() or (), context.auth_context())
                _tenant.set(who)
                structlog.contextvars.bind_contextvars(tenant=who)
                self._check_rate(who)
                yield
        except InrError as error:
            await _abort(context, error)
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception:
            await _abort(context, InternalServiceError(f"a mistake in the server; its log has request {request_id}"))

    @contextlib.contextmanager
    def _counted(self, method: str, request_id: str) -> Iterator[None]:
        """A call that is counted and logged before its client learns how it ended."""
        began, outcome = time.perf_counter(), "OK"
        structlog.contextvars.bind_contextvars(request_id=request_id, method=method)
        self._metrics.open_calls.labels(method).inc()
        try:
            yield
        except InrError as error:
            outcome = error.code
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except grpc.aio.AbortError:
            outcome = "aborted"
            raise
        except Exception:
            outcome = "internal"
            _log.exception("call_failed")
            raise
        finally:
            seconds = time.perf_counter() - began
            self._metrics.open_calls.labels(method).dec()
            self._metrics.calls.labels(method, outcome).inc()
            self._metrics.seconds.labels(method).observe(seconds)
            _log.info("call", outcome=outcome, seconds=round(seconds, 4))
            structlog.contextvars.clear_contextvars()

    def _check_rate(self, who: str) -> None:
        if not self._limiter.hit(self._limit, who):
            allowed = self._limit.amount / WINDOW
            raise RateLimitError(f"too many calls: {allowed:g} a second are allowed", retry_after=WINDOW / 2)


def _request_id(context: Any) -> str:
    """The client's, if it has the form of one, else a new one."""
    for key, value in context.invocation_metadata() or ():
        if key == "x-request-id" and isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable():
            return value
    return secrets.token_hex(8)


async def _abort(context: Any, error: InrError) -> None:
    await context.abort_with_status(rpc_status.to_status(status_of(error)))
