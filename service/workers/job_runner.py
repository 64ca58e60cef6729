"""Running one job: fetch the source, fit with checkpoints, store the file, tell all about it."""

import contextlib
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from inr.codec.encode import Compressed, compress_parts
from inr.codec.info import describe
from inr.codec.load_save import load_parts
from inr.coders.request import CompressSpec
from inr.container.file import parse
from inr.errors import CheckpointError, FileAccessError, FitCancelledError, InrError, QuotaExceededError, StorageError
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.events import Event, Planned, Preview, Progress
from inr.fitting.run import Hooks
from inr.rpc.v1 import job_pb2
from inr.signals.image.png import encode_png
from inr.signals.kind import kind_for
from inr.signals.limits import at_most
from inr.signals.parts import Parts
from inr.signals.signal import Signal
from inr.text import printable
from service.convert import fit_request, layer_message, result_message, suffix_of
from service.jobs import EventKind, Failure, FitRequest
from service.store.blobs import BlobStore, storage
from service.store.database import RETRY_SECONDS
from service.store.queue import Claim, LeaseLostError, Queue
from service.workers.lease import Lease, Stop

if TYPE_CHECKING:
    from service.config import ServerConfig

_log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.2
"""Between two points of progress, at least."""
STORAGE_WAIT = 5.0
"""Seconds that a job waits after the server's disk or database failed."""
CHECKPOINT = "fit"

T = TypeVar("T")


