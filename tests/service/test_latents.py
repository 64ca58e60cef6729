"""Jobs of the coder `latent`, the one of pictures: they are watched, killed and cut like any other."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.client import LayerInfo, LayerReady, PreviewReady, ProgressMade
from tests.support.servers import RunningServer, alone, until

Picture = npt.NDArray[np.uint8]
STEPS = 3000
LATENTS: dict[str, Any] = {"coder": "latent", "steps": STEPS}
QUICK = ("--workers", "1", "--checkpoint-seconds", "0.3", "--lease-seconds", "5")


@pytest.fixture(scope="module")
def large(picture: Picture) -> Picture:
    """A picture that takes a while, however fast a step is."""
    return picture.repeat(2, axis=0).repeat(2, axis=1)


def test_pictures_get_it_and_are_what_the_library_makes(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, steps=40, layers=3, seed=5)
    info = job.wait()
    here = alone(picture, steps=40, layers=3, seed=5)
    assert here.report.model == "latent"
    assert job.result() == here.data
    assert info.result is not None
    assert (info.result.model, len(info.result.layers)) == ("latent", 3)
    for data, layer in client.stream(job):
        assert len(data) == layer.bytes
        assert inr.open(data).decode().shape == picture.shape
    np.testing.assert_array_equal(client.decode(job, scale=1.7), inr.open(here.data).decode(scale=1.7))


def test_watching(client: inr.Client, large: Picture) -> None:
    job = client.submit(large, **LATENTS, layers=2)
    events = list(job.watch())
    progress = [event for event in events if isinstance(event, ProgressMade)]
    assert len(progress) >= 3
    assert [event.step for event in progress] == sorted(event.step for event in progress)
    assert (progress[-1].step, progress[-1].share) == (STEPS, 1.0)
    assert progress[-1].psnr > progress[0].psnr
    previews = [event for event in events if isinstance(event, PreviewReady)]
    assert previews
    assert inr.load(previews[-1].png).samples.shape[:2] == (previews[-1].height, previews[-1].width)
    result = job.info().result
    assert result is not None
    layers = [event for event in events if isinstance(event, LayerReady)]
    assert [LayerInfo(layer.number, layer.bytes, layer.psnr) for layer in layers] == list(result.layers)


def test_a_cancelled_job_ends(client: inr.Client, large: Picture) -> None:
    job = client.submit(large, coder="latent", steps=100_000)
    until(lambda: job.info().progress is not None)
    job.cancel()
    until(lambda: job.info().state == "cancelled", seconds=20)
    assert job.info().attempts == 1


@pytest.mark.parametrize("everything", [False, True])
def test_what_is_killed_goes_on_to_the_same_bytes(tmp_path: Path, large: Picture, everything: bool) -> None:
    undisturbed = alone(large, **LATENTS, size=2500).data
    server = RunningServer(tmp_path / "data", *QUICK).start()
    try:
        with inr.Client(server.address) as client:
            job = client.submit(large, **LATENTS, size=2500)
            until(lambda: (info := job.info()).progress is not None and info.progress.share > 0.3)
            if everything:
                server.kill_with_workers()
                server.start()
            else:
                [worker] = server.workers()
                worker.kill()
            steps = [event.step for event in job.watch() if isinstance(event, ProgressMade)]
            assert job.info().attempts == 2
            assert job.result() == undisturbed
            far = next(i for i, step in enumerate(steps) if step > 0.2 * STEPS)
            assert min(steps[far:]) > 0.02 * STEPS  # it went on from a checkpoint
    finally:
        server.stop()


def test_bands_of_a_picture_are_parts_of_a_job(client: inr.Client, picture: Picture) -> None:
    job = client.submit(picture, steps=40, segment=20, size=3000)
    here = alone(picture, steps=40, segment=20, size=3000)
    assert job.result() == here.data
    assert (here.report.model, here.report.segments) == ("latent", 3)
