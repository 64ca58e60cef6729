"""Jobs on a Ray cluster: which steps they are in, and what becomes of them when tasks end or nodes die.

Every part of a signal is a task, and no task waits for another one: what follows is started here when it is ready. So
nothing holds CPUs or GPUs that does not use them, and any number of jobs gets done on any number of nodes.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import ray

from inr.errors import SpecError, StorageError
from inr.rpc.v1 import job_pb2
from service.config import ServerConfig
from service.jobs import Failure, Verdict
from service.store.queue import Claim, LeaseLostError, Queue
from service.workers.channel import owner_of
from service.workers.part_news import PartNews
from service.workers.ray_tasks import first_part, joined, other_part

GRACE_SECONDS = 5.0
"""For a task to notice that its job is not its own any more, before its process is killed."""

_log = logging.getLogger(__name__)

Ref = Any
"""A `ray.ObjectRef`."""


class Cluster:
    """What the cluster has room for.

    Args:
        cpus: that a task asks for.
        gpus: that a task asks for: a share of one, or whole ones.
    """

    def __init__(self, cpus: float, gpus: float) -> None:
        self.cpus, self.gpus = cpus, gpus

    def check(self) -> None:
        """Raise `SpecError` if no node that there is could run a task, however long it waited."""
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise SpecError(f"ray-gpus: takes a share of one GPU or whole GPUs; got {self.gpus:g}")
        if self.room():
            return
        cpus, gpus = max(map(_has, _nodes()), default=(0.0, 0.0))
        asked = f"a job asks for {self.cpus:g} CPU(s) and {self.gpus:g} GPU(s)"
        raise SpecError(f"ray: {asked}; no node has as much, the largest has {cpus:g} and {gpus:g}")

    def room(self) -> int:
        """Tasks that can run at the same time."""
        return sum(self._fit(*_has(node)) for node in _nodes())

    @staticmethod
    def hosts() -> int:
        """Machines, as far as addresses tell."""
        return len({node["NodeManagerAddress"] for node in _nodes()})

    def _fit(self, cpus: float, gpus: float) -> int:
        by_cpu = int(cpus / self.cpus + 1e-6)
        if not self.gpus:
            return by_cpu
        # A share never spans two GPUs.
        by_gpu = int(gpus) * int(1 / self.gpus + 1e-6) if self.gpus < 1 else int(gpus / self.gpus)
        return min(by_cpu, by_gpu)


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _has(node: dict[str, Any]) -> tuple[float, float]:
    """CPUs and GPUs of a node."""
    return node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0)


@dataclass(eq=False)
class _Held:
    """A job that this process holds.

    Attributes:
        claim: on it.
        owner: name of the holder in the database.
        job: reference to the job, for all its tasks.
        since: time at which it was taken, seconds since 1970.
        running: tasks that have not ended; what they tell.
        parts: results in order; those of the others are added when the first has told how many there are.
        lengths: of the parts, when they are known.
        lost: moment at which this process stopped to hold it, whatever the reason, or None.
        died: a task died, and the job begins anew when all others are gone.
        cancelled: the client asked for it.
        heard: moment of the last heartbeat.
    """

    claim: Claim
    owner: str
    job: Ref
    since: float
    running: list[Ref] = field(default_factory=list)
    parts: list[Ref] = field(default_factory=list)
    lengths: tuple[int, ...] = ()
    lost: float | None = None
    died: bool = False
    cancelled: bool = False
    heard: float = 0.0


class RayJobs:
    """Keeps as many tasks on the cluster as it has room for.

    Args:
        config: of the server.
        queue: where jobs are from.
        cluster: where tasks run.
    """

    def __init__(self, config: ServerConfig, queue: Queue, cluster: Cluster) -> None:
        self._config, self._queue, self._cluster = config, queue, cluster
        self._settings = config.to_json()
        # The node of a first part is not made good by Ray but through the queue, which counts and tells it.
        self._first = self._task(first_part, 0, config.ray_gpus, 2)
        self._other = self._task(other_part, config.attempts - 1, config.ray_gpus, 2)
        self._join = self._task(joined, config.attempts - 1, 0.0, 1)
        self._held: list[_Held] = []
        self._taken = 0

    def turn(self) -> None:
        """Clear away what ended and start what follows, keep what runs, take what there is room for."""
        for held, ref in self._ended():
            held.running.remove(ref)
            self._go_on(held, ref)
        for held in self._held:
            self._keep(held)
        for held in [held for held in self._held if not held.running]:
            self._held.remove(held)
            self._bury(held)
        room = self._cluster.room()
        while sum(len(held.running) for held in self._held) < room and self._take():
            pass

    def stop(self, deadline: float) -> None:
        """Put all jobs back: their tasks notice it, save what they have and end.

        Args:
            deadline: moment on the monotonic clock until which to wait for them.
        """
        for held in self._held:
            with suppress(LeaseLostError, StorageError):
                self._queue.release(held.claim)
        refs = [ref for held in self._held for ref in held.running]
        if refs:
            ray.wait(refs, num_returns=len(refs), timeout=max(0.0, deadline - time.monotonic()))

    def _task(self, function: Any, retries: int, gpus: float, results: int) -> Any:
        options = {"num_cpus": self._cluster.cpus, "num_gpus": gpus, "max_retries": retries, "num_returns": results}
        return ray.remote(**options)(function)

    def _ended(self) -> list[tuple[_Held, Ref]]:
        """Tasks that have ended since the last look, and whose they are."""
        whose = {ref: held for held in self._held for ref in held.running}
        if not whose:
            return []
        ended, _ = ray.wait(list(whose), num_returns=len(whose), timeout=0, fetch_local=False)
        return [(whose[ref], ref) for ref in ended]

    def _take(self) -> bool:
        """Take a job; False if there is none."""
        owner = f"{owner_of(os.getpid())}/{self._taken}"
        claim = self._queue.claim(owner)
        if claim is None:
            return False
        self._taken += 1
        _log.info("job %s: attempt %d", claim.job.id, claim.job.attempts + 1)
        held = _Held(claim, owner, ray.put(claim.job), time.time(), heard=time.monotonic())
        self._held.append(held)
        news, part = self._first.remote(self._settings, held.job, claim.fence)
        held.running, held.parts = [news], [part]
        return True

    def _go_on(self, held: _Held, ref: Ref) -> None:
        """A task ended: start what follows."""
        try:
            news: PartNews | None = ray.get(ref)
        except ray.exceptions.RayError as error:
            if held.lost is None:
                reason = " ".join(str(error).split())[:300]
                _log.warning("job %s: a task was lost: %s: %s", held.claim.job.id, type(error).__name__, reason)
                held.died = True
                self._lose(held)
                self._kill(held)  # they would keep the lease alive
            return
        if held.lost is not None:
            return
        if news is None:  # the job has ended, or was put back
            self._lose(held)
        elif not held.lengths:
            self._spread(held, news)
        else:
            self._tell(held, news)
        if held.lengths and not held.running and held.lost is None:
            arguments = self._settings, held.job, held.claim.fence, held.lengths, held.since
            held.running = [self._join.remote(*arguments, *held.parts)]

    def _spread(self, held: _Held, news: PartNews) -> None:
        """All parts but the first at once, wherever there is room."""
        held.lengths = news.lengths
        _log.info("job %s: %d parts", held.claim.job.id, len(news.lengths))
        for number in range(1, len(news.lengths)):
            arguments = self._settings, held.job, held.claim.fence, news.lengths, number
            told, part = self._other.remote(*arguments, held.parts[0])
            held.running.append(told)
            held.parts.append(part)
        self._tell(held, news)

    def _tell(self, held: _Held, news: PartNews) -> None:
        """One more part is done."""
        _log.info("job %s: a part was done by %s", held.claim.job.id, news.worker)
        share = 1 - len(held.running) / len(held.lengths)
        left = (time.time() - held.since) * (1 / share - 1)
        message = job_pb2.Progress(step=news.steps, share=share, psnr=news.psnr, bpp=news.bpp, seconds_left=left)
        with self._lost_at_worst(held):
            self._queue.progress(held.claim, message.SerializeToString())

    def _keep(self, held: _Held) -> None:
        """Keep a job, also while its tasks wait for their turn on a node; and see whether it is to stop."""
        now = time.monotonic()
        if held.lost is not None:
            if now - held.lost > GRACE_SECONDS:
                self._kill(held)
            return
        if now - held.heard < min(self._config.lease_seconds / 3, 1.0):
            return
        held.heard = now
        with self._lost_at_worst(held):
            verdict = self._queue.heartbeat(held.claim)
            limit = self._config.quota.job_seconds
            if verdict is Verdict.LOST:
                self._lose(held)
            elif verdict is Verdict.CANCEL:
                held.cancelled = True
                self._queue.cancelled(held.claim)
                self._lose(held)
            elif time.time() - held.since > limit:
                self._queue.fail(held.claim, Failure("quota_exceeded", f"the job took longer than {limit:g} s"))
                self._lose(held)

    @contextmanager
    def _lost_at_worst(self, held: _Held) -> Iterator[None]:
        try:
            yield
        except LeaseLostError:
            self._lose(held)
        except StorageError as error:
            _log.warning("job %s: %s", held.claim.job.id, error)

    @staticmethod
    def _lose(held: _Held) -> None:
        """Stop to hold a job: its tasks notice within a second; those that wait for their turn do not."""
        held.lost = time.monotonic()

    @staticmethod
    def _kill(held: _Held) -> None:
        for ref in held.running:
            ray.cancel(ref, force=True)

    def _bury(self, held: _Held) -> None:
        """The last task of a job has ended."""
        if held.died:
            with suppress(StorageError):  # then the lease runs out by itself
                self._queue.died(held.owner)
        if held.cancelled:
            shutil.rmtree(self._config.data / "checkpoints" / held.claim.job.id, ignore_errors=True)