class JobRunner:
    """Runs jobs that this process holds.

    Args:
        config: of the server.
        queue: where jobs are from.
        blobs: sources and results.
        drain: set when the process is to end.
    """

    def __init__(self, config: "ServerConfig", queue: Queue, blobs: BlobStore, drain: threading.Event) -> None:
        self._config, self._queue, self._blobs, self._drain = config, queue, blobs, drain

    def run(self, claim: Claim) -> None:
        """Run a job to its end, or put it back; never raises what is the job's fault."""
        self.hold(claim, lambda lease, folder: self._run(claim, lease, folder))

    def _run(self, claim: Claim, lease: Lease, folder: Path) -> None:
        self.take_over(claim, folder)
        with self.opened(claim, folder) as (parts, spec):
            whole = OfWhole(parts, Teller(self._queue, claim))
            compressed = compress_parts(replace(parts, signals=whole), spec, self.hooks(lease, folder, whole.tell))
        self.store(claim, compressed, folder)

    def hold(self, claim: Claim, work: Callable[[Lease, Path], T]) -> T | None:
        """Do work for a job with its lease kept alive; never raises what is the job's fault.

        Args:
            claim: the job.
            work: is given the lease and the folder of this attempt.

        Returns:
            What the work returns; None if it could not be done, and then the job has ended, is put back, or is lost.
        """
        with contextlib.suppress(LeaseLostError):
            longest = self._config.quota.job_seconds
            with Lease(self._queue, claim, self._config.lease_seconds, self._drain, longest) as lease:
                return self._guarded(claim, lease, work)
        return None

    def _guarded(self, claim: Claim, lease: Lease, work: Callable[[Lease, Path], T]) -> T | None:
        folder = self._config.data / "checkpoints" / claim.job.id / str(claim.fence)
        try:
            return work(lease, folder)
        except FitCancelledError:
            if not self._stopped(claim, lease):
                return None
        except (StorageError, FileAccessError) as error:  # a full disk, say: others can mend it, the job cannot
            self._put_back(claim, as_sent(str(error), folder, claim))
            return None
        except CheckpointError as error:
            _log.warning("job %s begins anew: %s", claim.job.id, error)
            shutil.rmtree(folder, ignore_errors=True)
            self._queue.release(claim)
            return None
        except InrError as error:
            self._queue.fail(claim, Failure(error.code, as_sent(str(error), folder, claim)))
        except MemoryError:
            self._queue.fail(claim, Failure("quota_exceeded", "there is not enough memory for this job"))
        shutil.rmtree(folder.parent, ignore_errors=True)  # the job has ended
        return None

    def _put_back(self, claim: Claim, reason: str) -> None:
        """Let a job wait; tried until it works, since a full disk may keep the database from being written, too."""
        while True:
            try:
                self._queue.release(claim, waiting_for=reason, seconds=STORAGE_WAIT)
                return
            except StorageError as error:
                _log.warning("cannot put job %s back: %s", claim.job.id, error)
                if self._drain.wait(RETRY_SECONDS):
                    return  # its lease runs out

    def _stopped(self, claim: Claim, lease: Lease) -> bool:
        """Tell why the fit stopped; True if that is the end of the job, so that its checkpoints are of no use."""
        if lease.stop is Stop.CANCEL:
            self._queue.cancelled(claim)
        elif lease.stop is Stop.TOO_LONG:
            limit = self._config.quota.job_seconds
            self._queue.fail(claim, Failure("quota_exceeded", f"the job took longer than {limit:g} s"))
        elif lease.stop is Stop.DRAIN:
            self._queue.release(claim)
        return lease.stop in (Stop.CANCEL, Stop.TOO_LONG)

    def hooks(self, lease: Lease, folder: Path, on_event: Callable[[Event], None]) -> Hooks:
        """What a job wants of its fits."""
        return Hooks(
            on_event=on_event,
            cancelled=lambda: lease.stop is not None,
            checkpoint=CheckpointPolicy(folder / CHECKPOINT, self._config.checkpoint_seconds),
            previews=True,
        )

    @contextlib.contextmanager
    def opened(self, claim: Claim, folder: Path) -> Iterator[tuple[Parts, CompressSpec]]:
        """The signal of a job and what is asked of it."""
        request = fit_request(job_pb2.Fit.FromString(claim.job.fit))
        limit = self._config.quota.job_samples
        with fetched_source(self._blobs, request, folder) as source, at_most(limit):  # known before pixels are read
            parts = load_parts(source, segment=request.segment, time=request.time, axes=request.axes)
            check_samples(parts.shape, limit)
            yield parts, CompressSpec.from_json(request.spec)

    def store(self, claim: Claim, compressed: Compressed, folder: Path) -> None:
        """Store the file of a job, which ends it."""
        path = folder / "result.inr"
        with storage("write the result"):
            path.write_bytes(compressed.data)
        sha256 = self._blobs.add(claim.job.tenant, path)
        layers = describe(parse(compressed.data), len(compressed.data)).layers
        result = result_message(compressed.report, sha256, layers).SerializeToString()
        self._queue.finish(claim, result, sha256, [layer_message(layer).SerializeToString() for layer in layers])
        shutil.rmtree(folder.parent, ignore_errors=True)

    @staticmethod
    def take_over(claim: Claim, folder: Path) -> None:
        """Make the folder of this attempt, with the newest checkpoints of those before it.

        Each attempt writes into a folder of its own: a worker that lost its job without knowing cannot spoil the
        checkpoint of the one that has it.
        """
        home = folder.parent
        with storage("make the folder of the checkpoint"):
            folder.mkdir(parents=True, exist_ok=True)
            earlier = sorted((int(path.name) for path in home.iterdir() if path.name.isdecimal()), reverse=True)
            for fence in earlier:
                for path in (home / str(fence)).iterdir() if fence < claim.fence else ():
                    if path.name.startswith(CHECKPOINT) and not (folder / path.name).exists():
                        copied = shutil.copy(path, folder / f"copy-of-{path.name}")
                        os.replace(copied, folder / path.name)  # so that a worker that dies leaves no half of one
            for fence in earlier:
                if fence < claim.fence - 1:
                    shutil.rmtree(home / str(fence), ignore_errors=True)


