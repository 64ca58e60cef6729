"""What the client promises by itself: threads, processes, deadlines, signatures, who may read a token."""

import asyncio
import gc
import inspect
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Unpack, get_args, get_origin

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.cli.main import main
from inr.client import AsyncJob, Job, StateChanged
from inr.client.content import contents_of
from inr.client.transport import Connection
from inr.errors import DeadlineError, InrError, SignalError, SpecError
from inr.signals.image.write import save_image
from inr.signals.target import TargetOptions
from tests.service.conftest import SMALL
from tests.support.servers import RunningServer, alone, until

Picture = npt.NDArray[np.uint8]


def script(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of a user's."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


# --- threads and processes ---


def test_a_watch_left_half_way_does_not_hold_up_the_end_of_a_script(idle: RunningServer, queued: Job) -> None:
    code = "import sys, inr; events = inr.Client(sys.argv[1]).job(sys.argv[2]).watch(); print(next(events).state)"
    run = script(code, idle.address, queued.id)
    assert (run.returncode, run.stdout, run.stderr) == (0, "queued\n", "")


def test_a_watch_may_be_collected_in_the_thread_of_the_loop(waiting: inr.Client, queued: Job) -> None:
    held: list[Any] = [queued.watch()]
    next(held[0])
    cleared = threading.Event()

    def clear() -> None:
        held.clear()
        gc.collect()
        cleared.set()

    loop = waiting._loop._loop
    loop.call_soon_threadsafe(clear)
    assert cleared.wait(timeout=20)
    assert queued.info().state == "queued"


def test_the_thread_of_the_loop_is_refused(waiting: inr.Client) -> None:
    found: list[Exception] = []

    def ask() -> None:
        try:
            waiting.jobs()
        except InrError as error:
            found.append(error)

    waiting._loop._loop.call_soon_threadsafe(ask)
    until(lambda: bool(found), seconds=20)
    assert "use AsyncClient there" in str(found[0])


@pytest.mark.parametrize("child", ["client.jobs()", "inr.Client(sys.argv[1])", "asyncio.run(ask())"])
def test_a_client_after_a_fork_says_so(idle: RunningServer, child: str) -> None:
    code = f"""
import asyncio, os, sys, inr
client = inr.Client(sys.argv[1])
client.jobs(limit=1)
async def ask():
    async with inr.AsyncClient(sys.argv[1]) as other:
        await other.jobs(limit=1)
if os.fork() == 0:
    try:
        {child}
    except inr.InrError as error:
        os.write(1, str(error).encode())
    os._exit(0)
os.wait()
client.jobs(limit=1)
"""
    run = script(code, idle.address)
    assert "made before fork" in run.stdout
    assert "use spawn" in run.stdout
    assert run.returncode == 0, run.stderr


def test_two_first_callers_make_one_loop() -> None:
    code = """
import sys, threading, inr.client.sync as sync
sys.setswitchinterval(1e-6)
barrier, made = threading.Barrier(16), []
def make():
    barrier.wait()
    made.append(sync._Loop.shared())
threads = [threading.Thread(target=make) for _ in range(16)]
[t.start() for t in threads], [t.join() for t in threads]
print(len(set(map(id, made))), sum(t.name == "inr client" for t in threading.enumerate()))
"""
    assert script(code).stdout == "1 1\n"


def test_a_closed_client_says_so(idle: RunningServer) -> None:
    client = inr.Client(idle.address)
    client.close()
    client.close()
    with pytest.raises(InrError, match="the client is closed"):
        client.jobs()


def test_closing_ends_the_calls_of_other_threads(idle: RunningServer, queued: Job) -> None:
    client = inr.Client(idle.address)
    found: list[Exception] = []
    watched = threading.Event()

    def watch() -> None:
        try:
            for _ in client.job(queued.id).watch():
                watched.set()
        except InrError as error:
            found.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    assert watched.wait(timeout=20)
    client.close()
    thread.join(timeout=20)
    assert "closed" in str(found[0])


def test_an_async_client_is_made_outside_of_its_loop(idle: RunningServer) -> None:
    client = inr.AsyncClient(idle.address)

    async def ask() -> int:
        async with client:
            return len(await client.jobs(limit=1))

    assert asyncio.run(ask()) in (0, 1)
    with pytest.raises(InrError, match="closed"):
        asyncio.run(ask())


def test_without_its_packages_the_client_says_what_to_install() -> None:
    code = "import sys; sys.modules['grpc'] = None; import inr; inr.Client"
    assert "MissingDependencyError: the client needs grpc: pip install 'inr[client]'" in script(code).stderr


# --- signatures and values ---


def signatures(cls: type) -> dict[str, inspect.Signature]:
    """Of all public methods."""
    public = {name: value for name, value in vars(cls).items() if callable(value) and not name.startswith("_")}
    return {name: inspect.signature(value) for name, value in public.items()}


_ITERATOR: Any = Iterator


@pytest.mark.parametrize(("sync", "other"), [(inr.Client, inr.AsyncClient), (Job, AsyncJob)])
def test_both_clients_have_the_same_methods(sync: type, other: type) -> None:
    found, wanted = signatures(sync), signatures(other)
    assert found.keys() == wanted.keys()
    for name, signature in wanted.items():
        assert list(found[name].parameters.values()) == list(signature.parameters.values()), name
        expected: Any = signature.return_annotation
        if get_origin(expected) is AsyncIterator:
            expected = _ITERATOR[get_args(expected)]
        assert found[name].return_annotation == (Job if expected is AsyncJob else expected), name
        assert inspect.getdoc(getattr(sync, name)), name


def test_both_clients_are_made_alike() -> None:
    made = [inspect.signature(cls).parameters for cls in (Connection, inr.AsyncClient, inr.Client)]
    assert list(made[0])[:3] == ["server", "token", "tls"]
    assert made[0] == made[1] == made[2]


def test_no_parameter_is_hidden() -> None:
    for name, signature in signatures(inr.AsyncClient).items():
        kinds = {parameter.kind for parameter in signature.parameters.values()}
        assert (inspect.Parameter.VAR_KEYWORD in kinds) == (name in ("submit", "check", "decode")), name
    parameters = inspect.signature(inr.Client.decode).parameters
    assert "layers" in parameters
    assert parameters["target"].annotation == Unpack[TargetOptions]
    assert {"scale", "size", "region", "time", "frame_rate"} == set(TargetOptions.__annotations__)
    assert all(f"{name}:" in str(inr.Client.decode.__doc__) for name in TargetOptions.__annotations__)


def test_values_say_which_job_and_hide_tokens(waiting: inr.Client) -> None:
    assert repr(waiting.job("abc")) == "Job('abc')"
    assert repr(inr.AsyncClient("localhost:1").job("abc")) == "AsyncJob('abc')"
    assert "secret" not in repr(Connection("localhost:1", token="secret"))  # noqa: S106


def test_events_are_numbered_for_later_watches(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **SMALL, layers=2)
    began = time.time()
    events = list(job.watch())
    numbers = [event.sequence for event in events]
    assert numbers == sorted(set(numbers))
    assert all(abs(event.time - began) < 60 for event in events)
    assert [event.time for event in events] == sorted(event.time for event in events)
    changes = [event for event in events if isinstance(event, StateChanged)]
    assert [(event.state, event.attempts) for event in changes] == [("queued", 0), ("running", 1), ("done", 1)]
    assert [event.job.id for event in changes] == [job.id] * 3
    for event in (events[0], changes[1], events[-2]):
        assert list(job.watch(after=event.sequence)) == [
            later for later in job.watch() if later.sequence > event.sequence
        ]


# --- what is sent, and to whom ---


@pytest.mark.parametrize("server", ["inr.example.org:50051", "10.0.0.1:50051", "dns:///example.org", "128.0.0.1:1"])
def test_a_token_does_not_go_out_in_clear_text(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for make in (inr.Client, inr.AsyncClient):
        with pytest.raises(SpecError, match="in clear text") as caught:
            make(server, token="secret")  # noqa: S106
        assert "secret" not in str(caught.value)
        make(server, token="secret", insecure=True)  # noqa: S106
        make(server, token="secret", tls=True)  # noqa: S106
        make(server)
    monkeypatch.setenv("INR_TOKEN", "secret")
    assert main(["jobs", "--server", server]) == 2
    assert main(["jobs", "--server", "[::1]:1", "--insecure", "--patience", "0"]) == 1


@pytest.mark.parametrize(
    "server",
    ["localhost:1", "127.0.0.1:1", "127.9.9.9", "[::1]:1", "unix:/tmp/inr", "ipv4:127.0.0.1:1", "ipv6:[::1]:1"],
)
def test_a_token_may_go_to_this_machine(server: str) -> None:
    assert Connection(server, token="secret").credentials() is None  # noqa: S106


def test_a_folder_is_sent_as_the_library_reads_it(client: inr.Client, picture: Picture, tmp_path: Path) -> None:
    meta = inr.load(picture).meta
    for name in ("Frame10.png", "frame9.png", ".hidden.png", "frame11.PNG"):
        save_image(tmp_path / name, np.roll(picture, len(name), axis=0), meta)
    (tmp_path / "notes.txt").write_text("not a frame")
    assert [content.name for content in contents_of(tmp_path)] == ["frame9.png", "Frame10.png", "frame11.PNG"]
    assert client.submit(tmp_path, **SMALL).result() == alone(tmp_path, **SMALL).data
    (tmp_path / "empty").mkdir()
    with pytest.raises(SignalError, match="has no pictures"):
        client.submit(tmp_path / "empty")


def test_a_folder_with_one_picture_is_refused_as_without_a_server(
    client: inr.Client, picture: Picture, tmp_path: Path
) -> None:
    save_image(tmp_path / "only.png", picture, inr.load(picture).meta)
    for act in (lambda: client.submit(tmp_path, **SMALL), lambda: alone(tmp_path, **SMALL)):
        with pytest.raises(SignalError, match=r"has one picture, only\.png, and a video needs 2 frames"):
            act()


def test_a_pipe_is_written_to_and_not_replaced(client: inr.Client, picture: Picture, tmp_path: Path) -> None:
    job = client.submit(picture, **SMALL)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()), daemon=True)
    reader.start()
    job.fetch(path)
    reader.join(timeout=20)
    assert received == [job.result()]
    assert stat.S_ISFIFO(path.stat().st_mode)


