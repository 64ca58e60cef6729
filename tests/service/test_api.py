"""The whole way through a real server, with the real client."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.client import JobInfo, LayerInfo, LayerReady, PreviewReady, ProgressMade, StateChanged
from inr.errors import (
    FitCancelledError,
    NotFoundError,
    RequestError,
    SignalError,
    SpecError,
    TargetError,
    UnknownComponentError,
)
from inr.signals.image.write import save_image
from tests.service.conftest import LONG, SMALL
from tests.support.servers import alone, until

Picture = npt.NDArray[np.uint8]


def test_a_job_gives_the_file_that_the_library_gives(client: inr.Client, picture: Picture, tmp_path: Path) -> None:
    job = client.submit(picture, **SMALL, layers=3, seed=5)
    info = job.fetch(tmp_path / "a.inr")
    here = alone(picture, **SMALL, layers=3, seed=5)
    assert (tmp_path / "a.inr").read_bytes() == here.data
    assert info.result is not None
    assert info.result.psnr == pytest.approx(here.report.psnr)
    assert info.result.bytes == len(here.data)
    assert (info.state, info.attempts, info.has_ended) == ("done", 1, True)
    assert info.created <= (info.started or 0) <= (info.ended or 0)
    assert job.result() == here.data
    np.testing.assert_array_equal(client.open(job).decode(scale=2.0), inr.open(here.data).decode(scale=2.0))


def test_every_kind_of_source(client: inr.Client, picture: Picture, tmp_path: Path) -> None:
    signal = inr.load(picture)
    save_image(tmp_path / "a.png", signal.samples, signal.meta)
    (tmp_path / "frames").mkdir()
    for i in (1, 2, 10):
        frame = np.roll(picture, i, axis=1)
        save_image(tmp_path / f"frames/f{i}.png", frame, signal.meta)
    audio = np.sin(np.linspace(0, 60, 500)).astype(np.float32)
    volume = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    sources: list[Path | bytes | npt.NDArray[np.float32]]
    sources = [tmp_path / "a.png", (tmp_path / "a.png").read_bytes(), audio, volume, tmp_path / "frames"]
    jobs = [client.submit(source, **SMALL) for source in sources]
    for source, job in zip(sources, jobs, strict=True):
        here = alone(source, **SMALL).data
        assert job.result() == here


def test_watching(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **LONG, layers=2)
    events = list(job.watch())
    states = [event.state for event in events if isinstance(event, StateChanged)]
    assert states == ["queued", "running", "done"]
    progress = [event for event in events if isinstance(event, ProgressMade)]
    assert len(progress) >= 3
    assert [event.step for event in progress] == sorted(event.step for event in progress)
    assert progress[-1].share == 1.0
    assert progress[-1].psnr > progress[0].psnr
    assert progress[-1].bpp >= 0
    previews = [event for event in events if isinstance(event, PreviewReady)]
    assert previews
    shown = inr.load(previews[-1].png)
    assert shown.samples.shape[:2] == (previews[-1].height, previews[-1].width)
    layers = [event for event in events if isinstance(event, LayerReady)]
    assert [layer.number for layer in layers] == [1, 2]
    info = job.info()
    assert info.result is not None
    assert [LayerInfo(layer.number, layer.bytes, layer.psnr) for layer in layers] == list(info.result.layers)


def test_a_watch_goes_on_where_another_ended(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **LONG)
    for event in job.watch():
        if isinstance(event, ProgressMade):
            break  # leaving the watch does not touch the job
    info = job.wait()
    assert info.state == "done"
    whole = list(job.watch())
    assert len(list(job.watch(after=3))) < len(whole)
    with pytest.raises(RequestError, match="after_sequence: the last event of the job has number"):
        list(job.watch(after=10**9))


def test_the_same_request_makes_one_job(client: inr.Client, picture: Picture) -> None:
    first = client.submit(picture, **SMALL, request_id="once")
    again = client.submit(picture, **SMALL, request_id="once")
    other = client.submit(picture, **SMALL)
    assert first.id == again.id != other.id


def test_checking_makes_no_job(client: inr.Client, picture: Picture) -> None:
    before = len(client.jobs())
    client.check(picture, **SMALL)
    with pytest.raises(SpecError, match="bpp"):
        client.check(picture, bpp=-1)
    assert len(client.jobs()) == before


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"model": "nonsense"}, UnknownComponentError, "unknown model 'nonsense'; known: siren, "),
        ({"bpp": 1, "psnr": 40}, SpecError, "give at most one of"),
        ({"nonsense": 1}, SpecError, "nonsense"),
        ({"model": "siren", "settings": {"width": -1}}, SpecError, "width"),
        ({"seconds": 1e7}, Exception, "seconds: at most"),
        ({"axes": 0}, RequestError, "fit.axes: must be at least 1; got 0"),
        ({"time": (3, 2)}, RequestError, "needs 0 <= start < end"),
    ],
)
def test_bad_settings_are_refused_before_any_job(
    client: inr.Client, picture: Picture, request_: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = len(client.jobs())
    with pytest.raises(error, match=message):
        client.submit(picture, **request_)
    assert len(client.jobs()) == before


def test_what_only_the_fit_can_tell_fails_the_job(client: inr.Client, picture: Picture) -> None:
    job = client.submit(b"this is no picture", **SMALL)
    with pytest.raises(SignalError):
        job.wait()
    assert job.info().error_code == "bad_signal"
    impossible = client.submit(picture, model="siren", psnr=99, steps=3)
    with pytest.raises(TargetError, match="99 dB was not reached"):
        impossible.wait()


def test_cancelling_a_running_job(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **{**LONG, "steps": 10**6})
    until(lambda: job.info().progress is not None)
    job.cancel()
    until(lambda: job.info().state == "cancelled", seconds=10)
    for ask in (job.wait, job.result, lambda: client.open(job)):
        with pytest.raises(FitCancelledError, match="was cancelled"):
            ask()
    job.delete()
    with pytest.raises(NotFoundError):
        job.info()


def test_lists(client: inr.Client, picture: Picture) -> None:
    made = [client.submit(picture, **SMALL) for _ in range(3)]
    for job in made:
        job.wait()
    found = client.jobs(limit=3)
    assert [job.id for job in found] == [job.id for job in reversed(made)]
    assert {job.state for job in client.jobs(states=["done"])} == {"done"}
    with pytest.raises(SpecError, match="state: must be one of queued, running"):
        client.jobs(states=["asleep"])
    assert all(isinstance(job, JobInfo) for job in found)


def test_streams_layer_by_layer(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **SMALL, layers=4)
    info = job.wait()
    assert info.result is not None
    arrived = list(client.stream(job))
    assert [layer for _, layer in arrived] == list(info.result.layers)
    for data, layer in arrived:
        assert len(data) == layer.bytes
        decoded = inr.open(data).decode()
        assert decoded.shape == picture.shape
    assert [layer.number for _, layer in client.stream(job, max_layers=2)] == [1, 2]
    assert [layer.number for _, layer in client.stream(job, max_bytes=arrived[1][1].bytes)] == [1, 2]
    enough = arrived[0][1].psnr or 0.0
    assert [layer.number for _, layer in client.stream(job, enough_psnr=enough)] == [1]
    with pytest.raises(RequestError, match="max_bytes: the first layer has"):
        list(client.stream(job, max_bytes=1))
    fields = list(client.open_progressively(job))
    np.testing.assert_array_equal(fields[-1].decode(), inr.open(arrived[-1][0]).decode())


def test_the_server_decodes_what_the_library_decodes(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, **SMALL, layers=2)
    field = inr.open(job.result())
    np.testing.assert_array_equal(client.decode(job), field.decode())
    np.testing.assert_array_equal(client.decode(job, scale=9.5), field.decode(scale=9.5))
    region = (3, 4, 20, 10)
    np.testing.assert_array_equal(
        client.decode(job, region=region, size=(33, 7)), field.decode(region=region, size=(33, 7))
    )
    with pytest.raises(SpecError, match="give a scale or a size"):
        client.decode(job, scale=2.0, size=(3, 3))
    with pytest.raises(inr.InrError, match=r"values are asked for|too many samples"):
        client.decode(job, scale=4000.0)
    clip = np.stack([picture, picture[::-1]])
    video = client.submit(clip, **SMALL, axes=3)
    video.wait()
    assert client.decode(video).shape == clip.shape


def test_capabilities(client: inr.Client) -> None:
    known = client.capabilities()
    assert {model.kind for model in known.models} == {model.kind for model in inr.list_models()}
    assert "default" in known.presets
    assert list(known.signals) == ["image", "video", "array"]
    assert known.limits.message_bytes == 8 * 2**20
    assert list(known.format_versions) == [1]
    assert "cpu" in known.devices
    assert '"learning_rate"' in known.spec_schema


def test_many_threads_share_a_client(client: inr.Client, picture: Picture) -> None:
    found: list[int] = []

    def ask() -> None:
        found.append(len(client.jobs(limit=1)))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
