"""Components of another package in a server: its workers fit them, its helpers check, describe and decode them."""

import io
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.client import StateChanged
from inr.errors import SpecError, UnsupportedFeatureError
from tests.support.servers import RunningServer
from tests.support.third_party import install

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


def test_a_server_knows_the_kinds_of_another_package(tmp_path: Path) -> None:
    """Its workers read and fit sound, its helpers describe and decode it; no message knows of it."""
    environment = install(tmp_path / "site")
    stream = io.BytesIO()
    chord = np.rint(9000 * np.sin(np.arange(round(8000 * SECONDS)) / 9)).astype("<i2")
    with wave.open(stream, "wb") as file:
        file.setparams((1, 2, 8000, len(chord), "NONE", ""))
        file.writeframes(chord.tobytes())
    with (
        RunningServer(tmp_path / "data", "--workers", "1", environment=environment) as server,
        inr.Client(server.address) as client,
    ):
        assert list(client.capabilities().signals) == ["image", "video", "array", "tone"]
        job = client.submit(stream.getvalue(), steps=200, batch=512, size=2000, time=(0.05, 0.25))
        assert [e.state for e in job.watch() if isinstance(e, StateChanged)][-1] == "done"
        samples = client.decode(job)
        assert (samples.shape, samples.dtype) == ((1600, 1), np.int16)
        np.testing.assert_array_equal(client.decode(job, time=(0.05, 0.1)), samples[400:800])
        assert client.decode(job, scale=2.0).shape == (3200, 1)
        with pytest.raises(SpecError, match="region: a tone has none"):
            client.decode(job, region=(0, 1))
        result = job.info().result
        assert result is not None
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
