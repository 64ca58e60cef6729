"""Components of another package in a server: its workers fit them, its helpers check, describe and decode them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

import inr
from inr.client import StateChanged
from tests.support.servers import RunningServer
from tests.support.third_party import install

MODELS = ("ripples", "zigzag")


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
