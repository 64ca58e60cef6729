"""Real servers for the tests: `inr serve` in a process of its own, on a free port of this machine."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy.typing as npt
import psutil
import torch

import inr
from inr.codec.encode import Compressed

START_SECONDS = 60.0


class RunningServer:
    """A server process and its folder; `kill` and `start` again as often as wanted.

    Attributes:
        address: where it listens.

    Args:
        data: its folder.
        *options: further options of `inr serve`.
        listen: HOST:PORT.
        environment: of the process; None for that of the tests.
    """

    def __init__(
        self, data: Path, *options: str, listen: str = "127.0.0.1:0", environment: dict[str, str] | None = None
    ) -> None:
        self.data, self._options, self._listen, self._environment = data, options, listen, environment
        self.log = data.parent / f"{data.name}.log"
        self.said = ""

    def start(self) -> "RunningServer":
        """Start it, and wait until it listens."""
        command = [sys.executable, "-m", "inr", "serve", "--data", str(self.data), "--listen", self._listen]
        command += ["--threads", "1"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self._options], stdout=subprocess.PIPE, stderr=log, env=self._environment
            )
        self.said = self._first_lines()
        found = re.search(r"listening on \S+?:(\d+) ", self.said)
        if found is None:
            self._close()
            raise RuntimeError(f"the server did not start: {self.said} {self.log.read_text()[-2000:]}")
        self.port = int(found[1])
        self.address = f"{self._listen.rpartition(':')[0]}:{self.port}"
        self._listen = self.address  # the same after a restart
        return self

    def __enter__(self) -> "RunningServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()

    def workers(self) -> list[psutil.Process]:
        """Its worker processes."""
        makers = [child for child in psutil.Process(self.process.pid).children() if "forkserver" in command_of(child)]
        return [worker for maker in makers for worker in _children(maker)]

    def stop(self) -> float:
        """SIGTERM; returns the seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self._close()
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL, to it alone: what becomes of its workers is their business."""
        self.process.kill()
        self.process.wait()
        self._close()

    def kill_with_workers(self) -> None:
        """SIGKILL to it and to its workers."""
        for process in [psutil.Process(self.process.pid), *self.workers()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _first_lines(self) -> str:
        stream = self.process.stdout
        if stream is None:
            raise RuntimeError("no standard output")
        said, deadline = b"", time.monotonic() + START_SECONDS
        while b"jobs:" not in said and time.monotonic() < deadline:
            if select.select([stream], [], [], 0.2)[0]:
                part = os.read(stream.fileno(), 4096)
                if not part:
                    break
                said += part
        return said.decode()


def alone(source: npt.NDArray[Any] | Path | bytes, **settings: Any) -> Compressed:
    """What the library makes, with as many threads as the workers of these servers have."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return inr.compress(source, **settings)
    finally:
        torch.set_num_threads(threads)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children())
    except psutil.Error:
        return []


def command_of(process: psutil.Process) -> str:
    """The command line of a process; nothing of one that has ended, reaped or not."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def until(condition: Any, seconds: float = 60.0) -> None:
    """Wait until a condition holds; fails if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {seconds} s")
        time.sleep(0.05)
