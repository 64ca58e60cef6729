"""The client for everybody else: each method runs that of `AsyncClient` in a thread with an event loop.

So it works in scripts, threads and notebooks alike, and neither logic nor signatures are written twice.
"""

import asyncio
import functools
import inspect
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, get_args, get_origin

from inr.client.aio import AsyncClient
from inr.client.job import AsyncJob
from inr.client.transport import check_process, made_as
from inr.errors import InrError

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")


class _Loop:
    """An event loop in a thread of its own: one for all clients, since gRPC polls badly for several."""

    _shared: ClassVar["_Loop | None"] = None
    _making: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="inr client", daemon=True)
        self._thread.start()
        self._closing: set[asyncio.Future[Any]] = set()

    @classmethod
    def shared(cls) -> "_Loop":
        """The one of this process; raises `InrError` after a fork."""
        check_process()
        with cls._making:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine; ctrl-C cancels it. Raises `InrError` where waiting would never end."""
        try:
            check_process()
            if threading.current_thread() is self._thread:
                raise InrError("Client cannot be used in the thread that does its work; use AsyncClient there")
        except InrError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items of an asynchronous iterator; leaving the loop closes it."""
        try:
            while (item := self.run(_next(items))) is not _END:
                yield cast(T, item)
        finally:  # wherever this is collected, even in the thread of the loop: so nothing waits for it
            if not sys.is_finalizing():
                self._loop.call_soon_threadsafe(self._close, items)

    def _close(self, items: Any) -> None:
        task = asyncio.ensure_future(items.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


_END = object()


async def _next(items: AsyncIterator[T]) -> T | object:
    return await anext(items, _END)


class _Blocking(Generic[A]):
    """What has the methods of an asynchronous object."""

    def __init__(self, loop: _Loop, inner: A) -> None:
        self._loop, self._inner = loop, inner


def _awaited(method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[_Blocking[A], P], T]:
    """The method that waits for what another returns."""

    @functools.wraps(method)
    def run(self: _Blocking[A], /, *arguments: P.args, **keywords: P.kwargs) -> T:
        return self._loop.run(method(self._inner, *arguments, **keywords))

    return run


def _iterated(
    method: Callable[Concatenate[A, P], AsyncIterator[T]],
) -> Callable[Concatenate[_Blocking[A], P], Iterator[T]]:
    """The method that iterates over what another yields."""

    @functools.wraps(method)
    def run(self: _Blocking[A], /, *arguments: P.args, **keywords: P.kwargs) -> Iterator[T]:
        return self._loop.iterate(method(self._inner, *arguments, **keywords))

    return _returning(run, Iterator)


def _of_job(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, AsyncJob]],
) -> "Callable[Concatenate[_Blocking[A], P], Job]":
    """The method that waits for a job."""

    @functools.wraps(method)
    def run(self: _Blocking[A], /, *arguments: P.args, **keywords: P.kwargs) -> Job:
        return Job(self._loop, self._loop.run(method(self._inner, *arguments, **keywords)))

    return _returning(run, Job)


def _returning(method: Callable[P, T], kind: Any) -> Callable[P, T]:
    """The same method, whose help names another type of what it returns, with the same arguments in brackets."""
    signature = inspect.signature(method)
    returned = signature.return_annotation
    if get_origin(returned) is not None:
        kind = kind[get_args(returned)]
    method.__signature__ = signature.replace(return_annotation=kind)  # type: ignore[attr-defined]
    method.__annotations__ = {**method.__annotations__, "return": kind}
    return method


class Job(_Blocking[AsyncJob]):
    """A job on a server; every method is that of `AsyncJob` with the same name.

    Attributes:
        id: its name.
    """

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    @property
    def id(self) -> str:
        """Its name."""
        return self._inner.id

    info = _awaited(AsyncJob.info)
    whole_id = _awaited(AsyncJob.whole_id)
    watch = _iterated(AsyncJob.watch)
    wait = _awaited(AsyncJob.wait)
    result = _awaited(AsyncJob.result)
    fetch = _awaited(AsyncJob.fetch)
    cancel = _awaited(AsyncJob.cancel)
    delete = _awaited(AsyncJob.delete)


class Client(_Blocking[AsyncClient]):
    """A connection to a server; every method, and every setting, is that of `AsyncClient` with the same name."""

    @made_as(AsyncClient)
    def __init__(self, inner: AsyncClient) -> None:
        super().__init__(_Loop.shared(), inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def job(self, job_id: str) -> Job:
        """A job by its id, or by the beginning of it; nothing is asked of the server yet."""
        return Job(self._loop, self._inner.job(job_id))

    close = _awaited(AsyncClient.close)
    submit = _of_job(AsyncClient.submit)
    check = _awaited(AsyncClient.check)
    jobs = _awaited(AsyncClient.jobs)
    capabilities = _awaited(AsyncClient.capabilities)
    upload = _awaited(AsyncClient.upload)
    download = _awaited(AsyncClient.download)
    stream = _iterated(AsyncClient.stream)
    open = _awaited(AsyncClient.open)
    open_progressively = _iterated(AsyncClient.open_progressively)
    decode = _awaited(AsyncClient.decode)
