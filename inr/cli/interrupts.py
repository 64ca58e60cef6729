"""Signals that end a command: it unwinds, leaves no temporary files, and then dies of the signal."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from inr.files import remove_temporary

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What ends a process without asking it, beside ctrl-C."""


class EndedError(BaseException):
    """A signal wants the process to end. No `Exception`, so that nothing takes it for a failure of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Turn signals that would kill this process into an `EndedError` in its main thread; the next one kills it.

    One that is ignored (by `nohup`, say) or handled already stays so.
    """
    ended = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        del frame
        if ended:
            die(number)
        ended = True
        raise EndedError(number)

    with _handling([number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL], handler):
        yield


def die(number: int) -> NoReturn:
    """End this process as the signal does by itself, but without its temporary files."""
    remove_temporary()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(1)  # the signal comes first


@contextlib.contextmanager
def asking() -> Iterator[Callable[[], bool]]:
    """Turn the first ctrl-C, or other signal that ends a process, into a request to stop; the second one ends it."""
    stop = False
    numbers = [number for number in (signal.SIGINT, *ENDING) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in numbers}

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal stop
        del number, frame
        stop = True
        for one, previous in before.items():
            signal.signal(one, previous)

    with _handling(numbers, handler):
        yield lambda: stop


@contextlib.contextmanager
def _handling(numbers: list[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have a handler for some signals; only the main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
