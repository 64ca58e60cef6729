"""Fields off the wire: files layer by layer, and samples that the server decodes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.client.events import LayerInfo, layer_info
from inr.client.failures import Patience, retried
from inr.client.job import AsyncJob
from inr.client.transport import Wire
from inr.errors import CorruptStreamError, InrError
from inr.rpc.target import put as put_target
from inr.rpc.v1 import field_pb2
from inr.signals.target import Target, TargetOptions


class Fields:
    """Streams of fields; a job that is not done is waited for.

    Args:
        wire: to the server.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def stream(
        self, job: AsyncJob, max_bytes: int, max_layers: int, enough_psnr: float
    ) -> AsyncGenerator[tuple[bytes, LayerInfo], None]:
        """See `AsyncClient.stream`."""
        connection = self._wire.connection
        patience = Patience(connection.patience, job.wait)
        source = field_pb2.FieldSource(job_id=await job.whole_id())
        data, size = bytearray(), -1
        while len(data) != size:
            before = len(data)
            request = field_pb2.StreamFieldRequest(
                source=source, max_bytes=max_bytes, max_layers=max_layers, enough_psnr=enough_psnr, offset=before
            )
            messages = self._wire.messages(
                self._wire.fields.StreamField, request, first=connection.silence, later=connection.silence
            )
            try:
                async with aclosing(messages) as parts:
                    async for part in parts:
                        patience.renew()
                        size = part.size
                        data += part.data
                        if part.HasField("layer"):
                            yield bytes(data), layer_info(part.layer)
                if len(data) == before:
                    raise CorruptStreamError("the server sent fewer bytes than it announced")
            except InrError as error:
                await patience.after(error)

    async def decode(self, job: AsyncJob, target: TargetOptions, layers: int | None) -> npt.NDArray[Any]:
        """See `AsyncClient.decode`."""
        connection = self._wire.connection
        request = field_pb2.DecodeRequest(
            source=field_pb2.FieldSource(job_id=await job.whole_id()),
            layers=layers or 0,
            format=field_pb2.SAMPLE_FORMAT_RAW,
        )
        put_target(vars(Target(**target)), request)
        # The first samples of a large field may take long.
        return await retried(
            lambda: _collected(self._wire.messages(self._wire.fields.Decode, request, later=connection.silence)),
            Patience(connection.patience, job.wait),
        )


async def _collected(messages: AsyncGenerator[Any, None]) -> npt.NDArray[Any]:
    """The samples of a whole answer, `(*grid, channels)`; raises `CorruptStreamError` if some are missing."""
    samples: npt.NDArray[Any] | None = None
    block, filled = bytearray(), 0
    async with aclosing(messages) as answers:
        async for answer in answers:
            if answer.WhichOneof("part") == "header":
                header = answer.header
                samples = np.empty((*header.shape, header.channels), np.dtype(header.dtype).newbyteorder("<"))
                continue
            if samples is None:
                raise CorruptStreamError("samples came before their header")
            block += answer.tile.data
            if answer.tile.last:
                shape = (*answer.tile.shape, samples.shape[-1])
                place = tuple(slice(first, first + n) for first, n in zip(answer.tile.start, shape, strict=False))
                values = np.frombuffer(block, samples.dtype)
                samples[place] = values.reshape(shape)
                filled += values.size
                block = bytearray()
    if samples is None or filled != samples.size:
        raise CorruptStreamError("the server sent fewer samples than it announced")
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)
