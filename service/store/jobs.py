"""Jobs in the database: made, listed, cancelled, forgotten. What workers do to them is in `queue`."""

import itertools
import secrets
import time
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.exc import IntegrityError

from inr.errors import NotFoundError, PreconditionError, QuotaExceededError, RequestError
from service.config import Quota
from service.jobs import ACTIVE, ENDED, EventKind, Failure, Job, JobEvent, State, StateChange
from service.store import database as tables
from service.store.database import Database, batched, events, jobs, references

PAGE_BYTES = 4 * 2**20
"""Of the requests of a page of jobs, about; a message has room for twice as many."""
MESSAGE_CHARACTERS = 2000
"""Of a failure, at most."""
SHOWN_ALIKE = 3
"""Of the jobs whose ids begin alike, the newest, in a message."""
KEPT = {EventKind.PROGRESS: 200, EventKind.STATE: 10_000}
"""How far back a job keeps events for those who come late, by their numbers; of previews only the last is kept."""


class JobStore:
    """What clients do to jobs.

    Every method raises `StorageError` if the database cannot be used, and `NotFoundError` for a job that is not there
    or not the tenant's.

    Args:
        database: with its tables made.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def create(self, tenant: str, fit: bytes, blobs: Collection[str], request_id: str | None, quota: Quota) -> Job:
        """Add a job to the queue, or find the one that this request made before.

        Args:
            tenant: whose it is.
            fit: what to do.
            blobs: SHA-256 of the blobs that it needs; noted as used, so that none is swept.
            request_id: of the client, or None.
            quota: of the tenant.

        Raises:
            NotFoundError: a blob is not there.
            QuotaExceededError: the tenant has as many jobs as it may.
        """
        try:
            with self._db.write() as connection:
                known = None if request_id is None else _by_request(connection, tenant, request_id)
                if known is not None:
                    return known
                _check_quota(connection, tenant, quota)
                return _insert(connection, tenant, fit, blobs, request_id)
        except Exception as error:  # the same request at the same moment, on another server
            if request_id is not None and isinstance(error.__cause__, IntegrityError):
                with self._db.read() as connection:
                    known = _by_request(connection, tenant, request_id)
                    if known is not None:
                        return known
            raise

    def get(self, tenant: str, job_id: str) -> Job:
        """A job of a tenant."""
        with self._db.read() as connection:
            return _owned(connection, tenant, job_id)

    def find(self, tenant: str, beginning: str) -> Job:
        """The one job of a tenant whose id begins like this; raises `RequestError` if several do."""
        # As a range, which the index knows: every digit of an id is less than "g".
        alike = sa.and_(jobs.c.tenant == tenant, jobs.c.id >= beginning, jobs.c.id < f"{beginning}g")
        query = sa.select(jobs.c.id).where(alike).order_by(jobs.c.id.desc()).limit(SHOWN_ALIKE + 1)
        with self._db.read() as connection:
            found = list(connection.execute(query).scalars())
            if len(found) == 1:
                return _owned(connection, tenant, found[0])
        if not found:
            raise NotFoundError(f"there is no job {beginning!r:.60}")
        more = ", ..." if len(found) > SHOWN_ALIKE else ""
        raise RequestError(
            f"id: several jobs begin with {beginning!r}: {', '.join(found[:SHOWN_ALIKE])}{more}; give more digits",
            field="id",
        )

    def page(self, tenant: str, states: Collection[State], limit: int, before: str | None) -> tuple[list[Job], bool]:
        """Jobs of a tenant, newest first, fewer if they are large together; and whether there are more.

        Args:
            tenant: whose.
            states: only these; all if empty.
            limit: at most so many.
            before: only jobs made before this one, by id.
        """
        sizes = sa.select(jobs.c.id, sa.func.length(jobs.c.fit).label("size"))
        query = sizes.where(jobs.c.tenant == tenant).order_by(jobs.c.id.desc()).limit(limit + 1)
        if states:
            query = query.where(jobs.c.state.in_([int(state) for state in states]))
        if before is not None:
            query = query.where(jobs.c.id < before)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
            sums = itertools.accumulate(row.size for row in rows)
            chosen = [row.id for row, total in zip(rows, sums, strict=True) if total <= PAGE_BYTES + row.size][:limit]
            found = sa.select(jobs).where(jobs.c.id.in_(chosen)).order_by(jobs.c.id.desc())
            return [job_of(row) for row in connection.execute(found).mappings()], len(rows) > len(chosen)

    def cancel(self, tenant: str, job_id: str) -> Job:
        """Ask a job to stop: one that waits stops at once, one that has ended stays as it is."""
        with self._db.write() as connection:
            job = _owned(connection, tenant, job_id, lock=True)
            if job.state == State.QUEUED:
                end(connection, job.id, State.CANCELLED)
            elif job.state == State.RUNNING and not job.cancel_requested:
                connection.execute(jobs.update().where(jobs.c.id == job_id).values(cancel_requested=True))
            return _owned(connection, tenant, job_id)

    def delete(self, tenant: str, job_id: str) -> None:
        """Forget a job; raises `PreconditionError` if it has not ended."""
        with self._db.write() as connection:
            job = _owned(connection, tenant, job_id, lock=True)
            if job.state not in ENDED:
                raise PreconditionError(f"job {job_id} is {job.state.name.lower()}; cancel it first")
            connection.execute(events.delete().where(events.c.job == job_id))
            connection.execute(references.delete().where(references.c.job == job_id))
            connection.execute(jobs.delete().where(jobs.c.id == job_id))

    def events(self, job_id: str, after: int, limit: int = 256) -> list[JobEvent]:
        """What happened to a job after an event, in order."""
        query = (
            sa.select(events)
            .where(events.c.job == job_id, events.c.sequence > after)
            .order_by(events.c.sequence)
            .limit(limit)
        )
        with self._db.read() as connection:
            return [
                JobEvent(row["sequence"], row["time"], EventKind(row["kind"]), row["payload"])
                for row in connection.execute(query).mappings()
            ]

    def sequences(self, ids: Sequence[str]) -> dict[str, int]:
        """Number of the last event of each of these jobs; jobs that are gone are left out."""
        query = sa.select(jobs.c.id, jobs.c.sequence).where(jobs.c.id.in_(ids))
        with self._db.read() as connection:
            return {row.id: row.sequence for row in connection.execute(query)}

    def going_on(self, ids: Collection[str]) -> set[str]:
        """Those of these jobs that exist and have not ended."""
        active = [int(state) for state in ACTIVE]
        found: set[str] = set()
        with self._db.read() as connection:
            for some in batched(ids):
                query = sa.select(jobs.c.id).where(jobs.c.id.in_(some), jobs.c.state.in_(active))
                found |= set(connection.execute(query).scalars())
        return found

    def counts(self) -> dict[State, int]:
        """Jobs of all tenants in each state."""
        query = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        with self._db.read() as connection:
            found = {State(state): int(count) for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in State}


def job_of(row: RowMapping) -> Job:
    """A row of the table."""
    failure = None if row["failure_code"] is None else Failure(row["failure_code"], row["failure_message"] or "")
    return Job(
        id=row["id"],
        tenant=row["tenant"],
        fit=row["fit"],
        state=State(row["state"]),
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        attempts=row["attempts"],
        fence=row["fence"],
        progress=row["progress"],
        result=row["result"],
        failure=failure,
        waiting_for=row["waiting_for"],
        cancel_requested=row["cancel_requested"],
        sequence=row["sequence"],
    )


def end(connection: Connection, job_id: str, state: State, **values: Any) -> None:
    """Bring a job to its end, and tell."""
    changes = {"state": int(state), "ended": time.time(), "owner": None, "lease_until": None, "waiting_for": ""}
    connection.execute(jobs.update().where(jobs.c.id == job_id).values(**changes, **values))
    tell_state(connection, job_id)


def tell_state(connection: Connection, job_id: str) -> None:
    """Add the event of the state that a job has just entered."""
    row = connection.execute(sa.select(jobs.c.state, jobs.c.attempts).where(jobs.c.id == job_id)).one()
    add_event(connection, job_id, EventKind.STATE, StateChange(State(row.state), row.attempts).to_bytes())


def add_event(connection: Connection, job_id: str, kind: EventKind, payload: bytes) -> None:
    """Add an event, and drop those that it makes useless."""
    taken = jobs.update().where(jobs.c.id == job_id).values(sequence=jobs.c.sequence + 1).returning(jobs.c.sequence)
    sequence = connection.execute(taken).scalar_one()
    values = {"job": job_id, "sequence": sequence, "time": time.time(), "kind": int(kind), "payload": payload}
    connection.execute(events.insert().values(**values))
    of_kind = sa.and_(events.c.job == job_id, events.c.kind == int(kind))
    if kind == EventKind.PREVIEW:
        connection.execute(events.delete().where(of_kind, events.c.sequence < sequence))
    elif kind in KEPT:
        connection.execute(events.delete().where(of_kind, events.c.sequence <= sequence - KEPT[kind]))


def _insert(connection: Connection, tenant: str, fit: bytes, blobs: Collection[str], request_id: str | None) -> Job:
    now = time.time()
    # Ids sort by time, so that a page is a range of the primary key.
    job_id = f"{int(now * 1000):011x}{secrets.token_hex(8)}"
    values = {"id": job_id, "tenant": tenant, "request_id": request_id, "fit": fit, "created": now}
    connection.execute(jobs.insert().values(**values, state=int(State.QUEUED)))
    _use(connection, tenant, set(blobs))
    if blobs:
        connection.execute(references.insert(), [{"job": job_id, "sha256": sha256} for sha256 in set(blobs)])
    tell_state(connection, job_id)
    return _owned(connection, tenant, job_id)


def _use(connection: Connection, tenant: str, hashes: set[str]) -> None:
    """Note that blobs are in use; raises `NotFoundError` if one was removed meanwhile."""
    for some in batched(hashes):
        mine = tables.blobs.update().where(tables.blobs.c.tenant == tenant, tables.blobs.c.sha256.in_(some))
        if connection.execute(mine.values(used=time.time())).rowcount != len(some):
            raise NotFoundError("a blob of the job is not there any more; upload it again")


def _check_quota(connection: Connection, tenant: str, quota: Quota) -> None:
    active = jobs.c.state.in_([int(state) for state in ACTIVE])
    counts = sa.select(sa.func.count(), sa.func.count().filter(active)).where(jobs.c.tenant == tenant)
    kept, running = connection.execute(counts).one()
    if running >= quota.active_jobs:
        raise QuotaExceededError(f"jobs: {running} wait or run; {quota.active_jobs} are allowed", retry_after=10.0)
    if kept >= quota.kept_jobs:
        raise QuotaExceededError(f"jobs: {kept} are kept; {quota.kept_jobs} are allowed: delete some that have ended")


def _by_request(connection: Connection, tenant: str, request_id: str) -> Job | None:
    query = sa.select(jobs).where(jobs.c.tenant == tenant, jobs.c.request_id == request_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else job_of(row)


def _owned(connection: Connection, tenant: str, job_id: str, lock: bool = False) -> Job:
    query = sa.select(jobs).where(jobs.c.id == job_id, jobs.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"there is no job {job_id!r:.60}")
    return job_of(row)
