"""A fetch that a signal ends in the middle leaves nothing."""

import signal
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import inr
from tests.service.conftest import SMALL
from tests.support.commands import TIMEOUT_S, command, environment
from tests.support.proxy import Proxy
from tests.support.servers import RunningServer, until

Picture = npt.NDArray[np.uint8]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_fetch_is_given_up(
    server: RunningServer, client: inr.Client, picture: Picture, tmp_path: Path, number: int
) -> None:
    job = client.submit(picture, **SMALL)
    job.wait()
    with Proxy(server.port) as proxy:
        proxy.hold_answers_to(b".BlobService/Download")
        with subprocess.Popen(
            command("fetch", job.id, "x.inr", "--server", proxy.address),
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            until(lambda: list(tmp_path.glob(".inr-*.tmp")) or process.poll() is not None)
            assert process.poll() is None
            process.send_signal(number)
            output, errors = process.communicate(timeout=TIMEOUT_S)
    assert list(tmp_path.iterdir()) == []
    assert output == b""
    assert b"Traceback" not in errors
    assert process.returncode == (1 if number == signal.SIGINT else -number)


def test_a_photo_is_not_replaced(server: RunningServer, client: inr.Client, picture: Picture, tmp_path: Path) -> None:
    job = client.submit(picture, **SMALL)
    job.wait()
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n pixels")
    for line in (("fetch", job.id, "photo.png"), ("submit", "photo.png", "photo.png")):
        done = subprocess.run(
            command(*line, "--server", server.address),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 1
        assert b"cannot write photo.png: it is " in done.stderr
    assert (tmp_path / "photo.png").read_bytes() == b"\x89PNG\r\n\x1a\n pixels"
    forced = command("fetch", job.id, "photo.png", "--force", "--server", server.address)
    subprocess.run(forced, cwd=tmp_path, env=environment(), capture_output=True, check=True)
    assert inr.open(tmp_path / "photo.png").decode().shape == picture.shape
