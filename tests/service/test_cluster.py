"""More than one machine's worth: two servers on one PostgreSQL queue, and jobs on a Ray cluster that loses a node."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest

import inr
from inr.client import ProgressMade
from inr.errors import SpecError
from inr.signals.video.attributes import VideoAttributes
from inr.signals.video.read import save_video
from tests.service.conftest import LONG, LONG_STEPS, SMALL
from tests.support.ray_cluster import RayCluster
from tests.support.servers import RunningServer, alone, command_of, until

Picture = npt.NDArray[np.uint8]
QUICK = ("--checkpoint-seconds", "0.3", "--lease-seconds", "5")
ENDLESS = {**LONG, "steps": 10**6}


def test_two_servers_share_a_queue(tmp_path: Path, picture: Picture, postgresql_url: str) -> None:
    """One takes the jobs and does none, the other one does them; either tells about them."""
    shared = ("--database", postgresql_url, "--blobs", str(tmp_path / "blobs"))
    with (
        RunningServer(tmp_path / "front", "--workers", "0", *shared) as front,
        RunningServer(tmp_path / "back", "--workers", "1", *shared) as back,
        inr.Client(front.address) as client,
        inr.Client(back.address) as other,
    ):
        jobs = [client.submit(picture, **SMALL, seed=seed) for seed in range(4)]
        here = [alone(picture, **SMALL, seed=seed).data for seed in range(4)]
        assert [job.result() for job in jobs] == here
        assert [other.job(job.id).result() for job in jobs] == here
        assert {job.id for job in other.jobs()} == {job.id for job in jobs}


def test_a_server_that_dies_leaves_its_jobs_to_the_other(tmp_path: Path, picture: Picture, postgresql_url: str) -> None:
    shared = ("--database", postgresql_url, "--blobs", str(tmp_path / "blobs"), "--lease-seconds", "2")
    with RunningServer(tmp_path / "b", "--workers", "0", *shared) as back, inr.Client(back.address) as client:
        front = RunningServer(tmp_path / "a", "--workers", "1", *shared).start()
        job = client.submit(picture, **LONG)
        until(lambda: job.info().progress is not None)
        for worker in front.workers():
            worker.kill()
        front.kill()
        with RunningServer(tmp_path / "c", "--workers", "1", *shared):
            assert job.wait().state == "done"
        assert job.info().attempts == 2


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[RayCluster]:
    """Two nodes with a CPU each, one of them with a GPU as far as Ray knows; skips, saying why, without Ray."""
    reason = RayCluster.why_not()
    if reason:
        pytest.skip(reason)
    with RayCluster() as cluster:
        cluster.add(cpus=1)
        cluster.add(cpus=1, gpus=1)
        yield cluster


@pytest.fixture(scope="module")
def ray_server(ray_cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that the tests share which leave it as it is."""
    with RunningServer(tmp_path_factory.mktemp("ray") / "data", *on(ray_cluster), *QUICK) as server:
        yield server


@pytest.fixture
def ray_client(ray_cluster: RayCluster, ray_server: RunningServer) -> Iterator[inr.Client]:
    """A client of the server that the tests share; afterwards nothing runs there."""
    with inr.Client(ray_server.address) as client:
        yield client
        for job in client.jobs(["queued", "running"]):
            client.job(job.id).cancel()
        until(lambda: not tasks(ray_cluster), 20)


