"""Decoding on the server with bare stubs: PNG tiles, regions, layers, slow readers, readers that go away."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import psutil
import pytest

import inr
from inr.client.content import contents_of
from inr.errors import DeadlineError
from inr.rpc.v1 import field_pb2, field_pb2_grpc
from inr.signals.image.write import save_image
from service.config import ServerConfig
from service.helpers import Helpers
from service.store.blobs import BlobStore
from service.store.database import database_of
from tests.service.conftest import SMALL
from tests.support.servers import RunningServer, alone, command_of, until

Picture = npt.NDArray[np.uint8]
PNG, RAW = field_pb2.SAMPLE_FORMAT_PNG, field_pb2.SAMPLE_FORMAT_RAW
MUCH = 2**20
HUGE = 40.0
"""Scale at which the small picture has 14 megabytes."""


@pytest.fixture
def fields(server: RunningServer) -> Iterator[Any]:
    """The bare stub of the shared server."""
    with grpc.insecure_channel(server.address) as channel:
        yield field_pb2_grpc.FieldServiceStub(channel)


def put(client: inr.Client, data: bytes) -> field_pb2.FieldSource:
    """Upload a file."""
    [content] = contents_of(data)
    client.upload(content)
    return field_pb2.FieldSource(sha256=content.sha256)


Tile = tuple[tuple[int, ...], tuple[int, ...], bytes]
"""Start, shape, all bytes."""


def tiles(answers: Any) -> tuple[field_pb2.DecodeHeader, list[Tile]]:
    """The header of an answer, and its whole tiles."""
    header, found, data = None, [], b""
    for answer in answers:
        if answer.WhichOneof("part") == "header":
            assert header is None
            header = answer.header
            continue
        tile = answer.tile
        assert tile.offset == len(data)
        data += tile.data
        if tile.last:
            found.append((tuple(tile.start), tuple(tile.shape), data))
            data = b""
    assert header is not None
    assert data == b""
    return header, found


def assembled(header: field_pb2.DecodeHeader, found: list[Tile], png: bool) -> npt.NDArray[Any]:
    """The samples of all tiles."""
    samples = np.zeros((*header.shape, header.channels), header.dtype)
    for start, shape, data in found:
        place = tuple(slice(first, first + n) for first, n in zip(start, shape, strict=True))
        values = inr.load(data).samples if png else np.frombuffer(data, np.dtype(header.dtype).newbyteorder("<"))
        samples[place] = values.reshape((*shape, header.channels))
    return samples


def both_ways(fields: Any, source: field_pb2.FieldSource, **asked: Any) -> npt.NDArray[Any]:
    """What the server decodes, which must be the same as PNG files and as raw samples."""
    pictures, raw = (
        assembled(*tiles(fields.Decode(field_pb2.DecodeRequest(source=source, format=format_, **asked))), png)
        for format_, png in ((PNG, True), (RAW, False))
    )
    np.testing.assert_array_equal(pictures, raw)
    return pictures


def test_a_picture_as_png(fields: Any, client: inr.Client, picture: Picture) -> None:
    data = alone(picture, **SMALL, layers=3).data
    source, here = put(client, data), inr.open(data)
    np.testing.assert_array_equal(both_ways(fields, source), here.decode())
    np.testing.assert_array_equal(both_ways(fields, source, scale=2.5), here.decode(scale=2.5))
    region = (5, 7, 20, 11)
    np.testing.assert_array_equal(
        both_ways(fields, source, region=region, size=(50, 30)), here.decode(region=region, size=(50, 30))
    )
    coarse = inr.open(data, layers=1).decode()
    np.testing.assert_array_equal(both_ways(fields, source, layers=1), coarse)
    assert (coarse != here.decode()).any()


def test_a_16_bit_picture_as_png(fields: Any, client: inr.Client, picture: Picture) -> None:
    deep = picture.astype(np.uint16) * 257
    data = alone(deep, **SMALL).data
    decoded = both_ways(fields, put(client, data))
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, inr.open(data).decode())


def test_axes_of_one_sample_come_back(fields: Any, client: inr.Client) -> None:
    array = np.sin(np.arange(9 * 8) / 7).reshape(1, 9, 1, 8).astype(np.float32)
    data = alone(array, **SMALL).data
    source, here = put(client, data), inr.open(data)
    for asked in ({}, {"scale": 2.0}, {"size": (1, 20, 1, 4)}, {"region": (0, 2, 0, 3, 1, 4, 1, 5)}):
        request = field_pb2.DecodeRequest(source=source, format=RAW, **asked)
        found = assembled(*tiles(fields.Decode(request)), png=False)
        assert found.shape[0] == found.shape[2] == 1
        np.testing.assert_array_equal(found, here.decode(**asked))


def test_a_video_as_one_png_for_each_frame(fields: Any, client: inr.Client, picture: Picture, tmp_path: Path) -> None:
    for i in range(5):
        save_image(tmp_path / f"{i}.png", np.roll(picture, 3 * i, axis=1), inr.load(picture).meta)
    data = alone(tmp_path, **SMALL).data
    source = put(client, data)
    header, found = tiles(fields.Decode(field_pb2.DecodeRequest(source=source, format=PNG)))
    assert (header.kind, list(header.shape)) == ("video", [5, 48, 64])
    assert [(start, shape) for start, shape, _ in found] == [((i, 0, 0), (1, 48, 64)) for i in range(5)]
    np.testing.assert_array_equal(both_ways(fields, source), inr.open(data).decode())
    assert both_ways(fields, source, time_end=2 / header.frame_rate).shape == (2, 48, 64, 3)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"format": PNG}, "an array has no PNG form; ask for raw samples"),
        ({"format": 9}, "format: is not known; got 9"),
        ({"layers": 2}, "layers"),
        ({"layers": -1}, "layers"),
        ({"scale": -1.0}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"size": [0]}, "size"),
        ({"size": [3, 3]}, "size"),
        ({"region": [0, 10**12]}, "region"),
        ({"frame_rate": 3.0}, "frame"),
        ({"scale": 1e6}, "values are asked for"),
    ],
)
def test_what_cannot_be_decoded_is_refused(
    fields: Any, client: inr.Client, asked: dict[str, Any], message: str
) -> None:
    data = alone(np.sin(np.linspace(0, 20, 300)).astype(np.float32), **SMALL).data
    with pytest.raises(grpc.RpcError) as caught:
        list(fields.Decode(field_pb2.DecodeRequest(source=put(client, data), **asked)))
    error: Any = caught.value
    assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED), error.details()
    assert message in error.details()


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of a test's own, without workers."""
    with RunningServer(tmp_path / "data", "--workers", "0") as running:
        yield running


