"""Jobs by the beginning of their ids, and the table that shows these."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.cli.job_text import span, table
from inr.client import Job, JobInfo
from inr.client.events import job_info
from inr.errors import NotFoundError, RequestError
from inr.rpc.v1 import job_pb2
from service.config import Quota
from service.store.database import Database
from service.store.jobs import JobStore
from tests.service.conftest import SMALL
from tests.service.test_command_line import refused, said
from tests.support.servers import RunningServer

Picture = npt.NDArray[np.uint8]


def others(ids: list[str], job_id: str) -> str:
    """The shortest beginning of an id that none of the others has."""
    return next(job_id[:n] for n in range(1, 28) if sum(other.startswith(job_id[:n]) for other in ids) == 1)


@pytest.fixture
def done(client: inr.Client, picture: Picture) -> Job:
    """A job that has ended."""
    job = client.submit(picture, **SMALL)
    job.wait()
    return job


def test_every_command_takes_the_beginning_of_an_id(
    server: RunningServer, client: inr.Client, done: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short, there = others([job.id for job in client.jobs()], done.id), ("--server", server.address)
    assert len(short) < 27
    assert said(capsys, "cancel", short, *there).startswith(f"{done.id}  ")
    assert said(capsys, "fetch", short, str(tmp_path / "x.inr"), *there).startswith(f"{done.id}  ")
    assert (tmp_path / "x.inr").read_bytes() == done.result()
    shown = said(capsys, "jobs", *there).splitlines()[1].split()[0]
    assert done.id.startswith(shown)
    assert said(capsys, "fetch", shown, str(tmp_path / "y.inr"), *there).startswith(f"{done.id}  ")
    from inr.cli.main import main

    assert main(["watch", short, *there]) == 0
    output, errors = capsys.readouterr()
    assert output.startswith(f"{done.id}  ")
    assert errors.splitlines()[-1] == f"job {done.id}: done"


def test_every_method_takes_the_beginning_of_an_id(client: inr.Client, done: Job, tmp_path: Path) -> None:
    short = others([job.id for job in client.jobs()], done.id)
    data = done.result()
    assert client.job(short).info().id == done.id
    assert client.job(short).wait().id == done.id
    assert client.job(short).result() == data
    assert client.job(short).fetch(tmp_path / "x.inr").id == done.id
    assert [event.sequence for event in client.job(short).watch()] == [event.sequence for event in done.watch()]
    assert client.job(short).cancel().state == "done"
    np.testing.assert_array_equal(client.decode(short), client.decode(done))
    np.testing.assert_array_equal(client.open(short).decode(), client.decode(done))
    assert [received for received, _ in client.stream(short)][-1] == data
    job = client.job(short)
    assert (job.id, job.whole_id(), job.id) == (short, done.id, done.id)
    client.job(short).delete()
    with pytest.raises(NotFoundError):
        done.info()


def test_beginnings_that_several_jobs_have(
    idle: RunningServer, waiting: inr.Client, picture: Picture, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [waiting.submit(picture, **SMALL).id for _ in range(5)]
    common = ids[0][:2]  # of every job of these years
    assert all(job_id.startswith(common) for job_id in ids)
    shown = f"id: several jobs begin with '{common}': {ids[4]}, {ids[3]}, {ids[2]}, ...; give more digits"
    for ask in ("info", "cancel", "delete", "wait", "result"):
        with pytest.raises(RequestError) as caught:
            getattr(waiting.job(common), ask)()
        assert str(caught.value) == shown
        assert caught.value.field == "id"
    assert shown in refused(capsys, 1, "cancel", common, "--server", idle.address)
    assert {waiting.job(job_id).info().state for job_id in ids} == {"queued"}


@pytest.mark.parametrize(
    "beginning", ["", "g", "01'", "%", "_", "0" * 28, "0" * 26, "A", "0\n", "\udcff", "\x1b[31m", "ü"]
)
def test_beginnings_that_no_job_has(
    idle: RunningServer, waiting: inr.Client, queued: Job, beginning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for act in ("info", "cancel", "watch"):
        with pytest.raises(NotFoundError, match="there is no job"):
            list(getattr(waiting.job(beginning), act)())
    error = refused(capsys, 1, "watch", beginning, "--server", idle.address)
    assert "there is no job" in error
    assert error.strip().isprintable()


def test_a_tenant_learns_nothing_of_the_ids_of_another(database: Database) -> None:
    store = JobStore(database)
    mine = store.create("alice", b"", (), None, Quota()).id
    theirs = [store.create("bob", b"", (), None, Quota()).id for _ in range(2)]
    common = next(mine[:n] for n in range(27, 0, -1) if all(job_id.startswith(mine[:n]) for job_id in theirs))
    assert store.find("alice", common).id == mine  # one is hers, whatever others have
    assert store.find("alice", mine).id == mine
    with pytest.raises(RequestError) as caught:
        store.find("bob", common)
    assert mine not in str(caught.value)
    assert all(job_id in str(caught.value) for job_id in theirs)
    for who, job_id in (("alice", theirs[0]), ("bob", mine), ("carol", common)):
        with pytest.raises(NotFoundError):
            store.find(who, job_id)


# --- the table ---


def jobs() -> Iterator[JobInfo]:
    """One of each state, made at 1,000,000 s."""
    fit = job_pb2.Fit(files=[job_pb2.SourceFile(name="photo.png")])
    for number, state in enumerate(("QUEUED", "RUNNING", "RUNNING", "DONE", "FAILED", "CANCELLED", "QUEUED")):
        message = job_pb2.Job(id=f"0193{number:08d}{'f' * 15}", state=f"JOB_STATE_{state}", fit=fit)  # type: ignore[arg-type]
        message.create_time.seconds = 1_000_000
        if state != "QUEUED":
            message.start_time.seconds = 1_000_030
        if state in ("DONE", "FAILED", "CANCELLED"):
            message.end_time.seconds = 1_000_155
        if number == 1:
            message.progress.CopyFrom(job_pb2.Progress(share=0.25, psnr=31.5, seconds_left=7530.4))
        if number == 2:
            message.cancel_requested = True
        if number == 6:
            message.waiting_for = "cannot fetch a blob: no space left"
        if state == "DONE":
            message.result.CopyFrom(job_pb2.Result(bytes=12_345, bpp=1.5, psnr=33.25, ssim=0.9123))
        if state == "FAILED":
            message.failure.message = "photo.png is damaged\nhere"
        yield job_info(message)


def test_the_table() -> None:
    assert table(list(jobs()), 1_000_200.0) == [
        "ID            STATE      AGE    DURATION  LEFT    NAME       RESULT",
        "019300000000  queued     3m20s  -         -       photo.png",
        "019300000001  running    3m20s  2m50s     ~2h05m  photo.png  25%, 31.50 dB",
        "019300000002  running    3m20s  2m50s     -       photo.png  cancel requested",
        "019300000003  done       3m20s  2m05s     -       photo.png  12345 bytes, 1.500 bpp, 33.25 dB, SSIM 0.9123",
        "019300000004  failed     3m20s  2m05s     -       photo.png  photo.png is damaged\\nhere",
        "019300000005  cancelled  3m20s  2m05s     -       photo.png",
        "019300000006  queued     3m20s  -         -       photo.png  waits: cannot fetch a blob: no space left",
    ]
    assert table([], 0.0) == ["ID  STATE  AGE  DURATION  LEFT  NAME  RESULT"]


def test_ids_are_as_long_as_it_takes() -> None:
    ids = [f"{'0193' * 4}{tail}000000000" for tail in ("a1", "a2", "b0")]
    shown = [line.split()[0] for line in table([job_info(job_pb2.Job(id=job_id)) for job_id in ids], 0.0)[1:]]
    assert shown == [job_id[:18] for job_id in ids]
    long = job_info(job_pb2.Job(fit=job_pb2.Fit(files=[job_pb2.SourceFile(name="x" * 100 + "_end.tiff")])))
    assert table([long], 0.0)[1].split()[-1] == "x" * 31 + "…" + "end.tiff"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-3.0, "0.0s"), (0.04, "0.0s"), (9.94, "9.9s"), (9.97, "10s"), (10, "10s"), (59.4, "59s"), (59.6, "1m00s")),
        *((3599.4, "59m59s"), (3599.6, "1h00m"), (86_399, "23h59m"), (86_400, "1d00h"), (1e7, "115d17h")),
    ],
)
def test_spans_of_time(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_progress_is_that_of_all_parts(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **{**SMALL, "steps": 400}, segment=12)
    told = [event for event in job.watch() if isinstance(event, inr.client.ProgressMade)]
    shares = [event.share for event in told]
    assert shares == sorted(shares)
    assert (shares[-1], told[-1].seconds_left) == (1.0, 0.0)
    assert all(event.seconds_left > 0 for event in told if 0.0 < event.share < 1.0)


def test_time_left_covers_the_parts_to_come(picture: Picture) -> None:
    from inr.codec.load_save import load_parts
    from inr.fitting.events import Event, Progress
    from inr.fitting.trained import CurvePoint
    from service.workers.job_runner import OfWhole

    told: list[Event] = []
    parts = load_parts(inr.load(picture), segment=20)
    assert parts.lengths == (16, 16, 16)
    whole = OfWhole(parts, told.append)
    for signal in whole:
        assert signal.domain.shape[0] == 16
        whole.tell(Progress(CurvePoint(5, 3.0, 0.1, 20.0), 0.75, 1.0))
    found = [(event.share, event.seconds_left) for event in told if isinstance(event, Progress)]
    assert found == [(0.25, 9.0), (pytest.approx(1.75 / 3), 5.0), (pytest.approx(2.75 / 3), 1.0)]
    assert whole[1].domain == parts.signals[1].domain
