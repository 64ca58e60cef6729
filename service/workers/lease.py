"""Holding a job: a thread says that the worker is alive, and hears whether to go on."""

import logging
import threading
import time
from enum import Enum
from types import TracebackType

from inr.errors import StorageError
from service.jobs import Verdict
from service.store.queue import Claim, Queue

_log = logging.getLogger(__name__)


class Stop(Enum):
    """Why a fit has to stop."""

    CANCEL = "cancel"
    """The client asked for it."""
    LOST = "lost"
    """Another worker has the job by now."""
    DRAIN = "drain"
    """This process is about to end."""
    TOO_LONG = "too long"
    """The tenant's time for a job is used up."""


class Lease:
    """A claim that is kept alive as long as the context lasts.

    A thread of its own, so that neither a long step nor a slow disk loses the job. When the database cannot be reached
    until the lease has run out, the job counts as lost.

    Args:
        queue: where the claim is from.
        claim: what to keep.
        seconds: length of the lease.
        drain: set when the process is to end.
        longest: seconds after which the job is stopped, or None.
    """

    def __init__(
        self, queue: Queue, claim: Claim, seconds: float, drain: threading.Event, longest: float | None = None
    ) -> None:
        self._queue, self._claim, self._seconds, self._drain = queue, claim, seconds, drain
        self._deadline = None if longest is None else time.monotonic() + longest
        self._verdict = Verdict.KEEP
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def stop(self) -> Stop | None:
        """Why to stop, or None to go on. Cheap: asked after every step."""
        if self._verdict == Verdict.LOST:
            return Stop.LOST
        if self._verdict == Verdict.CANCEL:
            return Stop.CANCEL
        if self._drain.is_set():
            return Stop.DRAIN
        if self._deadline is not None and time.monotonic() > self._deadline:
            return Stop.TOO_LONG
        return None

    def _keep(self) -> None:
        heard = time.monotonic()
        # A second at most, so that a cancellation is heard soon.
        while not self._done.wait(min(self._seconds / 3, 1.0)):
            try:
                self._verdict = self._queue.heartbeat(self._claim)
                heard = time.monotonic()
            except StorageError as error:
                _log.warning("cannot renew the lease of job %s: %s", self._claim.job.id, error)
                if time.monotonic() - heard > self._seconds:
                    self._verdict = Verdict.LOST
            if self._verdict == Verdict.LOST:
                return
