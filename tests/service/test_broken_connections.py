"""Connections that break or fall silent, through a real proxy: transfers go on where they were, nothing comes twice."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.client import Event, LayerReady, ProgressMade, StateChanged
from inr.client.content import Content, contents_of
from inr.client.failures import Patience
from inr.errors import DeadlineError, FileAccessError, InrError, NotFoundError, QuotaExceededError, UnavailableError
from tests.service.conftest import LONG, SMALL
from tests.support.proxy import Direction, Proxy
from tests.support.servers import RunningServer, until

Picture = npt.NDArray[np.uint8]
LOST = 1_000_000
"""Bytes that one break may cost: messages that had not arrived whole, or were not looked at yet."""
SIZE = 12_000_000
PACE = 20e6
"""Bytes a second: loopback is so fast that megabytes are on their way when a connection breaks."""
PATIENCE = 1.5
TIMEOUT, SILENCE, DEADLINE = 1.0, 1.0, 0.5
RETRIED = 2 * TIMEOUT + PATIENCE
"""Seconds until a call is given up that is made again: a first failure, more of them, and one that was under way."""
SLACK = 8.0
"""Seconds that a busy machine adds to the time after which a call is to be given up."""


@pytest.fixture
def proxy(server: RunningServer) -> Iterator[Proxy]:
    """A way to the shared server that can be broken."""
    with Proxy(server.port, PACE) as between:
        yield between


def noise(seed: int) -> Content:
    """Some megabytes that nobody has uploaded yet."""
    [content] = contents_of(np.random.default_rng(seed).bytes(SIZE))
    return content


def send(client: inr.Client, content: Content) -> None:
    client.upload(content)


def test_an_upload_that_breaks_again_and_again_sends_each_byte_about_once(proxy: Proxy, client: inr.Client) -> None:
    content = noise(1)
    cuts = (1_000_000, 2_500_000, 4_000_000)
    proxy.cut_each("up", *cuts)
    with inr.Client(proxy.address) as broken:
        send(broken, content)
    assert client.download(content.sha256) == content.data
    assert (proxy.accepted, proxy.cuts_left) == (4, 0)
    assert SIZE < proxy.passed["up"] < SIZE + len(cuts) * LOST


def test_a_file_that_becomes_shorter_while_it_is_sent_is_named(client: inr.Client, tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    path.write_bytes(np.random.default_rng(3).bytes(1000))
    [content] = contents_of(path)
    path.write_bytes(bytes(500))
    with pytest.raises(FileAccessError, match=r"scan\.npy became shorter while it was sent"):
        send(client, content)
    path.unlink()
    with pytest.raises(FileAccessError, match=r"cannot read .*scan\.npy: no such file or directory"):
        send(client, content)


def test_a_file_that_disappears_while_it_is_sent_is_named(proxy: Proxy, tmp_path: Path) -> None:
    path = tmp_path / "scan.npy"
    path.write_bytes(np.random.default_rng(5).bytes(SIZE))
    [content] = contents_of(path)
    failed: list[Exception] = []

    def sending() -> None:
        try:
            send(through, content)
        except inr.InrError as error:
            failed.append(error)

    with inr.Client(proxy.address) as through:
        thread = threading.Thread(target=sending)
        thread.start()
        until(lambda: proxy.passed["up"] > 1_000_000)
        path.unlink()
        thread.join()
    [error] = failed
    assert isinstance(error, FileAccessError)
    assert "no such file" in str(error)


def test_a_refusal_that_comes_while_data_is_sent_arrives(client: inr.Client) -> None:
    """The call ends while the client writes; now and then gRPC loses the reason."""
    content = replace(noise(4), size=2**62)
    for _ in range(5):
        with pytest.raises(QuotaExceededError, match="are allowed"):
            send(client, content)


def test_a_download_goes_on_where_it_broke(proxy: Proxy, client: inr.Client) -> None:
    content = noise(2)
    send(client, content)
    cuts = (1_000_000, 2_500_000, 4_000_000)
    proxy.cut_each("down", *cuts)
    with inr.Client(proxy.address) as broken:
        assert broken.download(content.sha256) == content.data
    assert (proxy.accepted, proxy.cuts_left) == (4, 0)
    assert SIZE < proxy.passed["down"] < SIZE + len(cuts) * LOST


def milestones(events: list[Event]) -> list[object]:
    """What must come exactly once, as it was: each change of state, each layer."""
    changes = [(e.sequence, e.time, e.state, e.attempts) for e in events if isinstance(e, StateChanged)]
    return [*changes, *(event for event in events if isinstance(event, LayerReady))]


def test_a_watch_that_breaks_while_the_job_runs_tells_everything_once(
    proxy: Proxy, client: inr.Client, picture: Picture
) -> None:
    job = client.submit(picture, **{**LONG, "steps": 500}, layers=3)
    events: list[Event] = []
    with inr.Client(proxy.address) as broken:
        for event in broken.job(job.id).watch():
            events.append(event)
            if len(events) in (1, 3, 5, 7):
                proxy.cut()
    assert proxy.accepted >= 4
    assert milestones(events) == milestones(list(job.watch()))
    assert [event.number for event in events if isinstance(event, LayerReady)] == [1, 2, 3]
    steps = [event.step for event in events if isinstance(event, ProgressMade)]
    assert steps == sorted(set(steps))
    assert [event.state for event in events if isinstance(event, StateChanged)] == ["queued", "running", "done"]


def test_a_late_watch_that_breaks_tells_everything_once(proxy: Proxy, client: inr.Client, picture: Picture) -> None:
    """Every change of state carries the job as it is, done: that must not be taken for the end of the story."""
    job = client.submit(picture, **SMALL, layers=3)
    job.wait()
    whole = list(job.watch())
    proxy.cut_each("down", 500, 800, 1200, 1600)
    with inr.Client(proxy.address) as broken:
        assert list(broken.job(job.id).watch()) == whole
    assert proxy.accepted > 2


def test_a_watch_that_was_quiet_for_longer_than_the_patience_goes_on(tmp_path: Path, picture: Picture) -> None:
    """What counts is how long nothing but failures came, not how long nothing came."""
    events: list[Event] = []
    with (
        RunningServer(tmp_path / "data", "--workers", "0") as idle,
        Proxy(idle.port) as between,
        inr.Client(between.address, patience=PATIENCE) as broken,
        inr.Client(idle.address) as direct,
    ):
        job = direct.submit(picture, **SMALL)
        watching = threading.Thread(target=lambda: events.extend(broken.job(job.id).watch()))
        watching.start()
        until(lambda: bool(events))
        quiet = time.monotonic()
        until(lambda: time.monotonic() > quiet + 2 * PATIENCE)
        between.cut()
        until(lambda: between.accepted == 2)
        job.cancel()
        watching.join()
    assert [event.state for event in events if isinstance(event, StateChanged)] == ["queued", "cancelled"]


def test_a_field_that_breaks_arrives_whole(proxy: Proxy, client: inr.Client, picture: Picture) -> None:
    settings: dict[str, Any] = {"model": "siren", "settings": {"width": 64, "depth": 3}, "steps": 5, "bits": 8}
    job = client.submit(picture, **settings, layers=4)
    data, info = job.result(), job.info()
    assert info.result is not None
    proxy.cut_each("down", 300, len(data) // 2)
    with inr.Client(proxy.address) as broken:
        arrived = list(broken.stream(job.id))
        assert [layer for _, layer in arrived] == list(info.result.layers)
        assert [part == data[: layer.bytes] for part, layer in arrived] == [True] * 4
        assert (proxy.accepted, proxy.cuts_left) == (3, 0)
        [*_, field] = _cutting(proxy, broken.open_progressively(job.id))
        np.testing.assert_array_equal(field.decode(), inr.open(data).decode())


def _cutting(
    proxy: Proxy, fields: "Iterator[inr.codec.decode.DecodedField]"
) -> "Iterator[inr.codec.decode.DecodedField]":
    """The same, but the connection breaks after each."""
    for field in fields:
        proxy.cut()
        yield field


def test_a_decoded_picture_whose_connection_breaks(proxy: Proxy, client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **SMALL)
    here = inr.open(job.result())
    proxy.cut_each("down", 100_000)
    with inr.Client(proxy.address) as broken:
        np.testing.assert_array_equal(broken.decode(job.id, scale=6.0), here.decode(scale=6.0))
    assert proxy.cuts_left == 0


def test_a_lost_answer_does_not_make_a_second_job(proxy: Proxy, client: inr.Client, picture: Picture) -> None:
    before = {job.id for job in client.jobs()}
    made: list[inr.client.Job] = []
    with inr.Client(proxy.address) as broken:
        broken.jobs(limit=1)
        proxy.hold_answers_to(b".JobService/CreateJob")
        asking = threading.Thread(target=lambda: made.append(broken.submit(picture, **SMALL)))
        asking.start()
        until(lambda: {job.id for job in client.jobs()} != before)
        proxy.cut()
        proxy.release()
        asking.join()
    assert proxy.accepted == 2
    assert {job.id for job in client.jobs()} - before == {job.id for job in made}
    assert len(made) == 1


def test_a_deletion_whose_answer_was_lost_succeeds(proxy: Proxy, client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **SMALL)
    job.wait()
    with inr.Client(proxy.address) as broken:
        broken.jobs(limit=1)
        proxy.hold_answers_to(b".JobService/DeleteJob")
        deleting = threading.Thread(target=broken.job(job.id).delete)
        deleting.start()
        until(lambda: job.id not in {info.id for info in client.jobs()})
        proxy.cut()
        proxy.release()
        deleting.join()
        assert proxy.accepted == 2
        with pytest.raises(NotFoundError):
            broken.job(job.id).delete()


@pytest.mark.parametrize("stage", ["before the first word", "later"])
def test_a_server_that_never_answers_is_given_up(proxy: Proxy, stage: str) -> None:
    with inr.Client(proxy.address, timeout=TIMEOUT, patience=PATIENCE) as waiting:
        if stage == "later":
            waiting.jobs(limit=1)
        proxy.hold("down")
        assert_is_given_up(RETRIED, (DeadlineError, UnavailableError), lambda: waiting.jobs(limit=1))
        proxy.release()
        until(lambda: waiting.jobs(limit=1) is not None)


def test_streams_of_a_server_that_says_nothing_are_given_up(proxy: Proxy) -> None:
    proxy.hold("down")
    with inr.Client(proxy.address, timeout=TIMEOUT, patience=PATIENCE) as waiting:
        for call in (
            lambda: list(waiting.job("0" * 27).watch()),
            lambda: list(waiting.stream("0" * 27)),
            lambda: waiting.download("0" * 64),
            lambda: waiting.decode("0" * 27),
        ):
            assert_is_given_up(RETRIED, (UnavailableError,), call)


AMID = 2_000_000


@pytest.fixture
def large(client: inr.Client, picture: Picture) -> inr.client.Job:
    """A job whose decoded samples are some megabytes."""
    job = client.submit(picture, **SMALL)
    job.wait()
    return job


@pytest.mark.parametrize("method", ["download", "decode", "upload"])
def test_a_transfer_that_falls_silent_amid_its_data_is_given_up(
    proxy: Proxy, client: inr.Client, large: inr.client.Job, method: str
) -> None:
    content = noise(6)
    if method == "download":
        send(client, content)
    client.decode(large)  # what decodes for the server is there
    direction: Direction = "up" if method == "upload" else "down"
    waiting = inr.Client(proxy.address, timeout=TIMEOUT, patience=0.0, silence=SILENCE)
    calls: dict[str, Callable[[], object]] = {
        "download": lambda: waiting.download(content.sha256),
        "decode": lambda: waiting.decode(large, scale=30.0),
        "upload": lambda: waiting.upload(replace(content, sha256="0" * 64)),
    }
    with waiting, _silent(proxy, direction):
        assert_is_given_up(TIMEOUT + SILENCE, (UnavailableError, DeadlineError), calls[method])


def test_a_stream_that_falls_silent_is_given_up(proxy: Proxy, large: inr.client.Job) -> None:
    with inr.Client(proxy.address, timeout=TIMEOUT, patience=0.0, silence=SILENCE) as waiting:
        waiting.jobs(limit=1)
        proxy.hold("down")
        assert_is_given_up(SILENCE, (UnavailableError,), lambda: list(waiting.stream(large)))


def test_a_transfer_that_fell_silent_goes_on(proxy: Proxy, client: inr.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers again only after the client has given up once."""
    content = noise(7)
    send(client, content)
    given_up: list[InrError] = []
    after = Patience.after

    async def released(patience: Patience, error: InrError) -> None:
        given_up.append(error)
        proxy.release()
        await after(patience, error)

    monkeypatch.setattr(Patience, "after", released)
    with inr.Client(proxy.address, silence=SILENCE) as waiting, _silent(proxy, "down"):
        assert waiting.download(content.sha256) == content.data
    assert [str(error) for error in given_up] == ["the server was silent for 1 s"]


