"""The client's side of the command line: wrong usage, tokens, time limits, servers that are not there; `inr serve`."""

import json
import re
import socket
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import inr
from service.config import Quota
from tests.service.test_command_line import ENDLESS, FIT, refused, said, submitted
from tests.support.servers import RunningServer, until

UNKNOWN = "0" * 27
FAR = "192.0.2.1:50051"
"""A machine that is not there, and not this one."""


@pytest.fixture
def place(
    tmp_path: Path, server: RunningServer, picture: npt.NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working directory, with a.png in it; the shared server is the one that commands talk to."""
    Image.fromarray(picture).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INR_SERVER", server.address)
    monkeypatch.delenv("INR_TOKEN", raising=False)
    monkeypatch.delenv("INR_CA", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("submit", "a.png", "--bpp", "-1"), "bpp"),
        (("submit", "a.png", "--bpp", "1", "--psnr", "30"), "psnr"),
        (("submit", "a.png", "--model", "nothing"), "nothing"),
        (("submit", "a.png", "--set", "width"), "--set"),
        (("submit", "a.png", "--checkpoint", "a.ckpt"), "--checkpoint"),
        (("submit",), "IN"),
        (("jobs", "--state", "sleeping"), "sleeping"),
        (("jobs", "--limit", "0"), "limit"),
        (("watch",), "ID"),
        (("jobs", "--cert", "a.pem"), "key"),
    ],
)
def test_wrong_usage(
    place: Path, client: inr.Client, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    before = len(client.jobs())
    assert reason in refused(capsys, 2, *arguments)
    assert len(client.jobs()) == before


@pytest.mark.parametrize("arguments", [("watch",), ("cancel",), ("fetch", "a.inr")])
def test_an_unknown_job(place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    name, *rest = arguments
    for job in (UNKNOWN, "nonsense"):
        assert f"there is no job '{job}'" in refused(capsys, 1, name, job, *rest)
    assert not (place / "a.inr").exists()


def test_a_missing_source(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "b.png" in refused(capsys, 1, "submit", "b.png")


def test_no_server(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for arguments in (("jobs",), ("submit", "a.png"), ("watch", UNKNOWN), ("fetch", UNKNOWN, "-")):
            began = time.monotonic()
            error = refused(capsys, 1, *arguments, "--server", address, "--patience", "0.5")
            assert "cannot be reached" in error
            assert time.monotonic() - began < 15  # less than the usual patience


def test_a_time_limit_leaves_the_job_alone(place: Path, client: inr.Client, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    error = refused(capsys, 1, "submit", "a.png", "never.inr", *ENDLESS, "--quiet", "--timeout", "0.7")
    job = client.job(client.jobs(limit=1)[0].id)
    assert job.id in error
    assert job.id in refused(capsys, 1, "fetch", job.id, "never.inr", "--timeout", "0.3")
    assert time.monotonic() - began < 30  # the job never ends
    assert job.info().state in ("queued", "running")
    assert not (place / "never.inr").exists()
    job.cancel()
    until(lambda: job.info().has_ended)


def test_a_token_does_not_go_to_a_far_machine_in_clear_text(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cret-of-alice-0123456789"  # noqa: S105
    arguments = ("jobs", "--server", FAR, "--patience", "0")
    error = refused(capsys, 2, *arguments, "--token", secret)
    assert "TLS" in error
    assert secret not in error
    monkeypatch.setenv("INR_TOKEN", secret)
    assert "TLS" in refused(capsys, 2, *arguments)
    assert "TLS" in refused(capsys, 2, "submit", "a.png", "--server", FAR)


def test_tokens(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = tmp_path / "tokens"
    secret = "s3cret-of-alice-0123456789"  # noqa: S105
    tokens.write_text(f"alice {secret}\n")
    tokens.chmod(0o600)
    with RunningServer(tmp_path / "data", "--workers", "0", "--token-file", str(tokens)) as strict:
        assert said(capsys, "jobs", "--json", "--token", "ignored") != ""  # of the open server that INR_SERVER names
        monkeypatch.setenv("INR_SERVER", strict.address)
        assert "token" in refused(capsys, 1, "jobs")
        assert "token" in refused(capsys, 1, "jobs", "--token", "wrong")
        assert len(said(capsys, "jobs", "--token", secret).splitlines()) == 1  # nothing but the head
        monkeypatch.setenv("INR_TOKEN", secret)
        job = submitted(capsys, *FIT)
        assert said(capsys, "jobs").splitlines()[1].startswith(f"{job[:12]}  ")
        error = refused(capsys, 1, "jobs", "--token", "wrong")  # what is typed counts more
        assert secret not in error
        monkeypatch.setenv("INR_SERVER", "127.0.0.1:1")
        assert json.loads(said(capsys, "jobs", "--server", strict.address, "--json"))[0]["id"] == job


def test_serve_is_listed_and_explained(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.search(r"^\W*serve\b", said(capsys, "--help"), re.MULTILINE)
    options = said(capsys, "serve", "--help")
    for name in ("--listen", "--data", "--workers", "--executor", "--token-file", "--tls-cert", "--tls-key"):
        assert name in options
    assert all(name in options for name in Quota.model_fields)
    client_side = said(capsys, "submit", "--help")
    assert "--server" in client_side
    assert "--wait" in client_side


def test_serve_refuses_what_is_not_safe_or_makes_no_sense(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for listen in ("0.0.0.0:0", "[::]:0"):
        error = refused(capsys, 2, "serve", "--listen", listen, "--data", "data")
        assert "can be reached by others" in error
        assert "--tls-cert" in error
    assert "HOST:PORT" in refused(capsys, 2, "serve", "--listen", "here", "--data", "data")
    assert "executor" in refused(capsys, 2, "serve", "--executor", "magic", "--data", "data")
    assert "--quota" in refused(capsys, 2, "serve", "--quota", "much", "--data", "data")
    for quota in ("activ_jobs=5", "active-jobs=5", "jobs=5", "ACTIVE_JOBS=5"):
        error = refused(capsys, 2, "serve", "--quota", quota, "--data", "data")
        known = (
            "blob_bytes, stored_bytes, active_jobs, kept_jobs, job_samples, job_seconds, decoded_values, requests_per"
        )
        assert f"quota: {quota.partition('=')[0]}: is not known; known: {known}" in error
    assert not (place / "data").exists()
