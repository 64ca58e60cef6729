"""A job in steps that can run anywhere: its first part, each of the others, and joining them into the file.

A job of one part is done after the first step. Every step holds the job while it runs and hears of its cancellation.
"""

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from inr.codec.encode import FittedPart, check_count, compress_parts, fit_part, join_parts, shared_of
from inr.fitting.events import CheckpointSaved, Event, Progress
from inr.native import limit_threads
from service.config import ServerConfig
from service.store.blobs import BlobStore
from service.store.database import database_of
from service.store.queue import Claim, Queue
from service.workers.channel import owner_of
from service.workers.job_runner import JobRunner, Teller
from service.workers.lease import Lease
from service.workers.part_news import PartNews

Step = tuple[PartNews | None, FittedPart | None]
"""News for whoever drives the job, None if there is nothing to follow; and the part."""


class Steps:
    """The steps of one job.

    Args:
        config: of the server.
        queue: where the job is from.
        blobs: sources and results.
        claim: the job.
    """

    def __init__(self, config: ServerConfig, queue: Queue, blobs: BlobStore, claim: Claim) -> None:
        self._queue, self._claim = queue, claim
        self._runner = JobRunner(config, queue, blobs, threading.Event())

    def first(self) -> Step:
        """Do the whole job if it has one part, else its first part, which decides the model of all."""
        return self._runner.hold(self._claim, self._first) or (None, None)

    def other(self, lengths: tuple[int, ...], number: int, first: FittedPart) -> Step:
        """Fit one of the other parts; done again after a loss, it goes on from its checkpoint."""

        def work(lease: Lease, folder: Path) -> Step:
            hooks = replace(self._runner.hooks(lease, folder, self._checkpoint_told), previews=False)
            with self._runner.opened(self._claim, folder) as (parts, spec):
                part = fit_part(parts.signals[number], spec, lengths, number, shared_of(first), hooks)
            return _news(lengths, part), part

        return self._runner.hold(self._claim, work) or (None, None)

    def join(self, lengths: tuple[int, ...], began: float, parts: list[FittedPart]) -> None:
        """Store the file of all parts, which ends the job; `began` is the time at which it was taken."""

        def work(lease: Lease, folder: Path) -> None:
            elapsed = time.time() - began
            compressed = join_parts(lengths, parts, time.perf_counter() - elapsed)
            self._runner.store(self._claim, compressed, folder)

        self._runner.hold(self._claim, work)

    def _first(self, lease: Lease, folder: Path) -> Step:
        runner, claim = self._runner, self._claim
        runner.take_over(claim, folder)
        tell = Teller(self._queue, claim)
        with runner.opened(claim, folder) as (parts, spec):
            lengths = parts.lengths
            check_count(len(lengths))
            hooks = runner.hooks(lease, folder, tell if len(lengths) == 1 else _of_whole(tell, len(lengths)))
            if len(lengths) > 1:
                part = fit_part(parts.signals[0], spec, lengths, 0, None, hooks)
                return _news(lengths, part), part
            compressed = compress_parts(parts, spec, hooks)
        runner.store(claim, compressed, folder)
        return None, None

    def _checkpoint_told(self, event: Event) -> None:
        """Parts that run side by side tell nothing else: points of several fits would alternate."""
        if isinstance(event, CheckpointSaved):
            Teller(self._queue, self._claim)(event)


def _of_whole(tell: Teller, count: int) -> Callable[[Event], None]:
    """Tell the share of the whole job, of which a fit is but one part."""

    def told(event: Event) -> None:
        tell(replace(event, share=event.share / count) if isinstance(event, Progress) else event)

    return told


def _news(lengths: tuple[int, ...], part: FittedPart) -> PartNews:
    samples = math.prod(part.signal.domain.shape)
    report = part.report
    bpp = 8 * sum(len(payload) for payload in part.payloads) / samples
    return PartNews(lengths, report.steps, report.curve[-1].psnr, bpp, owner_of(os.getpid()))


@contextlib.contextmanager
def steps(settings: str, claim: Claim) -> Iterator[Steps]:
    """The steps of a job, in a process that has only the settings of the server.

    Args:
        settings: JSON of a `ServerConfig`.
        claim: the job.
    """
    config = ServerConfig.from_json(settings)
    # As many as the node sets aside for it, and the same number on each, so that every node makes the same bits.
    threads = config.threads or max(1, int(config.ray_cpus))
    torch.set_num_threads(threads)
    limit_threads(threads)
    database = database_of(config)
    try:
        queue = Queue(database, config.lease_seconds, config.attempts)
        yield Steps(config, queue, BlobStore(database, config.blobs_url), claim)
    finally:
        database.close()
