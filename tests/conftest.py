"""What all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

collect_ignore = ["support/third_party"]  # modules that register themselves as those of another package, once imported

# A deadline measures the machine's load; pytest's timeout stops what hangs. With CI set, hypothesis is deterministic.
settings.register_profile("inr", settings(), deadline=None)
settings.load_profile("inr")


LONGEST = (
    "unit/native/test_sanitizers.py",
    "service/test_cluster.py",
    "service/test_crashes.py",
    "service/test_broken_connections.py",
    "conformance/test_models.py",
    "conformance/test_plugins.py",
)
"""Files that take longest. They begin, so that at the end no process waits for the last one of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, the others as they are."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `gpu` where there is no CUDA device."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def inr_data() -> Path:
    """The directory of larger real files that the environment variable INR_DATA names."""
    value = os.environ.get("INR_DATA", "")
    if not value:
        pytest.skip("INR_DATA is not set: it names a directory of real files for the larger tests")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"INR_DATA is {value!r}, which is not a directory")
    return folder
