"""The client for asyncio, and the one place where its logic is; `inr.client.sync` only runs it."""

import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack

from inr.client.content import Content, Source, contents_of, is_folder
from inr.client.events import STATES, JobInfo, LayerInfo, job_info
from inr.client.failures import deadline, until_deadline
from inr.client.fields import Fields
from inr.client.job import AsyncJob
from inr.client.threads import aside
from inr.client.transfer import Transfers
from inr.client.transport import Connection, Wire, made_as
from inr.errors import RequestError, SpecError
from inr.rpc.v1 import field_pb2, job_pb2
from inr.signals.target import TargetOptions
from inr.spec import Spec
from inr.text import printable

if TYPE_CHECKING:
    from inr.codec.field import DecodedField

PAGE = 200
_NUMBERS = {name: number for number, name in STATES.items()}


class HasId(Protocol):
    """A job of either client."""

    @property
    def id(self) -> str:
        """Its name."""


class AsyncClient:
    """A connection to a server.

    Calls that may safely be made again are, while the server cannot be reached, for up to `patience` seconds. Methods
    with a `timeout` raise `DeadlineError` when all they do takes longer than so many seconds; None is no limit.

    Args:
        server: HOST or HOST:PORT (default 50051), with or without http:// or https:// (TLS), or unix:PATH; None takes
            INR_SERVER, or this machine.
        token: of the caller; None takes INR_TOKEN, or sends none.
        tls: encrypt; always if `ca` or `cert` is given, or INR_CA is set.
        ca: PEM file with the authority that signed the server's certificate; None takes INR_CA, or those of the system.
        cert: PEM file with the client's own certificate, with `key`.
        key: its key.
        insecure: send the token in clear text to other machines, where anybody on the way can read it.
        timeout: seconds that a single message and its answer may take.
        patience: seconds of nothing but failures after which a server that cannot be reached is given up.
        silence: seconds without anything new after which a transfer is made to go on anew.

    Raises:
        InrError: every method raises the library's own errors.
    """

    @made_as(Connection)
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._wire = Wire(connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection for good; jobs go on."""
        await self._wire.close()

    async def submit(
        self,
        /,
        source: Source,
        *,
        time: tuple[float, float] | None = None,
        axes: int | None = None,
        segment: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        **request: Any,
    ) -> AsyncJob:
        """Upload a signal and have it fitted.

        Args:
            source: path of an image, a video, a ``.npy`` file or a folder of frames (``-``: standard input); the bytes
                of a file; an array.
            time: (start, end) in seconds of a video.
            axes: how many axes of an array are coordinates.
            segment: samples of a part along the first axis, at most: frames of a video, rows of a picture.
            request_id: makes the call safe to repeat: a job that it made before is found again. None makes one up.
            timeout: seconds for all of it.
            **request: fields of `inr.CompressSpec`: model, preset, bpp, psnr, size, quality, steps, seconds, seed ...
        """
        if request_id is not None and printable(request_id) != request_id:
            raise RequestError(f"request_id: must be printable; got {printable(request_id)!r:.80}", field="request_id")
        async with deadline(timeout, "submitting the job"):
            fit = await self._fit(source, time, axes, segment, request)
            message = job_pb2.CreateJobRequest(fit=fit, request_id=request_id or str(uuid.uuid4()))
            answer = await self._wire.call(self._wire.jobs.CreateJob, message)
            return AsyncJob(self._wire, answer.job.id)

    async def check(
        self,
        /,
        source: Source,
        *,
        time: tuple[float, float] | None = None,
        axes: int | None = None,
        segment: int | None = None,
        timeout: float | None = None,
        **request: Any,
    ) -> None:
        """Upload a signal and check the settings of a job, without making one; raises what is wrong with them."""
        async with deadline(timeout, "checking the job"):
            fit = await self._fit(source, time, axes, segment, request)
            await self._wire.call(self._wire.jobs.CreateJob, job_pb2.CreateJobRequest(fit=fit, validate_only=True))

    def job(self, job_id: str) -> AsyncJob:
        """A job by its id, or by the beginning of it; nothing is asked of the server yet."""
        return AsyncJob(self._wire, job_id)

    async def jobs(self, states: Iterable[str] = (), limit: int | None = None) -> list[JobInfo]:
        """Jobs, newest first.

        Args:
            states: only those in these states, see `JobInfo.state`; all if empty.
            limit: at most so many.
        """
        wanted = [_state(name) for name in states]
        found: list[JobInfo] = []
        token = ""
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            message = job_pb2.ListJobsRequest(page_size=size, page_token=token, states=wanted)
            page = await self._wire.call(self._wire.jobs.ListJobs, message)
            found += [job_info(job) for job in page.jobs]
            token = page.next_page_token
            if not token:
                break
        return found

    async def capabilities(self) -> field_pb2.GetCapabilitiesResponse:
        """What the server has and allows."""
        answer: field_pb2.GetCapabilitiesResponse
        answer = await self._wire.call(self._wire.fields.GetCapabilities, field_pb2.GetCapabilitiesRequest())
        return answer

    async def upload(self, source: Source | Content, *, timeout: float | None = None) -> list[str]:
        """Have the server have a file, or the frames of a folder, without a job; `submit` does it by itself.

        Args:
            source: as for `submit`.
            timeout: seconds for all of it.

        Returns:
            SHA-256 of each of them, for `download`.
        """
        async with deadline(timeout, "the upload"):
            return [content.sha256 for content in await self._uploaded(source)]

    async def download(self, sha256: str, *, timeout: float | None = None) -> bytes:
        """The bytes of a blob.

        Args:
            sha256: of the blob.
            timeout: seconds for all of it.
        """
        async with deadline(timeout, "the download"):
            return b"".join([part async for part in Transfers(self._wire).download(sha256)])

    def stream(
        self,
        job: HasId | str,
        *,
        max_bytes: int = 0,
        max_layers: int = 0,
        enough_psnr: float = 0.0,
        timeout: float | None = None,
    ) -> AsyncIterator[tuple[bytes, LayerInfo]]:
        """The file of a job, coarse to fine: after each layer, all bytes so far, which decode.

        Waits for a job that is not done, and raises as `AsyncJob.wait`.

        Args:
            job: it, or its id.
            max_bytes: no more than these; 0 for no limit.
            max_layers: no more than these; 0 for all.
            enough_psnr: no more layers than it takes to reach this PSNR in dB; 0 for no limit.
            timeout: seconds for all of it.
        """
        source = self._job(job)
        layers = Fields(self._wire).stream(source, max_bytes, max_layers, enough_psnr)
        return until_deadline(layers, timeout, f"the stream of job {source.id}")

    async def open(
        self,
        job: HasId | str,
        *,
        max_bytes: int = 0,
        max_layers: int = 0,
        enough_psnr: float = 0.0,
        timeout: float | None = None,
    ) -> "DecodedField":
        """The field of a job, to be decoded here at any resolution; waits and takes limits as `stream`."""
        source, data = self._job(job), b""
        async with deadline(timeout, f"the field of job {source.id}"):
            async with aclosing(Fields(self._wire).stream(source, max_bytes, max_layers, enough_psnr)) as layers:
                async for received, _ in layers:
                    data = received
            return await aside(_opened, data)

    def open_progressively(
        self,
        job: HasId | str,
        *,
        max_bytes: int = 0,
        max_layers: int = 0,
        enough_psnr: float = 0.0,
        timeout: float | None = None,
    ) -> AsyncIterator["DecodedField"]:
        """The field of a job after each layer that arrives, coarse to fine; waits and takes limits as `stream`."""
        source = self._job(job)
        fields = _each_opened(Fields(self._wire).stream(source, max_bytes, max_layers, enough_psnr))
        return until_deadline(fields, timeout, f"the field of job {source.id}")

    async def decode(
        self,
        job: HasId | str,
        *,
        layers: int | None = None,
        timeout: float | None = None,
        **target: Unpack[TargetOptions],
    ) -> Any:
        """Samples decoded by the server: nothing but numpy is needed here.

        Waits for a job that is not done, and raises as `AsyncJob.wait`.

        Args:
            job: it, or its id.
            layers: only the first quality layers.
            timeout: seconds for all of it.
            **target: what to decode, see `Target`:
                scale: factor of the sides;
                size: width and height, or samples along each axis of an array, instead of a scale;
                region: x, y, width and height in samples of the original, or starts and counts along each axis;
                time: (start, end) in seconds of a video;
                frame_rate: frames a second.

        Returns:
            `(*grid, channels)` of the original sample type.
        """
        source = self._job(job)
        async with deadline(timeout, f"decoding job {source.id}"):
            return await Fields(self._wire).decode(source, target, layers)

    def _job(self, job: HasId | str) -> AsyncJob:
        return AsyncJob(self._wire, job if isinstance(job, str) else job.id)

    async def _uploaded(self, source: Source | Content) -> list[Content]:
        contents = [source] if isinstance(source, Content) else await aside(contents_of, source)
        for content in contents:
            await Transfers(self._wire).upload(content)
        return contents

    async def _fit(
        self,
        source: Source,
        time: tuple[float, float] | None,
        axes: int | None,
        segment: int | None,
        request: dict[str, Any],
    ) -> job_pb2.Fit:
        spec = _json(request)
        files = [job_pb2.SourceFile(name=c.name, sha256=c.sha256) for c in await self._uploaded(source)]
        fit = job_pb2.Fit(files=files, frames=is_folder(source), spec=spec, axes=axes, segment=segment)
        if time is not None:
            fit.time_start = time[0]
            if time[1] != float("inf"):
                fit.time_end = time[1]
        return fit


def _opened(data: bytes) -> "DecodedField":
    from inr.codec.decode import open_field
    from inr.container.file import parse_partial

    file, _ = parse_partial(data)
    return open_field(file)


async def _each_opened(layers: AsyncGenerator[tuple[bytes, LayerInfo], None]) -> AsyncGenerator["DecodedField", None]:
    async with aclosing(layers):
        async for data, _ in layers:
            yield await aside(_opened, data)


def _state(name: str) -> Any:
    if name not in _NUMBERS:
        raise SpecError(f"state: must be one of {', '.join(_NUMBERS)}; got {name!r}")
    return _NUMBERS[name]


def _json(request: dict[str, Any]) -> str:
    kept = {name: value for name, value in request.items() if value is not None}
    try:
        return json.dumps(kept, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise SpecError(f"settings: {error}") from None


def _plain(value: Any) -> Any:
    """Components may be given as the library's objects."""
    if isinstance(value, Spec):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")
