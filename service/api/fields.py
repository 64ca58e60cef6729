"""`FieldService`: files and samples out of the server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from inr.errors import OffsetError, PreconditionError, RequestError
from inr.rpc.target import taken as taken_target
from inr.rpc.v1 import field_pb2, field_pb2_grpc, job_pb2
from service.api.jobs import check_job_id
from service.config import CHUNK_BYTES, MESSAGE_BYTES, ServerConfig
from service.convert import job_message
from service.helpers import Helpers
from service.interceptors.guard import tenant
from service.jobs import State
from service.metrics import Metrics
from service.store.blobs import BlobStore
from service.store.jobs import JobStore
from service.store.uploads import check_sha256

RAW = field_pb2.SAMPLE_FORMAT_RAW
PNG = field_pb2.SAMPLE_FORMAT_PNG


class FieldApi(field_pb2_grpc.FieldServiceServicer):
    """See `field.proto`.

    Args:
        config: of the server.
        store: jobs, whose results are files.
        blobs: the files.
        helpers: know what the library has.
        decoders: look into files and decode them, however long that takes; so they are helpers of their own.
        metrics: to count in.
    """

    def __init__(
        self,
        config: ServerConfig,
        store: JobStore,
        blobs: BlobStore,
        helpers: Helpers,
        decoders: Helpers,
        metrics: Metrics,
    ) -> None:
        self._config, self._store, self._blobs = config, store, blobs
        self._helpers, self._decoders, self._metrics = helpers, decoders, metrics
        self._known: dict[str, Any] | None = None

    async def StreamField(
        self, request: field_pb2.StreamFieldRequest, context: Any
    ) -> AsyncIterator[field_pb2.StreamFieldResponse]:
        for name in ("max_bytes", "max_layers", "enough_psnr", "offset"):
            value = getattr(request, name)
            if not value >= 0:
                raise RequestError(f"{name}: must not be negative; got {value:g}", field=name)
        sha256, layers = await self._layers(request.source)
        chosen = _up_to(layers, request)
        size = chosen[-1].bytes
        if request.offset > size:
            raise OffsetError(f"offset: the stream has {size} bytes; got {request.offset}", field="offset")
        ends = {layer.bytes: layer for layer in chosen}
        offset = request.offset
        while offset < size:
            end = min(offset + CHUNK_BYTES, next(border for border in sorted(ends) if border > offset))
            data = await asyncio.to_thread(self._blobs.read, sha256, offset, end - offset)
            self._metrics.sent.inc(len(data))
            yield field_pb2.StreamFieldResponse(offset=offset, data=data, layer=ends.get(end), size=size)
            offset = end

    async def Decode(self, request: field_pb2.DecodeRequest, context: Any) -> AsyncIterator[field_pb2.DecodeResponse]:
        sha256 = await self._file(request.source)
        png = request.format == PNG
        if request.format not in (field_pb2.SAMPLE_FORMAT_UNSPECIFIED, RAW, PNG):
            raise RequestError(f"format: is not known; got {request.format}", field="format")
        layers = request.layers or None
        asked = {"op": "decode", "sha256": sha256, "layers": layers, "target": taken_target(request), "png": png}
        async with self._decoders.stream(tenant(), **asked) as answers:
            async for head, data in answers:
                if "start" not in head:
                    yield field_pb2.DecodeResponse(header=field_pb2.DecodeHeader(**head))
                    continue
                self._metrics.sent.inc(len(data))
                yield field_pb2.DecodeResponse(tile=field_pb2.DecodeTile(**head, data=data))

    async def GetCapabilities(
        self, request: field_pb2.GetCapabilitiesRequest, context: Any
    ) -> field_pb2.GetCapabilitiesResponse:
        if self._known is None:
            self._known = await self._helpers.ask(tenant(), op="capabilities")
        known, quota = self._known, self._config.quota
        return field_pb2.GetCapabilitiesResponse(
            version=known["version"],
            format_versions=known["format_versions"],
            models=[field_pb2.Model(kind=kind, paper=paper, parameters=n) for kind, paper, n in known["models"]],
            presets=known["presets"],
            signals=known["signals"],
            devices=known["devices"],
            executor=self._config.executor,
            spec_schema=known["schema"],
            limits=field_pb2.Limits(
                blob_bytes=quota.blob_bytes,
                stored_bytes=quota.stored_bytes,
                active_jobs=quota.active_jobs,
                job_samples=quota.job_samples,
                job_seconds=quota.job_seconds,
                decoded_values=quota.decoded_values,
                message_bytes=MESSAGE_BYTES,
                requests_per_second=quota.requests_per_second,
            ),
        )

    async def _file(self, source: field_pb2.FieldSource) -> str:
        """SHA-256 of a file that the caller may see."""
        if source.WhichOneof("source") == "sha256":
            sha256 = check_sha256(source.sha256, "source.sha256")
            await asyncio.to_thread(self._blobs.demand, tenant(), sha256)
            return sha256
        return (await self._result(source)).sha256

    async def _result(self, source: field_pb2.FieldSource) -> job_pb2.Result:
        if source.WhichOneof("source") != "job_id":
            raise RequestError("source: name a job or a blob", field="source")
        job = await asyncio.to_thread(self._store.get, tenant(), check_job_id(source.job_id))
        if job.state != State.DONE:
            raise PreconditionError(f"job {job.id} is {job.state.name.lower()}; its file is there when it is done")
        return job_message(job).result

    async def _layers(self, source: field_pb2.FieldSource) -> tuple[str, list[job_pb2.Layer]]:
        """A file and its layers."""
        if source.WhichOneof("source") == "sha256":
            sha256 = await self._file(source)
            found = await self._decoders.ask(tenant(), op="layers", sha256=sha256)
            return sha256, [job_pb2.Layer(number=n, bytes=size, psnr=psnr) for n, size, psnr in found["layers"]]
        result = await self._result(source)
        return result.sha256, list(result.layers)


def _up_to(layers: list[job_pb2.Layer], request: field_pb2.StreamFieldRequest) -> list[job_pb2.Layer]:
    """The layers to send; raises `RequestError` if not even the first fits."""
    chosen: list[job_pb2.Layer] = []
    for layer in layers:
        if request.max_layers and len(chosen) == request.max_layers:
            break
        if request.max_bytes and layer.bytes > request.max_bytes:
            break
        chosen.append(layer)
        if request.enough_psnr and layer.psnr >= request.enough_psnr:
            break
    if not chosen:
        raise RequestError(
            f"max_bytes: the first layer has {layers[0].bytes} bytes; got {request.max_bytes}", field="max_bytes"
        )
    return chosen
