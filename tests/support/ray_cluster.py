"""A Ray cluster of several nodes on this machine, each of them processes that can be killed."""

import contextlib
import importlib.util
import itertools
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType

import psutil
import pytest

START_SECONDS = 60.0
OBJECT_BYTES = 80 * 2**20
"""Memory for objects of a node, close to the least that Ray takes."""
_STARTED = "To terminate the Ray runtime"
_JOIN = re.compile(r"--address='([0-9.]+:\d+)'")


class RayCluster:
    """A head that runs no tasks, and nodes that come and go; only this machine can reach it, and only with a token.

    Every node has a loopback address of its own where the system allows it, as if it were a machine.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="inr-ray-"))  # short: it has sockets in it
        self._patch = pytest.MonkeyPatch()
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._numbers = itertools.count(2)
        self.address = ""

    @staticmethod
    def why_not() -> str:
        """Why there cannot be one here, or nothing."""
        if importlib.util.find_spec("ray") is None:
            return "Ray is not installed (pip install 'inr[ray]')"
        if not sys.platform.startswith("linux"):
            return "several nodes of Ray on one machine need Linux"
        return ""

    def __enter__(self) -> "RayCluster":
        settings = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            # A node that is gone is missed after two seconds instead of half a minute.
            "RAY_health_check_initial_delay_ms": "0",
            "RAY_health_check_period_ms": "500",
            "RAY_health_check_timeout_ms": "2000",
            "RAY_health_check_failure_threshold": "3",
        }
        for name, value in settings.items():
            self._patch.setenv(name, value)
        options = ("--include-dashboard=false", "--include-log-monitor=false", f"--temp-dir={self._folder}")
        try:
            _, self.address = self._start(
                "--head", "--port=0", "--num-cpus=0", f"--ray-client-server-port={_free_port()}", *options
            )
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in reversed(self.nodes):
            _end(node)
        self._patch.undo()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, cpus: int = 1, gpus: int = 0) -> subprocess.Popen[bytes]:
        """Start a node; GPUs are only counted, there need not be any."""
        node, _ = self._start(f"--address={self.address}", f"--num-cpus={cpus}", f"--num-gpus={gpus}")
        return node

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """A node dies, with all its tasks: they share the fate of the process that started them."""
        _end(node)
        self.nodes.remove(node)

    def _start(self, *options: str) -> tuple[subprocess.Popen[bytes], str]:
        """Start a node and wait until it has joined; returns the address of the cluster as well if it tells one."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        common = [f"--node-ip-address=127.0.0.{next(self._numbers)}", f"--object-store-memory={OBJECT_BYTES}"]
        node = subprocess.Popen([*command, *common, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.nodes.append(node)
        late = threading.Timer(START_SECONDS, node.kill)
        late.start()
        said = _said(node)
        late.cancel()
        if _STARTED not in said:
            raise RuntimeError(f"a node of Ray did not start:\n{said[-3000:]}")
        threading.Thread(target=_said, args=(node,), daemon=True).start()  # so that it never waits for a reader
        found = _JOIN.search(said)
        return node, found[1] if found else ""


def _said(node: subprocess.Popen[bytes]) -> str:
    """What a node says until it has started or ended."""
    said = ""
    for line in node.stdout or ():
        said += line.decode(errors="replace")
        if _STARTED in said:
            return said
    if node.stdout is not None:
        node.stdout.close()
    return said


def _end(node: subprocess.Popen[bytes]) -> None:
    """Kill a node: most of its processes share its fate at once, the others would take a minute."""
    processes = psutil.Process(node.pid).children(recursive=True) if node.poll() is None else []
    node.kill()
    node.wait()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
