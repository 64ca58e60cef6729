"""Work that would hold up an event loop."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def aside(work: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> T:
    """As `asyncio.to_thread`, but in a thread that does not keep the process alive: a pipe may be silent for ever."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            done = _tell(future.set_result, work(*arguments, **keywords))
        except BaseException as error:
            done = _tell(future.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            loop.call_soon_threadsafe(done)

    def _tell(say: Callable[[Any], None], what: Any) -> Callable[[], None]:
        return lambda: None if future.done() else say(what)

    threading.Thread(target=run, name="inr client work", daemon=True).start()
    return await future