@contextlib.contextmanager
def fetched_source(blobs: BlobStore, request: FitRequest, folder: Path) -> Iterator[Path]:
    """The source as a file, or as a folder of frames, under names that the server chose."""
    with contextlib.ExitStack() as stack:
        with storage("make the folder of the source"):
            inside = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="source-", dir=folder)))
        for i, file in enumerate(request.files):
            name = f"{i:06d}{suffix_of(file.name)}"
            path = stack.enter_context(blobs.fetched(file.sha256, inside, name))
        yield inside if request.frames else path


def as_sent(message: str, folder: Path, claim: Claim) -> str:
    """A message with the client's names for its files instead of the server's paths."""
    files = job_pb2.Fit.FromString(claim.job.fit).files

    def name(match: re.Match[str]) -> str:
        sent = files[int(match[1])].name if match[1] else ""
        return printable(sent) or "the source"

    pattern = re.escape(str(folder)) + r"/source-[^/\s]+(?:/(\d{6})(?:\.\w+)?)?"
    return re.sub(pattern, name, message).replace(str(folder), "the job's folder")


class Teller:
    """Turns the events of a fit into those of its job."""

    def __init__(self, queue: Queue, claim: Claim) -> None:
        self._queue, self._claim = queue, claim
        self._told, self._bpp = 0.0, 0.0

    def __call__(self, event: Event) -> None:
        """Tell an event; what cannot be told is left out, since the fit matters more."""
        try:
            if isinstance(event, Planned):
                self._bpp = 8 * (event.bytes or 0) / event.samples
            elif isinstance(event, Progress):
                self._progress(event)
            elif isinstance(event, Preview):
                self._preview(event)
            elif event.further:  # a checkpoint, beyond the one that this worker went on from
                self._queue.got_further(self._claim)
        except StorageError as error:
            _log.warning("cannot tell about job %s: %s", self._claim.job.id, error)

    def _progress(self, event: Progress) -> None:
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS and event.share < 1:
            return
        self._told = now
        message = job_pb2.Progress(
            step=event.point.step,
            share=event.share,
            psnr=event.point.psnr,
            bpp=self._bpp if event.bpp is None else event.bpp,
            seconds_left=event.seconds_left,
        )
        self._queue.progress(self._claim, message.SerializeToString())

    def _preview(self, event: Preview) -> None:
        picture = kind_for(event.meta).preview(event.samples, event.meta)
        if picture is None:
            return
        height, width = picture.shape[:2]
        message = job_pb2.Preview(png=encode_png(picture, None), width=width, height=height, step=event.step)
        self._queue.event(self._claim, EventKind.PREVIEW, message.SerializeToString())


class OfWhole:
    """The parts of a job, one after another, whose fits are told as progress of all of them.

    Args:
        parts: of the signal.
        tell: is given the events.
    """

    def __init__(self, parts: Parts, tell: Callable[[Event], None]) -> None:
        self._parts, self._tell, self._number = parts, tell, 0

    def __iter__(self) -> Iterator[Signal]:
        parts = iter(self._parts.signals)
        for number in range(len(self._parts.lengths)):
            self._number = number
            yield next(parts)  # into no name, which would hold it while the next one is read

    def __getitem__(self, number: int, /) -> Signal:
        return self._parts.signals[number]

    def tell(self, event: Event) -> None:
        """Tell an event of the fit of the last part that was taken; each takes as long as it has samples."""
        if isinstance(event, Progress):
            lengths, number = self._parts.lengths, self._number
            share = (sum(lengths[:number]) + event.share * lengths[number]) / sum(lengths)
            time_of_part = event.point.seconds + event.seconds_left
            left = event.seconds_left + time_of_part * sum(lengths[number + 1 :]) / lengths[number]
            event = replace(event, share=share, seconds_left=left)
        self._tell(event)


def check_samples(shape: tuple[int, ...], limit: int) -> None:
    """Raise `QuotaExceededError` for a signal that is larger than a tenant's jobs may be."""
    count = int(np.prod(shape, dtype=np.int64))
    if count > limit:
        raise QuotaExceededError(f"the signal has {count} samples; {limit} are allowed")
