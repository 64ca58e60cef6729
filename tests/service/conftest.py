"""Databases and servers for the tests of the service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import inr
from service.store.database import Database
from tests.support.postgres import PostgresServer
from tests.support.servers import RunningServer

SMALL: dict[str, Any] = {"model": "siren", "settings": {"width": 16, "depth": 2}, "steps": 40}
"""A job of a fraction of a second."""
LONG_STEPS = 1600
LONG: dict[str, Any] = {"model": "siren", "settings": {"width": 96, "depth": 2}, "steps": LONG_STEPS, "batch": 2048}
"""A job of several seconds."""


@pytest.fixture(scope="session")
def picture() -> npt.NDArray[np.uint8]:
    """A small photo-like picture."""
    y, x = np.mgrid[0:48, 0:64] / 64
    planes = [np.sin(9 * x + 4 * y), np.cos(7 * y * y), np.sin(20 * x * y)]
    return np.round(127.5 + 120 * np.stack(planes, axis=-1)).astype(np.uint8)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that all tests share which leave it as it is."""
    with RunningServer(tmp_path_factory.mktemp("shared") / "data", "--workers", "1") as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[inr.Client]:
    """A client of the shared server."""
    with inr.Client(server.address) as connected:
        yield connected


@pytest.fixture(scope="session")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose jobs stay queued."""
    with RunningServer(tmp_path_factory.mktemp("idle") / "data", "--workers", "0") as running:
        yield running


@pytest.fixture
def waiting(idle: RunningServer) -> Iterator[inr.Client]:
    """A client of that server."""
    with inr.Client(idle.address) as connected:
        yield connected


@pytest.fixture
def queued(waiting: inr.Client, picture: npt.NDArray[np.uint8]) -> inr.client.Job:
    """A job that stays queued."""
    return waiting.submit(picture, **SMALL)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    made = Database(url)
    made.prepare()
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A private PostgreSQL; skips, saying why, where there is none."""
    reason = PostgresServer.why_not()
    if reason:
        pytest.skip(reason)
    with PostgresServer() as running:
        yield running


@pytest.fixture
def postgresql_url(postgresql_server: PostgresServer) -> Iterator[str]:
    """URL of an empty database."""
    with postgresql_server.new_database() as url:
        yield url