@pytest.fixture(scope="module")
def clip(picture: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of six frames."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    frames = np.stack([np.roll(picture, i, axis=1) for i in range(6)])
    meta = inr.load(frames, axes=3).meta
    save_video(path, frames, replace(meta, attributes=VideoAttributes(Fraction(25))))
    return path


@pytest.fixture(scope="module")
def undisturbed(picture: Picture) -> bytes:
    """The file of a job of several seconds."""
    return alone(picture, **LONG).data


def on(cluster: RayCluster) -> tuple[str, ...]:
    return "--executor", "ray", "--ray-address", cluster.address


def driver_of(server: RunningServer) -> psutil.Process:
    [driver] = [child for child in psutil.Process(server.process.pid).children() if "ray_driver" in command_of(child)]
    return driver


def tasks(cluster: RayCluster) -> dict[psutil.Process, subprocess.Popen[bytes]]:
    """Processes that run a task now, and their nodes."""
    return {
        process: node
        for node in cluster.nodes
        for process in psutil.Process(node.pid).children(recursive=True)
        if re.match("ray::(first_part|other_part|joined)", command_of(process))
    }


def far(job: inr.client.Job, share: float = 0.15) -> bool:
    progress = job.info().progress
    return progress is not None and progress.share > share


def starts(steps: list[int]) -> list[int]:
    """The first step that each attempt tells of; one that goes on from a checkpoint does not tell of the first."""
    return [steps[0], *[after for before, after in pairwise(steps) if after < before]]


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"),
    [(1, 0, 6), (0.3, 0, 19), (3, 0, 1), (8, 0, 0), (1, 0.5, 4), (0.25, 0.3, 6), (0.5, 0.7, 2), (1, 1, 2), (1, 2, 1)],
)
def test_room_is_what_single_nodes_have(monkeypatch: pytest.MonkeyPatch, cpus: float, gpus: float, room: int) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'inr[ray]')")
    from service.workers import ray_jobs

    nodes = [{"Resources": {"CPU": 4.0, "GPU": 2.0}}, {"Resources": {"CPU": 2.0}}, {"Resources": {}}]
    monkeypatch.setattr(ray_jobs, "_nodes", lambda: nodes)
    cluster = ray_jobs.Cluster(cpus, gpus)
    assert cluster.room() == room
    if room == 0:
        with pytest.raises(SpecError, match=r"asks for 8 CPU\(s\) and 0 GPU\(s\); no node .* has 4 and 2"):
            cluster.check()
    with pytest.raises(SpecError, match=r"a share of one GPU or whole GPUs; got 1\.5"):
        ray_jobs.Cluster(cpus, 1.5).check()


def test_parts_of_many_jobs_run_side_by_side(ray_server: RunningServer, ray_client: inr.Client, clip: Path) -> None:
    """More jobs than CPUs, each of several parts: none waits for a CPU that another one holds and does not use."""
    settings: dict[str, Any] = {**SMALL, "segment": 2}
    jobs = [ray_client.submit(clip, **settings, seed=seed) for seed in range(3)]
    assert [job.result() for job in jobs] == [alone(clip, **settings, seed=seed).data for seed in range(3)]
    log = ray_server.log.read_text()
    for job in jobs:
        assert job.info().attempts == 1
        assert len(re.findall(f"job {job.id}: a part was done by", log)) == 3
    assert len(set(re.findall(r"a part was done by (\S+?:\d+)", log))) >= 2
    shares = [event.share for event in jobs[0].watch() if isinstance(event, ProgressMade)]
    assert shares == sorted(shares)


def test_bands_of_a_picture_and_slabs_of_an_array_are_tasks(ray_client: inr.Client, picture: Picture) -> None:
    volume = np.linspace(-1, 1, 12 * 8 * 8, dtype=np.float32).reshape(12, 8, 8) ** 3
    bands = ray_client.submit(picture, **SMALL, segment=20)
    slabs = ray_client.submit(volume, **SMALL, segment=5)
    assert bands.result() == alone(picture, **SMALL, segment=20).data
    assert slabs.result() == alone(volume, **SMALL, segment=5).data
    assert inr.open(bands.result()).decode(scale=2.0).shape == (96, 128, 3)


def test_cancellation_reaches_the_tasks(
    ray_cluster: RayCluster, ray_client: inr.Client, picture: Picture, clip: Path
) -> None:
    parts = ray_client.submit(clip, **{**ENDLESS, "segment": 2, "steps": 2000})
    whole = ray_client.submit(picture, **ENDLESS)
    until(lambda: far(parts, 0.33) and far(whole, 0.0))  # a part runs, and one waits
    until(lambda: len(tasks(ray_cluster)) == 2)
    for job in (parts, whole):
        job.cancel()
    until(lambda: all(job.info().state == "cancelled" for job in (parts, whole)), 4)
    until(lambda: not tasks(ray_cluster), 4)
    assert ray_client.submit(picture, **SMALL).wait().state == "done"


def test_a_request_that_no_node_can_meet_is_refused_at_once(tmp_path: Path, ray_cluster: RayCluster) -> None:
    server = RunningServer(tmp_path / "data", *on(ray_cluster), "--ray-gpus", "2")
    with pytest.raises(RuntimeError, match=r"a job asks for 1 CPU\(s\) and 2 GPU\(s\); no node has as much, the large"):
        server.start()
    assert server.process.wait(timeout=10) == 2