def helpers(server: RunningServer) -> list[psutil.Process]:
    """The helper processes of a server."""
    found = psutil.Process(server.process.pid).children()
    return [child for child in found if "service.workers.helper" in command_of(child)]


def test_slow_readers_take_no_memory_and_hold_up_nobody(quiet: RunningServer, picture: Picture) -> None:
    """Each reads one message and then waits; the samples that it does not want yet are not decoded yet."""
    data = alone(picture, **SMALL).data
    with inr.Client(quiet.address) as client, grpc.insecure_channel(quiet.address) as channel:
        fields = field_pb2_grpc.FieldServiceStub(channel)
        small = field_pb2.DecodeRequest(source=put(client, data))
        huge = field_pb2.DecodeRequest(source=small.source, scale=HUGE)
        tiles(fields.Decode(small))  # the library is loaded
        before = memory(quiet)
        slow = fields.Decode(huge)
        size = next(slow).header
        assert np.prod(size.shape) * size.channels > 14 * MUCH
        next(slow)
        for _ in range(10):
            tiles(fields.Decode(small))
        assert memory(quiet) - before < 8 * MUCH
        also_slow = fields.Decode(huge)
        next(also_slow)
        client.check(picture, **SMALL)  # needs a helper as well
        also_slow.cancel()
        assert sum(len(answer.tile.data) for answer in slow) > 13 * MUCH  # nothing of it was lost


def memory(server: RunningServer) -> int:
    """Bytes of a server and of its oldest helper."""
    [first, *_] = sorted(helpers(server), key=lambda helper: helper.create_time())
    return int(psutil.Process(server.process.pid).memory_info().rss + first.memory_info().rss)


def test_a_decoding_that_is_cancelled_leaves_nothing_behind(quiet: RunningServer, picture: Picture) -> None:
    data = alone(picture, **SMALL).data
    with inr.Client(quiet.address) as client, grpc.insecure_channel(quiet.address) as channel:
        fields = field_pb2_grpc.FieldServiceStub(channel)
        small = field_pb2.DecodeRequest(source=put(client, data))
        wanted = tiles(fields.Decode(small))
        for _ in range(2):
            half = fields.Decode(field_pb2.DecodeRequest(source=small.source, scale=HUGE))
            next(half)
            next(half)
            half.cancel()
        assert tiles(fields.Decode(small)) == wanted
        until(lambda: len(helpers(quiet)) <= 2)
        left = helpers(quiet)
    quiet.stop()
    assert psutil.wait_procs(left, timeout=10)[1] == []


def test_a_reader_that_takes_nothing_loses_its_helper(tmp_path: Path, picture: Picture) -> None:
    config = ServerConfig(data=tmp_path, workers=0)
    database = database_of(config)
    database.prepare()
    path = tmp_path / "field.inr"
    path.write_bytes(alone(picture, **SMALL).data)
    sha256 = BlobStore(database, config.blobs_url).add("me", path)
    database.close()
    asked = {"op": "decode", "sha256": sha256, "layers": None, "png": False}
    asyncio.run(_check_one_helper_for_two(config, asked))


async def _check_one_helper_for_two(config: ServerConfig, asked: dict[str, Any]) -> None:
    one = Helpers(config, 1, stalled_seconds=0.2)
    async with one.stream("me", **asked, target={"scale": HUGE}) as answers:
        await anext(answers)
        async with one.stream("me", **asked, target={}) as others:  # waits until the first has lost its place
            assert [head.get("last") async for head, _ in others][-1]
        with pytest.raises(DeadlineError, match=r"nothing was read for 0\.2 s"):
            async for _ in answers:
                pass
    assert (await one.ask("me", op="layers", sha256=asked["sha256"]))["layers"]
    await one.close()
