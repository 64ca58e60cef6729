"""Telling many watchers about jobs with few questions to the database."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from inr.errors import NotFoundError, StorageError
from service.jobs import JobEvent
from service.store.jobs import JobStore

POLL_SECONDS = 0.1
RECENT = 64
"""Events of a job that are kept for its watchers; those further behind read the database."""


@dataclass(eq=False)
class _Watched:
    """A job that somebody watches."""

    sequence: int
    watchers: int = 0
    gone: bool = False
    recent: deque[JobEvent] = field(default_factory=lambda: deque(maxlen=RECENT))
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Watching:
    """One loop that asks for news of all watched jobs at once.

    A watcher takes events when it can: a slow one gets those that are still kept by then, and holds up nobody.

    Args:
        store: has the events.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._watched: dict[str, _Watched] = {}

    async def events(self, job_id: str, after: int) -> AsyncIterator[list[JobEvent]]:
        """Events of a job after one of them, in order, as they come; ends only when the caller does.

        Raises:
            NotFoundError: the job was deleted meanwhile.
        """
        watched = self._watched.setdefault(job_id, _Watched(after))
        watched.watchers += 1
        try:
            while True:
                changed = watched.changed
                events = await self._after(job_id, watched, after)
                if events:
                    after = events[-1].sequence
                    yield events
                elif watched.gone:
                    raise NotFoundError(f"job {job_id} was deleted")
                else:
                    await changed.wait()
        finally:
            watched.watchers -= 1
            if watched.watchers == 0:
                self._watched.pop(job_id, None)

    async def run(self) -> None:
        """Ask for news until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(StorageError):
                await self._look()

    async def _look(self) -> None:
        ids = list(self._watched)
        if not ids:
            return
        found = await asyncio.to_thread(self._store.sequences, ids)
        for job_id in ids:  # not those whose watch began meanwhile
            watched = self._watched.get(job_id)
            if watched is None:
                continue
            sequence = found.get(job_id)
            watched.gone = sequence is None
            if sequence is not None and sequence <= watched.sequence:
                continue
            events = await asyncio.to_thread(self._store.events, job_id, watched.sequence)
            watched.recent.extend(events)
            watched.sequence = events[-1].sequence if events else sequence or watched.sequence
            watched.changed.set()
            watched.changed = asyncio.Event()

    async def _after(self, job_id: str, watched: _Watched, after: int) -> list[JobEvent]:
        recent = watched.recent
        if recent and recent[0].sequence <= after + 1:
            return [event for event in recent if event.sequence > after]
        return await asyncio.to_thread(self._store.events, job_id, after)
