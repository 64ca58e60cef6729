"""`BlobService`: uploads and downloads."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from inr.errors import DeadlineError, OffsetError, QuotaExceededError, RequestError
from inr.rpc.v1 import blob_pb2, blob_pb2_grpc
from service.config import CHUNK_BYTES, MESSAGE_BYTES, Quota
from service.interceptors.guard import tenant
from service.metrics import Metrics
from service.store.blobs import BlobStore
from service.store.uploads import OpenUpload, Uploads, check_sha256

DATA_BYTES = MESSAGE_BYTES // 2
"""Of a message of an upload, at most."""
SILENT_SECONDS = 60.0
"""Without a message, after which an upload is ended."""
WRITE_BYTES, WRITE_SECONDS = 2**20, 0.25
"""Data is gathered up to this many bytes, or for so long: many small messages must not cost many writes."""


class BlobApi(blob_pb2_grpc.BlobServiceServicer):
    """See `blob.proto`.

    Args:
        store: complete blobs.
        uploads: those on their way.
        quota: of each tenant.
        metrics: to count in.
    """

    def __init__(self, store: BlobStore, uploads: Uploads, quota: Quota, metrics: Metrics) -> None:
        self._store, self._uploads, self._quota, self._metrics = store, uploads, quota, metrics

    async def GetUpload(self, request: blob_pb2.GetUploadRequest, context: Any) -> blob_pb2.GetUploadResponse:
        sha256 = check_sha256(request.sha256, "sha256")
        size = await asyncio.to_thread(self._store.size, tenant(), sha256)
        if size is not None:
            await asyncio.to_thread(self._store.touch, tenant(), [sha256])
            return blob_pb2.GetUploadResponse(committed_size=size, complete=True)
        return blob_pb2.GetUploadResponse(committed_size=self._uploads.committed(tenant(), sha256))

    async def Upload(self, requests: AsyncIterator[blob_pb2.UploadRequest], context: Any) -> blob_pb2.UploadResponse:
        header = await self._header(requests)
        who, sha256, size = tenant(), header.sha256, header.size
        known = await asyncio.to_thread(self._store.size, who, sha256)
        if known is not None:
            return blob_pb2.UploadResponse(committed_size=known, complete=True)
        limit = self._quota.stored_bytes
        upload = await asyncio.to_thread(self._uploads.begin, who, sha256, size, header.offset, limit)
        try:
            await self._receive(requests, upload)
            if upload.committed < size:
                return blob_pb2.UploadResponse(committed_size=upload.committed)
            await asyncio.to_thread(upload.complete)  # goes on even if this call is cancelled, and is safe then
        finally:
            upload.release()
            self._metrics.received.inc(upload.committed - header.offset)
        return blob_pb2.UploadResponse(committed_size=size, complete=True)

    async def _receive(self, requests: AsyncIterator[blob_pb2.UploadRequest], upload: OpenUpload) -> None:
        """Write what comes, until nothing more does."""
        waiting, written = bytearray(), time.monotonic()
        try:
            while (request := await self._next(requests)) is not None:
                waiting += self._data(request, upload.committed + len(waiting), upload.size)
                if len(waiting) >= WRITE_BYTES or time.monotonic() - written > WRITE_SECONDS:
                    block, waiting = waiting, bytearray()  # a call that breaks here must not write it again
                    await asyncio.to_thread(upload.append, block)
                    written = time.monotonic()
        finally:
            if waiting:
                upload.append(waiting)

    @staticmethod
    async def _next(requests: AsyncIterator[blob_pb2.UploadRequest]) -> blob_pb2.UploadRequest | None:
        """The next message, None after the last one; raises `DeadlineError`."""
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                return await anext(requests, None)
        except TimeoutError:
            raise DeadlineError(f"upload: nothing came for {SILENT_SECONDS:g} s; go on where it ended") from None

    async def Download(
        self, request: blob_pb2.DownloadRequest, context: Any
    ) -> AsyncIterator[blob_pb2.DownloadResponse]:
        sha256 = check_sha256(request.sha256, "sha256")
        size = await asyncio.to_thread(self._store.demand, tenant(), sha256)
        if not 0 <= request.offset <= size or request.length < 0:
            raise OffsetError(
                f"offset: the blob has {size} bytes; got {request.length} from {request.offset}", field="offset"
            )
        end = size if request.length == 0 else min(size, request.offset + request.length)
        for offset in range(request.offset, end, CHUNK_BYTES):
            data = await asyncio.to_thread(self._store.read, sha256, offset, min(CHUNK_BYTES, end - offset))
            self._metrics.sent.inc(len(data))
            yield blob_pb2.DownloadResponse(offset=offset, data=data, size=size)

    async def _header(self, requests: AsyncIterator[blob_pb2.UploadRequest]) -> blob_pb2.UploadHeader:
        first = await self._next(requests)
        if first is None or first.WhichOneof("part") != "header":
            raise RequestError("header: the first message of an upload must have one", field="header")
        header = first.header
        check_sha256(header.sha256, "header.sha256")
        if not header.size >= 1:
            raise RequestError(f"size: a blob has at least 1 byte; got {header.size}", field="header.size")
        if header.size > self._quota.blob_bytes:
            raise QuotaExceededError(f"size: {header.size} bytes; {self._quota.blob_bytes} are allowed")
        if header.offset < 0:
            raise OffsetError(f"offset: must not be negative; got {header.offset}", field="header.offset")
        return header

    @staticmethod
    def _data(request: blob_pb2.UploadRequest, committed: int, size: int) -> bytes:
        if request.WhichOneof("part") != "data":
            raise RequestError("data: only the first message of an upload has a header", field="header")
        if len(request.data) > DATA_BYTES:
            raise RequestError(f"data: at most {DATA_BYTES} bytes a message; got {len(request.data)}", field="data")
        if committed + len(request.data) > size:
            raise RequestError(f"data: more than the {size} bytes that were announced", field="data")
        return request.data