def test_a_cluster_that_cannot_be_reached_is_refused_at_once(tmp_path: Path, ray_cluster: RayCluster) -> None:
    server = RunningServer(tmp_path / "data", "--executor", "ray", "--ray-address", "127.0.0.1:1")
    with pytest.raises(RuntimeError, match=r"ray: cannot use 127.0.0.1:1: .*refused"):
        server.start()
    assert server.process.wait(timeout=10) == 2


def test_killed_servers_and_drivers_lose_no_job(
    tmp_path: Path, ray_cluster: RayCluster, picture: Picture, undisturbed: bytes
) -> None:
    server = RunningServer(tmp_path / "data", *on(ray_cluster), *QUICK).start()
    try:
        with inr.Client(server.address, patience=60) as client:
            job = client.submit(picture, **LONG)
            until(lambda: far(job, 0.2))
            driver_of(server).kill()
            until(lambda: job.info().attempts == 2 and far(job, 0.4))
            driver, running = driver_of(server), list(tasks(ray_cluster))
            assert len(running) == 1
            server.kill()
            psutil.wait_procs([driver, *running], timeout=20)
            assert not driver.is_running()  # it noticed
            assert not any(task.is_running() for task in running)
            server.start()
            steps = [event.step for event in job.watch() if isinstance(event, ProgressMade)]
            assert job.result() == undisturbed
            assert job.info().attempts == 3
            assert all(step > 0.1 * LONG_STEPS for step in starts(steps)[1:])
    finally:
        server.stop()


def test_shares_of_gpus_are_counted(tmp_path: Path, ray_cluster: RayCluster, picture: Picture) -> None:
    options = (*on(ray_cluster), "--ray-gpus", "0.5", "--ray-cpus", "0.25")
    with RunningServer(tmp_path / "data", *options) as server, inr.Client(server.address) as client:
        jobs = [client.submit(picture, **ENDLESS) for _ in range(3)]
        until(lambda: far(jobs[0], 0.0) and far(jobs[1], 0.0))
        assert [job.info().state for job in jobs] == ["running", "running", "queued"]
        assert len(set(tasks(ray_cluster).values())) == 1


def test_a_lost_node_is_made_good(
    ray_cluster: RayCluster, ray_client: inr.Client, picture: Picture, undisturbed: bytes
) -> None:
    job = ray_client.submit(picture, **LONG)
    until(lambda: far(job, 0.3))
    [node] = tasks(ray_cluster).values()
    ray_cluster.kill(node)
    steps = [event.step for event in job.watch() if isinstance(event, ProgressMade)]
    assert job.result() == undisturbed
    assert job.info().attempts == 2
    assert all(step > 0.05 * LONG_STEPS for step in starts(steps)[1:])  # of a checkpoint, however old


def test_a_part_on_a_lost_node_is_made_good(
    ray_cluster: RayCluster, ray_server: RunningServer, ray_client: inr.Client, clip: Path
) -> None:
    ray_cluster.add(cpus=1)
    settings: dict[str, Any] = {**LONG, "settings": {"width": 32, "depth": 2}, "segment": 3, "steps": 4000}
    job = ray_client.submit(clip, **settings)
    until((ray_server.data / "checkpoints" / job.id / "1" / "fit.part2").exists)
    [(process, node)] = tasks(ray_cluster).items()
    assert process.name() == "ray::other_part"
    ray_cluster.kill(node)
    assert job.result() == alone(clip, **settings).data
    assert job.info().attempts == 1  # only that part was done again


def test_a_cluster_of_its_own_ends_with_the_server(tmp_path: Path, ray_cluster: RayCluster, picture: Picture) -> None:
    options = ("--executor", "ray")
    with RunningServer(tmp_path / "data", *options) as server, inr.Client(server.address) as client:
        assert client.submit(picture, **SMALL).result() == alone(picture, **SMALL).data
        started = psutil.Process(server.process.pid).children(recursive=True)
        assert any("raylet" in process.name() for process in started)
    psutil.wait_procs(started, timeout=10)
    assert not any(process.is_running() for process in started)
