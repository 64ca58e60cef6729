"""The queue on each kind of database: leases, fences, deaths, and what each of them must never do."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from inr.errors import NotFoundError, PreconditionError, QuotaExceededError
from service.config import Quota
from service.jobs import EventKind, Failure, State, StateChange, Verdict, check_move
from service.store.database import Database, blobs
from service.store.jobs import KEPT, PAGE_BYTES, JobStore
from service.store.queue import LeaseLostError, Queue
from tests.support.servers import until

ME, YOU = "me", "you"


def new_job(database: Database, tenant: str = ME, request_id: str | None = None) -> str:
    see(database, tenant, "aa")
    return JobStore(database).create(tenant, b"fit", {"aa"}, request_id, Quota(active_jobs=100)).id


def see(database: Database, tenant: str, sha256: str) -> None:
    """Let a tenant have a blob, as far as the database knows."""
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    row = insert(blobs).values(tenant=tenant, sha256=sha256, size=1, used=0.0)
    with database.write() as connection:
        connection.execute(row.on_conflict_do_nothing())


def queue(database: Database, lease: float = 60.0, attempts: int = 3) -> Queue:
    return Queue(database, lease, attempts)


def test_the_oldest_job_is_taken_first_and_only_once(database: Database) -> None:
    ids = [new_job(database) for _ in range(3)]
    taken = [queue(database).claim("w") for _ in range(4)]
    assert [claim.job.id for claim in taken if claim] == ids
    assert taken[3] is None
    assert {JobStore(database).get(ME, job_id).state for job_id in ids} == {State.RUNNING}


def test_many_workers_never_take_the_same_job(database: Database) -> None:
    ids = {new_job(database) for _ in range(24)}
    start = threading.Barrier(4)

    def work(number: int) -> list[str]:
        own, found = queue(database), []
        start.wait()
        while (claim := own.claim(f"w{number}")) is not None:
            found.append(claim.job.id)
        return found

    with ThreadPoolExecutor(4) as pool:
        taken = [job_id for found in pool.map(work, range(4)) for job_id in found]
    assert len(taken) == 24
    assert set(taken) == ids


def test_a_lease_that_ran_out_gives_the_job_to_another(database: Database) -> None:
    job_id = new_job(database)
    first = queue(database, lease=0.0).claim("dead")
    assert first is not None
    time.sleep(0.01)
    second = queue(database).claim("alive")
    assert second is not None
    assert (second.job.id, second.fence) == (job_id, first.fence + 1)
    assert JobStore(database).get(ME, job_id).attempts == 2


def test_whoever_lost_a_job_cannot_write_to_it(database: Database) -> None:
    new_job(database)
    own = queue(database)
    old = queue(database, lease=0.0).claim("old")
    time.sleep(0.01)
    new = own.claim("new")
    assert old is not None
    assert new is not None
    assert own.heartbeat(old) is Verdict.LOST
    writes: tuple[Callable[[], None], ...] = (
        lambda: own.progress(old, b"p"),
        lambda: own.event(old, EventKind.PREVIEW, b"p"),
        lambda: own.got_further(old),
        lambda: own.finish(old, b"r", "bb", [b"l"]),
        lambda: own.fail(old, Failure("internal", "no")),
        lambda: own.cancelled(old),
        lambda: own.release(old),
    )
    for write in writes:
        with pytest.raises(LeaseLostError):
            write()
    assert own.heartbeat(new) is Verdict.KEEP
    own.finish(new, b"result", "bb", [])
    job = JobStore(database).get(ME, new.job.id)
    assert (job.state, job.result) == (State.DONE, b"result")
    with pytest.raises(LeaseLostError):
        own.finish(new, b"again", "cc", [])
    assert JobStore(database).get(ME, new.job.id).result == b"result"


def test_a_known_death_need_not_wait_for_the_lease(database: Database) -> None:
    job_id = new_job(database)
    own = queue(database, lease=3600)
    assert own.claim("w1") is not None
    assert own.claim("w2") is None
    own.died("w1")
    again = own.claim("w2")
    assert again is not None
    assert again.job.id == job_id


def test_a_job_that_keeps_killing_workers_is_given_up(database: Database) -> None:
    job_id = new_job(database)
    own = queue(database, attempts=3)
    for attempt in range(3):
        claim = own.claim("w")
        assert claim is not None, attempt
        own.died("w")
    assert own.claim("w") is None
    job = JobStore(database).get(ME, job_id)
    assert job.state is State.FAILED
    assert job.failure is not None
    assert job.failure.code == "quarantined"
    assert "3 times" in job.failure.message


def test_deaths_before_a_checkpoint_do_not_count(database: Database) -> None:
    job_id = new_job(database)
    own = queue(database, attempts=2)
    for _ in range(5):
        claim = own.claim("w")
        assert claim is not None
        own.got_further(claim)
        own.died("w")
    assert JobStore(database).get(ME, job_id).state is State.RUNNING


def test_a_released_job_waits_for_its_time_and_says_why(database: Database) -> None:
    job_id = new_job(database)
    own = queue(database)
    claim = own.claim("w")
    assert claim is not None
    own.release(claim, waiting_for="disk full", seconds=1.0)
    job = JobStore(database).get(ME, job_id)
    assert (job.state, job.waiting_for) == (State.QUEUED, "disk full")
    assert own.claim("w") is None
    until(lambda: own.claim("w") is not None)
    assert JobStore(database).get(ME, job_id).waiting_for == ""


def test_cancelling(database: Database) -> None:
    store, own = JobStore(database), queue(database)
    waiting, running, dead = (new_job(database) for _ in range(3))
    claims = {}
    assert store.cancel(ME, waiting).state is State.CANCELLED
    for _ in range(2):
        claim = own.claim("w")
        assert claim is not None
        claims[claim.job.id] = claim
    assert store.cancel(ME, running).state is State.RUNNING
    assert own.heartbeat(claims[running]) is Verdict.CANCEL
    own.cancelled(claims[running])
    assert store.get(ME, running).state is State.CANCELLED
    assert store.cancel(ME, running).state is State.CANCELLED
    store.cancel(ME, dead)
    own.died("w")
    assert own.claim("w2") is None  # its worker died before it heard of it
    assert store.get(ME, dead).state is State.CANCELLED


def test_one_request_makes_one_job(database: Database) -> None:
    start = threading.Barrier(6)

    def ask(number: int) -> str:
        start.wait()
        return new_job(database, request_id="same")

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(ask, range(6)))
    assert len(ids) == 1
    assert new_job(database, tenant=YOU, request_id="same") not in ids
    assert new_job(database) != new_job(database)


def test_a_tenant_has_its_own_jobs_only(database: Database) -> None:
    store, job_id = JobStore(database), new_job(database)
    for act in (store.get, store.cancel, store.delete):
        with pytest.raises(NotFoundError):
            act(YOU, job_id)
    assert store.page(YOU, (), 10, None) == ([], False)
    with pytest.raises(NotFoundError):
        store.get(ME, "nothing")


def test_the_number_of_active_jobs_is_limited(database: Database) -> None:
    store = JobStore(database)
    two = Quota(active_jobs=2, kept_jobs=3)
    first = store.create(ME, b"", (), None, two)
    store.create(ME, b"", (), None, two)
    with pytest.raises(QuotaExceededError, match="2 wait or run; 2 are allowed"):
        store.create(ME, b"", (), None, two)
    third = store.cancel(ME, first.id)
    assert store.create(ME, b"", (), None, two).state is State.QUEUED
    store.cancel(ME, store.page(ME, {State.QUEUED}, 1, None)[0][0].id)
    with pytest.raises(QuotaExceededError, match="3 are kept; 3 are allowed"):
        store.create(ME, b"", (), None, two)
    store.delete(ME, third.id)
    assert store.create(ME, b"", (), None, two).state is State.QUEUED


def test_a_job_needs_blobs_that_are_there(database: Database) -> None:
    see(database, ME, "aa")
    with pytest.raises(NotFoundError, match="a blob of the job is not there any more"):
        JobStore(database).create(ME, b"", {"aa", "bb"}, None, Quota())
    assert JobStore(database).page(ME, (), 10, None) == ([], False)
    JobStore(database).create(ME, b"", {"aa"}, None, Quota())
    with database.read() as connection:
        assert connection.execute(sa.select(blobs.c.used)).scalar_one() > time.time() - 60  # so that no sweep takes it


def test_pages_of_large_jobs_are_short(database: Database) -> None:
    store = JobStore(database)
    ids = [store.create(ME, bytes(PAGE_BYTES // 3), (), None, Quota()).id for _ in range(8)]
    found, before, more, pages = [], None, True, 0
    while more:
        page, more = store.page(ME, (), 500, before)
        assert sum(len(job.fit) for job in page) <= 1.5 * PAGE_BYTES
        found += [job.id for job in page]
        before, pages = found[-1], pages + 1
    assert found == sorted(ids, reverse=True)
    assert pages == 2
    assert store.going_on([*ids, "nothing"]) == set(ids)


def test_a_job_that_is_to_be_cancelled_is_not_put_back(database: Database) -> None:
    job_id = new_job(database)
    claim = queue(database).claim("w")
    assert claim is not None
    JobStore(database).cancel(ME, job_id)
    queue(database).release(claim, waiting_for="room", seconds=5)
    assert JobStore(database).get(ME, job_id).state is State.CANCELLED


def test_a_clock_that_is_put_back_delays_no_job(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    new_job(database)
    for seconds in (0.0, 5.0):
        claim = queue(database).claim("w")
        assert claim is not None
        queue(database).release(claim, seconds=seconds)
        now = time.time() - 7 * 86_400 if seconds else time.time() - 60
        with monkeypatch.context() as patch:
            patch.setattr("service.store.queue.time.time", lambda now=now: now)
            again = queue(database).claim("w")
        assert again is not None
        queue(database).release(again)


def test_pages_are_newest_first_and_filtered(database: Database) -> None:
    store = JobStore(database)
    ids = [new_job(database) for _ in range(7)]
    store.cancel(ME, ids[3])
    found, before = [], None
    more = True
    while more:
        page, more = store.page(ME, (), 3, before)
        found += [job.id for job in page]
        before = found[-1]
    assert sorted(found, reverse=True) == found
    assert set(found) == set(ids)
    assert [job.id for job in store.page(ME, {State.CANCELLED}, 10, None)[0]] == [ids[3]]


def test_only_a_job_that_has_ended_can_be_deleted(database: Database) -> None:
    store, job_id = JobStore(database), new_job(database)
    with pytest.raises(PreconditionError, match="is queued; cancel it first"):
        store.delete(ME, job_id)
    store.cancel(ME, job_id)
    store.delete(ME, job_id)
    assert store.events(job_id, 0) == []
    with pytest.raises(NotFoundError):
        store.get(ME, job_id)


def test_events_are_numbered_and_old_ones_are_dropped(database: Database) -> None:
    job_id = new_job(database)
    own, store = queue(database), JobStore(database)
    claim = own.claim("w")
    assert claim is not None
    for i in range(KEPT[EventKind.PROGRESS] + 20):
        own.progress(claim, str(i).encode())
    for i in range(3):
        own.event(claim, EventKind.PREVIEW, str(i).encode())
    own.finish(claim, b"r", "bb", [b"one", b"two"])
    events = store.events(job_id, 0, limit=10_000)
    numbers = [event.sequence for event in events]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == store.get(ME, job_id).sequence
    kinds = [event.kind for event in events]
    assert kinds.count(EventKind.PROGRESS) <= KEPT[EventKind.PROGRESS]
    assert [event.payload for event in events if event.kind is EventKind.PREVIEW] == [b"2"]
    assert [event.payload for event in events if event.kind is EventKind.LAYER] == [b"one", b"two"]
    assert kinds[-1] is EventKind.STATE
    told = [StateChange.from_bytes(event.payload) for event in events if event.kind is EventKind.STATE]
    assert told == [StateChange(State.QUEUED, 0), StateChange(State.RUNNING, 1), StateChange(State.DONE, 1)]
    assert store.events(job_id, numbers[-2]) == events[-1:]


def test_moves_between_states() -> None:
    allowed = {(old, new) for old in State for new in State if _moves(old, new)}
    assert allowed == {
        (State.QUEUED, State.RUNNING),
        (State.QUEUED, State.CANCELLED),
        (State.QUEUED, State.FAILED),
        (State.RUNNING, State.QUEUED),
        (State.RUNNING, State.DONE),
        (State.RUNNING, State.FAILED),
        (State.RUNNING, State.CANCELLED),
    }


def _moves(old: State, new: State) -> bool:
    try:
        check_move(old, new)
    except PreconditionError:
        return False
    return True
