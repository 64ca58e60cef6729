"""A TCP proxy between client and server that counts what passes and breaks connections when it is told to."""

import contextlib
import math
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType
from typing import Literal

Direction = Literal["up", "down"]
"""Towards the server, and away from it."""
BLOCK = 64 * 2**10


class Proxy:
    """Listens on a free port of this machine and passes everything on to a server, as a context.

    Attributes:
        passed: bytes that went on, by direction.
        accepted: connections so far.

    Args:
        port: of the server.
        pace: bytes a second of a connection and direction.
    """

    def __init__(self, port: int, pace: float = math.inf) -> None:
        self._target, self._pace = ("127.0.0.1", port), pace
        self.passed: Counter[Direction] = Counter()
        self.accepted = 0
        self._limits: deque[tuple[Direction, int]] = deque()
        self._request = b""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._may_pass: dict[Direction, threading.Event] = {"up": threading.Event(), "down": threading.Event()}
        for event in self._may_pass.values():
            event.set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Proxy":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.release()
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Break all connections."""
        with self._lock:
            broken, self._open = self._open, set()
        for end in broken:
            _shut(end)

    def cut_each(self, direction: Direction, *counts: int) -> None:
        """Break the next connections, each after so many bytes in a direction; those after them stay whole."""
        self._limits.extend((direction, count) for count in counts)

    @property
    def cuts_left(self) -> int:
        """Connections that are still to be broken after some bytes."""
        return len(self._limits)

    def hold(self, *directions: Direction) -> None:
        """Let nothing pass any more, without breaking anything."""
        for direction in directions:
            self._may_pass[direction].clear()

    def hold_answers_to(self, request: bytes) -> None:
        """Let nothing pass towards the client any more once these bytes have passed towards the server."""
        self._request = request

    def passes(self, direction: Direction) -> bool:
        """True unless it is held."""
        return self._may_pass[direction].is_set()

    def release(self) -> None:
        """End of `hold` and `hold_answers_to`."""
        self._request = b""
        for event in self._may_pass.values():
            event.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
                which, count = self._limits.popleft() if self._limits else ("up", 2**62)
            self._start(self._pass, client, server, "up", count if which == "up" else 2**62)
            self._start(self._pass, server, client, "down", count if which == "down" else 2**62)

    def _pass(self, source: socket.socket, sink: socket.socket, direction: Direction, left: int) -> None:
        with source, contextlib.suppress(OSError):
            while left and (data := source.recv(min(BLOCK, left))):
                if direction == "up" and self._request and self._request in data:
                    self.hold("down")
                self._may_pass[direction].wait()
                sink.sendall(data)
                self.passed[direction] += len(data)
                left -= len(data)
                time.sleep(len(data) / self._pace)
        with self._lock:
            self._open -= {source, sink}
        _shut(sink)
        _shut(source)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