@contextmanager
def _silent(proxy: Proxy, direction: Direction) -> Iterator[None]:
    """Let nothing pass any more once some megabytes have."""

    def hold() -> None:
        until(lambda: proxy.passed[direction] > AMID)
        proxy.hold(direction)

    holding = threading.Thread(target=hold)
    holding.start()
    yield
    holding.join()
    proxy.release()


@pytest.mark.parametrize("method", ["download", "upload", "submit", "decode", "open", "stream"])
def test_a_deadline_ends_a_transfer(
    proxy: Proxy, client: inr.Client, large: inr.client.Job, picture: Picture, method: str
) -> None:
    content = noise(8)
    with inr.Client(proxy.address) as waiting:
        waiting.jobs(limit=1)
        proxy.hold("up", "down")
        calls: dict[str, Callable[[], object]] = {
            "download": lambda: waiting.download("0" * 64, timeout=DEADLINE),
            "upload": lambda: waiting.upload(content, timeout=DEADLINE),
            "submit": lambda: waiting.submit(picture, **SMALL, timeout=DEADLINE),
            "decode": lambda: waiting.decode(large, timeout=DEADLINE),
            "open": lambda: waiting.open(large, timeout=DEADLINE),
            "stream": lambda: list(waiting.stream(large, timeout=DEADLINE)),
        }
        assert_is_given_up(DEADLINE, (DeadlineError,), calls[method])
        proxy.release()
        assert waiting.decode(large, timeout=60.0).shape == picture.shape


