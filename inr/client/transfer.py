"""Bytes to the server and back, going on where a broken transfer ended."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from inr.client.content import Content
from inr.client.failures import Patience, ending, within
from inr.client.transport import Wire, silent
from inr.errors import (
    BusyError,
    ChecksumError,
    FileAccessError,
    HandshakeError,
    InrError,
    OffsetError,
    UnavailableError,
)
from inr.rpc.v1 import blob_pb2

CHUNK_BYTES = 256 * 2**10
LISTENING_SECONDS = 0.5
"""After the header of an upload that is tried again: gRPC may lose the reason of a refusal that comes amid data."""

CHECKED_BYTES = 50 * 2**20
"""A second, that even a slow server can read to check the hash of an upload."""


class Transfers:
    """Uploads and downloads.

    Args:
        wire: to the server.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def upload(self, content: Content) -> None:
        """Have the server have these bytes; sends only what is missing.

        Raises:
            FileAccessError: they cannot be read any more.
            InrError: not allowed, or the server cannot be reached for too long.
        """
        patience = Patience(self._wire.connection.patience)
        committed, pause = -1, 0.0
        while True:
            try:
                state = await self._state(content, patience)
                if state.complete:
                    return
                if state.committed_size > committed:
                    patience.renew()
                committed = state.committed_size
                done = await self._send(_Pieces(content, committed, pause))
            except OffsetError as error:  # somebody else sent some of it: ask again
                await patience.after(BusyError(str(error)))
            except HandshakeError:
                raise
            except UnavailableError as error:
                if pause:
                    await patience.after(error)
                pause = LISTENING_SECONDS
            except InrError as error:
                await patience.after(error)
            else:
                if done.complete:
                    return
                raise FileAccessError(f"{content.name} became shorter while it was sent")

    async def download(self, sha256: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a blob, whole and checked.

        Raises:
            ChecksumError: they are not those of the hash; what was yielded is of no use.
            InrError: not allowed, or the server cannot be reached for too long.
        """
        patience, silence = Patience(self._wire.connection.patience), self._wire.connection.silence
        digest, offset, size = hashlib.sha256(), 0, -1
        while offset != size:
            before = offset
            try:
                request = blob_pb2.DownloadRequest(sha256=sha256, offset=offset)
                messages = self._wire.messages(self._wire.blobs.Download, request, first=silence, later=silence)
                async with aclosing(messages) as parts:
                    async for part in parts:
                        patience.renew()
                        size = part.size
                        offset += len(part.data)
                        digest.update(part.data)
                        yield part.data
                if offset == before:
                    break
            except InrError as error:
                await patience.after(error)
        if digest.hexdigest() != sha256:
            raise ChecksumError(f"what came for {sha256} has another SHA-256")

    async def _state(self, content: Content, patience: Patience) -> blob_pb2.GetUploadResponse:
        request = blob_pb2.GetUploadRequest(sha256=content.sha256)
        answer: blob_pb2.GetUploadResponse = await self._wire.call(self._wire.blobs.GetUpload, request, patience)
        return answer

    async def _send(self, pieces: "_Pieces") -> blob_pb2.UploadResponse:
        """One call; given up when a piece is not taken for too long, or the last one not answered."""
        metadata, silence = self._wire.connection.metadata(), self._wire.connection.silence
        loop, ended = asyncio.get_running_loop(), False

        def wait_for_server(seconds: float | None) -> None:
            if not ended:  # gRPC may ask for a piece too many
                limit.reschedule(None if seconds is None else loop.time() + seconds)

        try:
            async with self._wire.calling(), within(None, silent(silence)) as limit:
                messages = pieces.messages(wait_for_server, silence)
                with ending(self._wire.blobs.Upload(messages, metadata=metadata)) as call:
                    answer: blob_pb2.UploadResponse = await call
        except InrError:
            if pieces.failure is None:
                raise
        finally:
            ended = True
        if pieces.failure is not None:
            raise pieces.failure
        return answer


class _Pieces:
    """The rest of a content, as messages; gRPC takes them in a task of its own, which must not fail.

    Attributes:
        failure: why they ended before their time, or None.
    """

    def __init__(self, content: Content, offset: int, pause: float) -> None:
        self._content, self._offset, self._pause = content, offset, pause
        self.failure: InrError | None = None

    async def messages(
        self, wait_for_server: Callable[[float | None], None], silence: float
    ) -> AsyncIterator[blob_pb2.UploadRequest]:
        """Header first, then the data.

        Args:
            wait_for_server: told how many seconds it has from now on, or None while it has nothing to do.
            silence: that it may take for a piece.
        """
        content, offset = self._content, self._offset
        header = blob_pb2.UploadHeader(sha256=content.sha256, size=content.size, offset=offset)
        message = blob_pb2.UploadRequest(header=header)
        while True:
            wait_for_server(silence)
            yield message
            wait_for_server(None)
            if message.WhichOneof("part") == "header":
                await asyncio.sleep(self._pause)
            try:
                data = await asyncio.to_thread(content.read, offset, CHUNK_BYTES)
            except InrError as error:
                self.failure = error
                data = b""
            if not data:  # the end; if the file became shorter, the server tells how much came
                wait_for_server(silence + content.size / CHECKED_BYTES)
                return
            offset += len(data)
            message = blob_pb2.UploadRequest(data=data)
