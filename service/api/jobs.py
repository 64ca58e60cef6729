"""`JobService`: fits as jobs."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from inr.errors import NotFoundError, RequestError
from inr.rpc.v1 import job_pb2, job_pb2_grpc
from service.config import Quota
from service.convert import MAX_REQUEST_ID, event_message, fit_request, job_message, states
from service.helpers import Helpers
from service.interceptors.guard import tenant
from service.jobs import ENDED, EventKind, Job
from service.store.blobs import BlobStore
from service.store.jobs import JobStore
from service.watching import Watching

DEFAULT_PAGE, LARGEST_PAGE = 50, 500
_JOB_ID, _BEGINNING = re.compile(r"[0-9a-f]{27}"), re.compile(r"[0-9a-f]{1,27}")


class JobApi(job_pb2_grpc.JobServiceServicer):
    """See `job.proto`.

    Args:
        store: the jobs.
        blobs: their sources.
        helpers: check settings.
        watching: tells about changes.
        quota: of each tenant.
        wake: called after a job was made.
    """

    def __init__(
        self,
        store: JobStore,
        blobs: BlobStore,
        helpers: Helpers,
        watching: Watching,
        quota: Quota,
        wake: Callable[[], Awaitable[None]],
    ) -> None:
        self._store, self._blobs, self._helpers = store, blobs, helpers
        self._watching, self._quota, self._wake = watching, quota, wake

    async def CreateJob(self, request: job_pb2.CreateJobRequest, context: Any) -> job_pb2.CreateJobResponse:
        if len(request.request_id) > MAX_REQUEST_ID or not request.request_id.isprintable():
            raise RequestError(
                f"request_id: at most {MAX_REQUEST_ID} printable characters; got {request.request_id!r:.80}",
                field="request_id",
            )
        fit = fit_request(request.fit)
        hashes = {file.sha256 for file in fit.files}
        await asyncio.to_thread(self._blobs.check_all, tenant(), hashes)
        await self._helpers.ask(tenant(), op="check", spec=fit.spec)
        if request.validate_only:
            return job_pb2.CreateJobResponse(job=job_pb2.Job(fit=request.fit))
        job = await asyncio.to_thread(
            self._store.create,
            tenant(),
            request.fit.SerializeToString(),
            hashes,
            request.request_id or None,
            self._quota,
        )
        await self._wake()
        return job_pb2.CreateJobResponse(job=job_message(job))

    async def GetJob(self, request: job_pb2.GetJobRequest, context: Any) -> job_pb2.GetJobResponse:
        if not _BEGINNING.fullmatch(request.id):
            raise NotFoundError(f"there is no job {request.id!r:.60}")
        job = await asyncio.to_thread(self._store.find, tenant(), request.id)
        return job_pb2.GetJobResponse(job=job_message(job))

    async def ListJobs(self, request: job_pb2.ListJobsRequest, context: Any) -> job_pb2.ListJobsResponse:
        if request.page_size < 0:
            raise RequestError(f"page_size: must not be negative; got {request.page_size}", field="page_size")
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        before = request.page_token or None
        if before is not None and not _JOB_ID.fullmatch(before):
            raise RequestError(f"page_token: is not one of this server; got {before!r:.60}", field="page_token")
        wanted = states(request.states)
        found, more = await asyncio.to_thread(self._store.page, tenant(), wanted, size, before)
        return job_pb2.ListJobsResponse(
            jobs=[job_message(job) for job in found], next_page_token=found[-1].id if more else ""
        )

    async def CancelJob(self, request: job_pb2.CancelJobRequest, context: Any) -> job_pb2.CancelJobResponse:
        job = await asyncio.to_thread(self._store.cancel, tenant(), check_job_id(request.id))
        return job_pb2.CancelJobResponse(job=job_message(job))

    async def DeleteJob(self, request: job_pb2.DeleteJobRequest, context: Any) -> job_pb2.DeleteJobResponse:
        await asyncio.to_thread(self._store.delete, tenant(), check_job_id(request.id))
        return job_pb2.DeleteJobResponse()

    async def WatchJob(self, request: job_pb2.WatchJobRequest, context: Any) -> AsyncIterator[job_pb2.WatchJobResponse]:
        if request.after_sequence < 0:
            raise RequestError(
                f"after_sequence: must not be negative; got {request.after_sequence}", field="after_sequence"
            )
        job = await self._job(request.id)
        last = request.after_sequence
        if last > job.sequence:
            raise RequestError(
                f"after_sequence: the last event of the job has number {job.sequence}; got {last}",
                field="after_sequence",
            )
        if job.state in ENDED and last == job.sequence:
            return
        async for events in self._watching.events(job.id, last):
            if any(event.kind == EventKind.STATE for event in events):
                job = await self._job(request.id)
            for event in events:
                last = event.sequence
                yield event_message(event, job)
            if job.state in ENDED and last >= job.sequence:
                return

    async def _job(self, job_id: str) -> Job:
        return await asyncio.to_thread(self._store.get, tenant(), check_job_id(job_id))


def check_job_id(job_id: str) -> str:
    """The id, or `NotFoundError` for what cannot be one."""
    if not _JOB_ID.fullmatch(job_id):
        raise NotFoundError(f"there is no job {job_id!r:.60}")
    return job_id
