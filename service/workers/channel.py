"""How a parent process talks to its children through pipes.

To a worker: a byte whenever there is something to do. To and from a helper: frames, each a JSON object and some bytes.
"""

import json
import os
import socket
import struct
import threading
from typing import Any

_LENGTHS = struct.Struct(">II")
MAX_HEAD = 4 * 2**20

# Standard input is read without Python's buffer: a thread that waits in it could not be ended with the process.


def owner_of(pid: int) -> str:
    """Name of a worker process in the database."""
    return f"{socket.gethostname()}:{pid}"


def is_dead(owner: str) -> bool:
    """True if a worker of this machine is known to be gone; False if it lives, or may."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class Parent:
    """The parent at the other end of a pipe.

    What comes out of it wakes this process, and its end means that the parent is gone: then this process has to stop,
    however the parent went.

    Args:
        descriptor: of the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.drain = threading.Event()
        self._wake = threading.Event()
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Sleep until the parent wakes this process or the time is over."""
        self._wake.wait(seconds)
        self._wake.clear()

    def stop(self) -> None:
        """Let the process end soon."""
        self.drain.set()
        self._wake.set()

    def _listen(self) -> None:
        while os.read(self._descriptor, 4096):
            self._wake.set()
        self.stop()


def first_line(descriptor: int) -> bytes:
    """The first line of a stream, and nothing beyond it."""
    line = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


def frame(head: dict[str, Any], data: bytes = b"") -> bytes:
    """A frame as bytes."""
    text = json.dumps(head).encode()
    return _LENGTHS.pack(len(text), len(data)) + text + data


def lengths(prefix: bytes) -> tuple[int, int]:
    """Bytes of the JSON and of the data after the first `PREFIX` bytes of a frame."""
    head, data = _LENGTHS.unpack(prefix)
    return head, data


PREFIX = _LENGTHS.size


def read_frame(descriptor: int) -> tuple[dict[str, Any], bytes] | None:
    """The next frame of a blocking stream, or None at its end."""
    prefix = _exactly(descriptor, PREFIX)
    if prefix is None:
        return None
    head, data = lengths(prefix)
    text, body = _exactly(descriptor, head), _exactly(descriptor, data)
    return None if text is None or body is None else (json.loads(text), body)


def write_frame(descriptor: int, head: dict[str, Any], data: bytes = b"") -> None:
    """Write a frame to a blocking stream; waits while the other end does not read."""
    view = memoryview(frame(head, data))
    while view:
        view = view[os.write(descriptor, view) :]


def _exactly(descriptor: int, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(descriptor, count - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
