"""A job on a server."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

from inr.client.events import Event, JobInfo, event_of, job_info
from inr.client.failures import Patience, deadline, until_deadline
from inr.client.threads import aside
from inr.client.transfer import Transfers
from inr.client.transport import Wire
from inr.errors import InrError, NotFoundError
from inr.files import check_writable, is_special, is_standard_output, replacing, write_bytes
from inr.rpc.v1 import job_pb2
from inr.text import printable

WHOLE_ID = 27
"""Digits of an id; what has fewer is the beginning of one."""


class AsyncJob:
    """A job on a server, made by the methods of a client.

    Attributes:
        id: its name. Where only its beginning was given, the server is asked for the rest when the job is used first:
            later, another job may begin like this.
    """

    def __init__(self, wire: Wire, job_id: str) -> None:
        self._wire, self.id = wire, printable(job_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    async def info(self) -> JobInfo:
        """The job as it is now."""
        answer = await self._wire.call(self._wire.jobs.GetJob, job_pb2.GetJobRequest(id=self.id))
        self.id = answer.job.id
        return job_info(answer.job)

    async def whole_id(self) -> str:
        """Its id; raises `NotFoundError` if no job begins like this, and `RequestError` if several do."""
        if len(self.id) < WHOLE_ID:
            await self.info()
        return self.id

    def watch(self, after: int = 0, *, timeout: float | None = None) -> AsyncIterator[Event]:
        """What happens to the job until it has ended; a broken stream goes on where it ended.

        Args:
            after: number of the last event that is known already, see `Event.sequence`.
            timeout: seconds for all of it, then a `DeadlineError`; None for no limit.
        """
        return until_deadline(self._events(after), timeout, f"job {self.id}")

    async def wait(self, *, timeout: float | None = None) -> JobInfo:
        """Wait until the job has ended.

        Args:
            timeout: seconds for that, then a `DeadlineError`; the job goes on. None for no limit.

        Raises:
            InrError: that of a job which failed or was cancelled.
        """
        async with deadline(timeout, f"job {self.id}"):
            info = await self.info()
            if not info.has_ended:
                async with aclosing(self._events(0)) as events:
                    async for _ in events:
                        pass
                info = await self.info()
        failure = info.failure()
        if failure is not None:
            raise failure
        return info

    async def result(self, *, timeout: float | None = None) -> bytes:
        """Wait for the file, and get its bytes.

        Args:
            timeout: seconds for all of it, then a `DeadlineError`; None for no limit.

        Raises:
            InrError: as `wait`.
        """
        async with deadline(timeout, f"job {self.id}"):
            return await self._bytes(await self.wait())

    async def fetch(self, path: str | Path, *, timeout: float | None = None) -> JobInfo:
        """Wait for the file, and write it, whole or not at all.

        Args:
            path: of the file; ``-`` for standard output.
            timeout: seconds for all of it, then a `DeadlineError`; None for no limit.

        Raises:
            InrError: as `wait`.
        """
        check_writable(path)
        async with deadline(timeout, f"job {self.id}"):
            info = await self.wait()
            if is_standard_output(path) or is_special(Path(path)):  # where nothing can be taken back
                await aside(write_bytes, path, await self._bytes(info))
                return info
            with replacing(path) as temporary, temporary.open("wb") as file:
                async with aclosing(self._parts(info)) as parts:
                    async for part in parts:
                        file.write(part)
        return info

    async def cancel(self) -> JobInfo:
        """Ask the job to stop."""
        message = job_pb2.CancelJobRequest(id=await self.whole_id())
        answer = await self._wire.call(self._wire.jobs.CancelJob, message)
        return job_info(answer.job)

    async def delete(self) -> None:
        """Have the server forget a job that has ended."""
        message, patience = job_pb2.DeleteJobRequest(id=await self.whole_id()), Patience(self._wire.connection.patience)
        try:
            await self._wire.call(self._wire.jobs.DeleteJob, message, patience)
        except NotFoundError:
            if not patience.tried_again:
                raise  # else it was this call, whose answer was lost

    async def _events(self, after: int) -> AsyncGenerator[Event, None]:
        whole, patience = await self.whole_id(), Patience(self._wire.connection.patience)
        while True:
            request = job_pb2.WatchJobRequest(id=whole, after_sequence=after)
            try:  # a job may rightly be silent for hours: only a broken connection ends the call
                async with aclosing(self._wire.messages(self._wire.jobs.WatchJob, request)) as messages:
                    async for message in messages:
                        patience.renew()
                        after = message.sequence
                        event = event_of(message)
                        if event is not None:
                            yield event
                return  # only the server knows the end: an early change of state carries the job as it is now
            except InrError as error:
                await patience.after(error)

    def _parts(self, info: JobInfo) -> AsyncGenerator[bytes, None]:
        return Transfers(self._wire).download(info.result.sha256 if info.result else "")

    async def _bytes(self, info: JobInfo) -> bytes:
        return b"".join([part async for part in self._parts(info)])
