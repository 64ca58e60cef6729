"""The client's commands: what they show, and how they end."""

import array
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from inr.cli.job_text import line, table
from inr.cli.main import main
from inr.client import Job
from inr.client.events import job_info
from inr.rpc.v1 import job_pb2
from tests.support.servers import RunningServer, until

Picture = npt.NDArray[np.uint8]


def test_a_requested_cancellation_is_shown() -> None:
    message = job_pb2.Job(id="x", state=job_pb2.JOB_STATE_RUNNING, cancel_requested=True)
    asked = job_info(message)
    assert asked.cancel_requested
    assert "running, cancel requested" in line(asked)
    assert table([asked], 0.0)[1].endswith("cancel requested")
    ended = replace(asked, state="cancelled")
    assert "cancel requested" not in line(ended) + table([ended], 0.0)[1]


def test_deadlines_on_the_command_line(
    idle: RunningServer, queued: Job, picture: Picture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "a.npy", picture)
    source, out = str(tmp_path / "a.npy"), str(tmp_path / "x.inr")
    for command in (["watch", queued.id], ["fetch", queued.id, out], ["submit", source, "--wait"]):
        assert main([*command, "--server", idle.address, "--timeout", "1"]) == 1
        assert re.search(r"error: job \w+ takes longer than [\d.e-]+ s", capsys.readouterr().err)
    assert not Path(out).exists()


@contextmanager
def submitting(idle: RunningServer, *arguments: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "inr", "submit", *arguments, "--server", idle.address]
    with subprocess.Popen(command, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def test_ctrl_c_ends_a_submission_that_reads_standard_input(idle: RunningServer) -> None:
    reading, writing = os.pipe()
    with submitting(idle, "-", stdin=reading, stderr=subprocess.PIPE) as process:
        os.write(writing, bytes(1000))
        left = array.array("i", [0])
        until(lambda: fcntl.ioctl(reading, termios.FIONREAD, left) == 0 and left[0] == 0)
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_SLEEPING)  # waits for more
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b"inr: interrupted; nothing was written\n"
    os.close(reading)
    os.close(writing)


def test_a_terminal_shows_the_job_at_once(idle: RunningServer, picture: Picture, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", picture)
    ours, theirs = pty.openpty()
    shown, end = b"", time.monotonic() + 30
    with submitting(idle, str(tmp_path / "a.npy"), str(tmp_path / "x.inr"), stderr=theirs):
        os.close(theirs)
        while not re.search(rb"job [0-9a-f]{27}\r?\n", shown) and time.monotonic() < end:
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 4096)
    os.close(ours)
    assert re.search(rb"job [0-9a-f]{27}\r?\n", shown)