def test_a_file_whose_transfer_fails_is_not_written(proxy: Proxy, large: inr.client.Job, tmp_path: Path) -> None:
    """Some of the errors are an OSError as well, but not one of the file."""

    def cut() -> None:
        until(lambda: not proxy.passes("down"))
        proxy.cut()

    with inr.Client(proxy.address, timeout=2.0, patience=0.0) as broken:
        broken.jobs(limit=1)
        proxy.hold_answers_to(b".BlobService/Download")
        cutting = threading.Thread(target=cut)
        cutting.start()
        with pytest.raises(UnavailableError, match="the server cannot be reached"):
            broken.job(large.id).fetch(tmp_path / "x.inr")
        cutting.join()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_given_up() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        with inr.Client(f"127.0.0.1:{nobody.getsockname()[1]}", timeout=TIMEOUT, patience=PATIENCE) as waiting:
            for call in (waiting.jobs, lambda: list(waiting.job("0" * 27).watch())):
                assert_is_given_up(RETRIED, (UnavailableError,), call)


def assert_is_given_up(seconds: float, errors: tuple[type[InrError], ...], call: Callable[[], object]) -> None:
    """The call must fail with one line, after what it was told: the sum of the times that may pass in it."""
    began = time.monotonic()
    with pytest.raises(errors) as caught:
        call()
    taken = time.monotonic() - began
    assert taken < seconds + SLACK
    assert str(caught.value)
    assert "\n" not in str(caught.value)
