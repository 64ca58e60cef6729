"""A helper process: ``python -m service.workers.helper``. It checks settings and decodes files for the server.

The server itself never loads torch and never looks into a client's bytes: it stays small, its event loop is never held
up, and what crashes on a hostile file is only this.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from service.config import CHUNK_BYTES, ServerConfig
from service.logs import configure
from service.workers.channel import first_line, read_frame, write_frame

Answer = tuple[dict[str, Any], bytes]

MAX_FILE_BYTES = 2**29
"""Of a file that is looked into; it is read whole."""


def main() -> int:
    """Answer frames from standard input until it ends."""
    configure()
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not get between the frames
    config = ServerConfig.from_json(first_line(0))
    helper = Helper(config)
    while (request := read_frame(0)) is not None:
        for head, data in helper.answers(request[0]):
            write_frame(out, head, data)
        write_frame(out, {"end": True})
    return 0


class Helper:
    """Answers requests; each answer is a JSON object and bytes, an error is the last one.

    Args:
        config: of the server.
    """

    def __init__(self, config: ServerConfig) -> None:
        from service.store.blobs import BlobStore
        from service.store.database import database_of

        self._config = config
        self._blobs = BlobStore(database_of(config), config.blobs_url)
        self._does: dict[str, Callable[[dict[str, Any]], Iterator[Answer]]] = {
            "check": self._check,
            "capabilities": self._capabilities,
            "layers": self._layers,
            "decode": self._decode,
        }

    def answers(self, request: dict[str, Any]) -> Iterator[Answer]:
        """All answers to a request."""
        from inr.errors import InrError

        try:
            yield from self._does[request["op"]](request)
        except InrError as error:
            yield {"error": error.code, "message": str(error)}, b""
        except MemoryError:
            yield {"error": "limit_exceeded", "message": "there is not enough memory for this"}, b""

    def _check(self, request: dict[str, Any]) -> Iterator[Answer]:
        """Whether the settings of a job make sense, as far as that can be told without its signal."""
        from inr.coders.base import check_early
        from inr.coders.request import CompressSpec
        from inr.errors import QuotaExceededError

        spec = CompressSpec.from_json(request["spec"])
        check_early(spec)
        longest = self._config.quota.job_seconds
        if spec.seconds is not None and spec.seconds > longest:
            raise QuotaExceededError(f"seconds: at most {longest:g} are allowed; got {spec.seconds:g}")
        yield {}, b""

    def _capabilities(self, request: dict[str, Any]) -> Iterator[Answer]:
        import torch

        import inr
        from inr.codec.listing import list_models
        from inr.coders.presets import PRESETS
        from inr.coders.request import CompressSpec
        from inr.container.file import MAJOR
        from inr.signals.kind import KINDS

        yield (
            {
                "version": inr.__version__,
                "format_versions": [MAJOR],
                "models": [[model.kind, model.paper, model.parameters] for model in list_models()],
                "presets": list(PRESETS),
                "signals": KINDS.kinds(),
                "devices": ["cpu", *(["cuda"] if torch.cuda.is_available() else [])],
                "schema": json.dumps(CompressSpec.model_json_schema()),
            },
            b"",
        )

    def _layers(self, request: dict[str, Any]) -> Iterator[Answer]:
        """Where the layers of a file end; raises a `FormatError`."""
        from inr.codec.info import describe
        from inr.container.file import parse

        data = self._read(request["sha256"])
        info = describe(parse(data), len(data))
        yield {"layers": [[layer.layer, layer.bytes, layer.psnr, layer.pu21_psnr] for layer in info.layers]}, b""

    def _decode(self, request: dict[str, Any]) -> Iterator[Answer]:
        """A head, then the samples, block after block."""
        from inr.codec.decode import open_field
        from inr.errors import QuotaExceededError
        from inr.signals.kind import kind_for
        from inr.signals.target import Target

        field = open_field(self._read(request["sha256"]), request["layers"])
        target = Target(**{name: _tupled(value) for name, value in request["target"].items()})
        sampling, kind = field.sampling(target), kind_for(field.meta)
        shape = sampling.grid.shape
        count = field.channels
        for n in shape:
            count *= n
        limit = self._config.quota.decoded_values
        if count > limit:
            raise QuotaExceededError(f"size: {count} values are asked for; {limit} are allowed: choose a region")
        tiles = kind.pngs(sampling.meta) if request["png"] else _raw
        rate = kind.rate(sampling.meta)
        yield (
            {
                "shape": kind.outward(shape, sampling.meta),
                "channels": field.channels,
                "dtype": field.meta.dtype,
                "kind": field.meta.kind,
                "frame_rate": 0.0 if rate is None else float(rate),
            },
            b"",
        )
        row = 0
        for block in field.sampled(sampling):
            for count, data in tiles(block):
                start = kind.outward((row, *[0] * (len(shape) - 1)), sampling.meta, fill=0)
                yield from _pieces(start, kind.outward((count, *shape[1:]), sampling.meta), data)
                row += count

    def _read(self, sha256: str) -> bytes:
        """A file, of which no more is read than its first bytes if it cannot be one."""
        from inr.container.file import SIGNATURE, parse
        from inr.errors import LimitExceededError

        size = self._blobs.file_size(sha256)
        if size > MAX_FILE_BYTES:
            raise LimitExceededError(f"the file has {size} bytes; at most {MAX_FILE_BYTES} are decoded here")
        first = self._blobs.read(sha256, 0, min(size, len(SIGNATURE)))
        if first != SIGNATURE:
            parse(first)  # says what is wrong
        path = self._blobs.local_path(sha256)
        if path is not None:
            from inr.files import read_bytes

            return read_bytes(path)
        with tempfile.TemporaryDirectory() as folder, self._blobs.fetched(sha256, Path(folder), "field") as copy:
            return copy.read_bytes()


def _raw(block: Any) -> Iterator[tuple[int, bytes]]:
    """A block as one tile of plain numbers."""
    yield len(block), block.astype(block.dtype.newbyteorder("<")).tobytes()


def _pieces(start: tuple[int, ...], shape: tuple[int, ...], data: bytes) -> Iterator[Answer]:
    for offset in range(0, max(len(data), 1), CHUNK_BYTES):
        piece = data[offset : offset + CHUNK_BYTES]
        last = offset + CHUNK_BYTES >= len(data)
        yield {"start": start, "shape": shape, "offset": offset, "last": last}, piece


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
