"""Components of another package in a server: its workers fit them, its helpers check, describe and decode them."""

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.client import StateChanged
from inr.client.events import job_info
from inr.errors import SpecError, UnsupportedFeatureError
from inr.rpc.v1 import job_pb2
from tests.service.test_command_line import said
from tests.support.servers import RunningServer
from tests.support.third_party import DISTRIBUTION, install

MODELS = ("ripples", "zigzag")
SECONDS = 0.25


def test_a_server_knows_the_models_of_another_package(tmp_path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """This process does not have them, which does not matter to a client that leaves decoding to the server."""
    environment = install(tmp_path / "site")
    with (
        RunningServer(tmp_path / "data", "--workers", "1", environment=environment) as server,
        inr.Client(server.address) as client,
    ):
        assert set(MODELS) <= {model.kind for model in client.capabilities().models}
        for model in MODELS:
            job = client.submit(picture, model=model, settings={"width": 24}, steps=20)
            assert [e.state for e in job.watch() if isinstance(e, StateChanged)][-1] == "done"
            result = job.info().result
            assert result is not None
            assert result.model == model
            assert client.decode(job).shape == picture.shape
            [layer] = [layer for _, layer in client.stream(job)]
            assert layer.bytes == len(job.result())
    assert "left out" not in server.log.read_text("utf-8")


def sound(samples: npt.NDArray[np.int16]) -> bytes:
    """A WAV file."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((1, 2, 8000, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    return stream.getvalue()


def _difference(reference: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> float:
    """The mean absolute difference as a share of the range of the samples."""
    values = reference.astype(np.float64)
    return float(np.abs(values - other).mean() / np.ptp(values))


def test_a_server_knows_the_kinds_of_another_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its workers read and fit sound, its helpers describe and decode it; no message knows of it."""
    environment = install(tmp_path / "site")
    chord = np.rint(9000 * np.sin(np.arange(round(8000 * SECONDS)) / 9)).astype("<i2")
    with (
        RunningServer(tmp_path / "data", "--workers", "1", environment=environment) as server,
        inr.Client(server.address) as client,
    ):
        assert list(client.capabilities().signals) == ["image", "video", "array", "tone"]
        job = client.submit(sound(chord), steps=200, batch=512, size=2000, time=(0.05, 0.25))
        assert [e.state for e in job.watch() if isinstance(e, StateChanged)][-1] == "done"
        samples = client.decode(job)
        assert (samples.shape, samples.dtype) == ((1600, 1), np.int16)
        np.testing.assert_array_equal(client.decode(job, time=(0.05, 0.1)), samples[400:800])
        assert client.decode(job, scale=2.0).shape == (3200, 1)
        with pytest.raises(SpecError, match="region: a tone has none"):
            client.decode(job, region=(0, 1))
        result = job.info().result
        assert result is not None
        assert list(result.metrics) == ["difference", "psnr"]  # the one that matters most first
        assert result.metrics["psnr"] == result.psnr
        assert result.metrics["difference"] == pytest.approx(_difference(chord[400:], samples[:, 0]), rel=1e-3)
        assert result.ssim is None
        shown = said(capsys, "jobs", "--server", server.address).splitlines()[1]
        assert shown.endswith(f" bpp, difference {result.metrics['difference']:.4g}, {result.psnr:.2f} dB")
        [told] = json.loads(said(capsys, "jobs", "--json", "--server", server.address))
        assert told["result"]["metrics"] == result.metrics
        assert np.abs(samples[:, 0] - chord[400:].astype(np.float64)).mean() < 2000
        assert result.psnr > 15
        with pytest.raises(UnsupportedFeatureError, match="kind of signal 70000 is not known"):
            inr.open(job.result())


def test_a_server_knows_the_coders_of_another_package(tmp_path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """Its workers code with it in several layers, its helpers check settings for it, describe and decode."""
    environment = install(tmp_path / "site")
    with (
        RunningServer(tmp_path / "data", "--workers", "1", environment=environment) as server,
        inr.Client(server.address) as client,
    ):
        job = client.submit(picture, coder="cosine:terms=12", size=900, layers=3)
        assert [e.state for e in job.watch() if isinstance(e, StateChanged)][-1] == "done"
        result = job.info().result
        assert result is not None
        assert result.model == "cosine"
        assert len(job.result()) <= 900
        assert len([layer for _, layer in client.stream(job)]) == 3
        assert client.decode(job).shape == picture.shape
        height, width = picture.shape[:2]
        assert client.decode(job, scale=2.0).shape[:2] == (2 * height, 2 * width)
        with pytest.raises(SpecError, match="batch: the coder cosine has none; it takes"):
            client.submit(picture, coder="cosine", batch=7)
        with pytest.raises(UnsupportedFeatureError, match="coder id 77001 is not known"):
            inr.open(job.result())


def test_a_kind_names_the_coder_that_a_server_takes(tmp_path: Path) -> None:
    """A kind and a coder of the same package, of which the settings of a job name neither."""
    environment = install(tmp_path / "site")
    module = tmp_path / "site" / DISTRIBUTION / "tone_kind.py"
    usual, own = '    suffix: ClassVar[str] = ".wav"\n', '    default_coder: ClassVar[str | None] = "cosine"\n'
    assert module.read_text("utf-8").count(usual) == 1
    module.write_text(module.read_text("utf-8").replace(usual, own + usual), "utf-8")
    chord = np.rint(9000 * np.cos(np.arange(2000) * 6 * np.pi / 2000)).astype("<i2")
    with (
        RunningServer(tmp_path / "data", "--workers", "1", environment=environment) as server,
        inr.Client(server.address) as client,
    ):
        job = client.submit(sound(chord), size=400, layers=2)
        result = job.wait().result
        assert result is not None
        assert (result.model, len(result.layers)) == ("cosine", 2)
        assert list(result.metrics) == ["difference", "psnr"]
        assert np.abs(client.decode(job)[:, 0] - chord.astype(np.float64)).mean() < 500
        named = client.submit(sound(chord), coder="weights", steps=5, size=2000).wait().result
        assert named is not None
        assert named.model == "siren"
        image = client.submit(np.zeros((16, 16, 3), np.uint8), steps=5).wait().result
        assert image is not None
        assert image.model != "cosine"
        heeded = client.submit(sound(chord), steps=5).wait().result
        assert heeded is not None
        assert heeded.model == "siren"  # what the coder of the kind does not heed, the usual one does
    assert "left out" not in server.log.read_text("utf-8")


def test_a_server_knows_the_optimisers_of_another_package(
    tmp_path: Path, server: RunningServer, picture: npt.NDArray[np.uint8]
) -> None:
    """The server of another test has none, and says so."""
    settings: dict[str, Any] = {"model": "siren", "settings": {"width": 16, "depth": 2}, "steps": 40}
    environment = install(tmp_path / "site")
    with (
        RunningServer(tmp_path / "data", "--workers", "1", environment=environment) as own,
        inr.Client(own.address) as client,
    ):
        job, usual = (client.submit(picture, **settings, optimiser=name) for name in ("radam", "adam"))
        info = job.wait()
        assert info.result is not None
        assert (info.attempts, info.result.steps) == (1, 40)
        assert job.result() != usual.result()
        assert inr.open(job.result()).decode().shape == picture.shape  # a file does not say how it was fitted
        again = client.submit(picture, **settings, optimiser={"kind": "radam"})
        assert again.result() == job.result()
    with inr.Client(server.address) as client, pytest.raises(SpecError, match="unknown optimiser 'radam'; known: adam"):
        client.submit(picture, **settings, optimiser="radam")


def test_results_of_an_older_server_have_their_two_measures() -> None:
    job = job_pb2.Job(state=job_pb2.JOB_STATE_DONE, result=job_pb2.Result(psnr=30.0, ssim=0.9))
    found = job_info(job).result
    assert found is not None
    assert found.metrics == {"psnr": 30.0, "ssim": 0.9}
    job.result.ClearField("ssim")
    found = job_info(job).result
    assert found is not None
    assert found.metrics == {"psnr": 30.0}