# --- waiting ---


def test_asking_for_a_field_waits_for_it(client: inr.Client, picture: Picture) -> None:
    here = inr.open(alone(picture, **SMALL, seed=9).data).decode()
    asked: list[Callable[[Job], Any]] = [
        client.decode,
        lambda job: client.open(job).decode(),
        lambda job: inr.open(list(client.stream(job))[-1][0]).decode(),
        lambda job: list(client.open_progressively(job))[-1].decode(),
    ]
    for ask in asked:
        np.testing.assert_array_equal(ask(client.submit(picture, **SMALL, seed=9)), here)
        with pytest.raises(SignalError):
            ask(client.submit(b"no picture", **SMALL))


@pytest.mark.parametrize("method", ["wait", "watch", "result", "fetch", "open", "each", "stream", "decode"])
def test_a_deadline_ends_the_waiting_for_a_job(waiting: inr.Client, queued: Job, method: str, tmp_path: Path) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "wait": lambda: queued.wait(timeout=0.3),
        "watch": lambda: list(queued.watch(timeout=0.3)),
        "result": lambda: queued.result(timeout=0.3),
        "fetch": lambda: queued.fetch(tmp_path / "x.inr", timeout=0.3),
        "open": lambda: waiting.open(queued, timeout=0.3),
        "each": lambda: list(waiting.open_progressively(queued, timeout=0.3)),
        "stream": lambda: list(waiting.stream(queued, timeout=0.3)),
        "decode": lambda: waiting.decode(queued, timeout=0.3),
    }
    began = time.monotonic()
    with pytest.raises(DeadlineError, match=r"takes longer than 0\.3 s"):
        calls[method]()
    assert time.monotonic() - began < 30  # the job never ends
    assert queued.info().state == "queued"
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_has_ended_is_not_watched_again(
    client: inr.Client, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = client.submit(picture, **SMALL)
    job.wait()
    monkeypatch.setattr(AsyncJob, "_events", None)
    assert job.wait().state == "done"
