"""The queue: jobs leased to workers, with a fencing token in every write.

A worker takes the oldest job that waits, or one whose lease ran out because its worker died. Taking it raises the job's
fence; whoever held it before has a smaller number, so nothing that it still writes is accepted. A job is given up
after so many deaths in a row without a new checkpoint.
"""

import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from service.jobs import EventKind, Failure, Job, State, Verdict, check_move
from service.store.database import Database, jobs, references
from service.store.jobs import MESSAGE_CHARACTERS, add_event, end, job_of, tell_state

LONGEST_WAIT = 3600.0
"""Seconds that a job waits for what is missing, at most."""


class LeaseLostError(RuntimeError):
    """The job belongs to another worker by now; never leaves the worker."""


@dataclass(frozen=True)
class Claim:
    """A job that a worker holds.

    Attributes:
        job: as it was when it was taken.
        fence: goes with every write.
    """

    job: Job
    fence: int


class Queue:
    """What workers do to jobs. Methods that take a claim raise `LeaseLostError` if it is not valid any more.

    Args:
        database: with its tables made.
        lease_seconds: time for which a worker holds a job without saying that it is alive.
        attempts: deaths in a row after which a job is given up.
    """

    def __init__(self, database: Database, lease_seconds: float, attempts: int) -> None:
        self._db, self._lease, self._attempts = database, lease_seconds, attempts

    def claim(self, owner: str) -> Claim | None:
        """Take the next job, or None if there is none."""
        while True:
            with self._db.write() as connection:
                now = time.time()
                row = connection.execute(_next(now)).mappings().one_or_none()
                if row is None:
                    return None
                job = job_of(row)
                if self._given_up(connection, row):
                    continue
                fence = job.fence + 1
                values = {
                    "state": int(State.RUNNING),
                    "owner": owner,
                    "lease_until": now + self._lease,
                    "fence": fence,
                    "attempts": job.attempts + 1,
                    "deaths": row["deaths"] + int(job.state == State.RUNNING),
                    "started": job.started or now,
                    "waiting_for": "",
                }
                connection.execute(jobs.update().where(jobs.c.id == job.id).values(**values))
                tell_state(connection, job.id)
                return Claim(job, fence)

    def _given_up(self, connection: Connection, row: RowMapping) -> bool:
        """Deal with a job that should not be taken although it could be; True if it was one."""
        if row["state"] != State.RUNNING:
            return False
        if row["cancel_requested"]:
            end(connection, row["id"], State.CANCELLED)
            return True
        deaths = row["deaths"] + 1
        if deaths < self._attempts:
            return False
        message = f"its worker died {deaths} times in a row without getting further; it is not tried again"
        end(connection, row["id"], State.FAILED, failure_code="quarantined", failure_message=message)
        return True

    def heartbeat(self, claim: Claim) -> Verdict:
        """Keep a job for another lease; says whether to go on."""
        with self._db.write() as connection:
            mine = jobs.update().where(jobs.c.id == claim.job.id, jobs.c.fence == claim.fence)
            kept = mine.where(jobs.c.state == int(State.RUNNING)).values(lease_until=time.time() + self._lease)
            row = connection.execute(kept.returning(jobs.c.cancel_requested)).one_or_none()
        if row is None:
            return Verdict.LOST
        return Verdict.CANCEL if row.cancel_requested else Verdict.KEEP

    def progress(self, claim: Claim, payload: bytes) -> None:
        """Tell how far the fit is."""
        with self._db.write() as connection:
            _check(connection, claim)
            connection.execute(jobs.update().where(jobs.c.id == claim.job.id).values(progress=payload))
            add_event(connection, claim.job.id, EventKind.PROGRESS, payload)

    def event(self, claim: Claim, kind: EventKind, payload: bytes) -> None:
        """Tell something else."""
        with self._db.write() as connection:
            _check(connection, claim)
            add_event(connection, claim.job.id, kind, payload)

    def got_further(self, claim: Claim) -> None:
        """A checkpoint was written: deaths before it do not count any more."""
        with self._db.write() as connection:
            _check(connection, claim)
            connection.execute(jobs.update().where(jobs.c.id == claim.job.id).values(deaths=0))

    def finish(self, claim: Claim, result: bytes, sha256: str, layers: list[bytes]) -> None:
        """The file is there: its layers and the end of the job, all or nothing."""
        with self._db.write() as connection:
            self._moved(connection, claim, State.DONE)
            known = sa.select(references.c.job).where(references.c.job == claim.job.id, references.c.sha256 == sha256)
            if connection.execute(known).first() is None:
                connection.execute(references.insert().values(job=claim.job.id, sha256=sha256))
            for layer in layers:
                add_event(connection, claim.job.id, EventKind.LAYER, layer)
            end(connection, claim.job.id, State.DONE, result=result)

    def fail(self, claim: Claim, failure: Failure) -> None:
        """The job cannot be done."""
        with self._db.write() as connection:
            self._moved(connection, claim, State.FAILED)
            message = failure.message[:MESSAGE_CHARACTERS]
            end(connection, claim.job.id, State.FAILED, failure_code=failure.code, failure_message=message)

    def cancelled(self, claim: Claim) -> None:
        """The job stopped as it was asked to."""
        with self._db.write() as connection:
            self._moved(connection, claim, State.CANCELLED)
            end(connection, claim.job.id, State.CANCELLED)

    def release(self, claim: Claim, waiting_for: str = "", seconds: float = 0.0) -> None:
        """Put a job back: the worker stops, or something is missing for a while. One that is to be cancelled ends."""
        with self._db.write() as connection:
            self._moved(connection, claim, State.QUEUED)
            wanted = sa.select(jobs.c.cancel_requested).where(jobs.c.id == claim.job.id)
            if connection.execute(wanted).scalar_one():
                end(connection, claim.job.id, State.CANCELLED)
                return
            values = {
                "state": int(State.QUEUED),
                "owner": None,
                "lease_until": None,
                "not_before": time.time() + seconds if seconds else 0.0,
                "waiting_for": waiting_for[:1000],
            }
            connection.execute(jobs.update().where(jobs.c.id == claim.job.id).values(**values))
            tell_state(connection, claim.job.id)

    def owners(self) -> list[str]:
        """Workers that hold a job, as far as the database knows."""
        query = sa.select(jobs.c.owner).where(jobs.c.state == int(State.RUNNING), jobs.c.owner.is_not(None)).distinct()
        with self._db.read() as connection:
            return [row.owner for row in connection.execute(query)]

    def died(self, owner: str) -> None:
        """A worker is known to be dead: what it held need not wait for the end of its lease."""
        with self._db.write() as connection:
            held = jobs.update().where(jobs.c.owner == owner, jobs.c.state == int(State.RUNNING))
            connection.execute(held.values(lease_until=0.0))

    @staticmethod
    def _moved(connection: Connection, claim: Claim, new: State) -> None:
        check_move(_check(connection, claim), new)


def _next(now: float) -> sa.Select[tuple[object, ...]]:
    """The job to take: one whose worker died, else the oldest that waits."""
    due = sa.or_(jobs.c.not_before <= now, jobs.c.not_before > now + LONGEST_WAIT)  # the clock was put back
    waits = sa.and_(jobs.c.state == int(State.QUEUED), due)
    orphan = sa.and_(jobs.c.state == int(State.RUNNING), jobs.c.lease_until < now)
    query = sa.select(jobs).where(sa.or_(waits, orphan)).order_by(jobs.c.created, jobs.c.id).limit(1)
    return query.with_for_update(skip_locked=True)  # SQLite locks as a whole, and ignores it


def _check(connection: Connection, claim: Claim) -> State:
    """State of the job; raises `LeaseLostError` unless the claim is valid."""
    query = sa.select(jobs.c.state).where(jobs.c.id == claim.job.id, jobs.c.fence == claim.fence).with_for_update()
    state = connection.execute(query).scalar_one_or_none()
    if state != State.RUNNING:
        raise LeaseLostError(claim.job.id)
    return State.RUNNING
