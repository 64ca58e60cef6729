"""What all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline measures the machine's load; pytest's timeout stops what hangs. With CI set, hypothesis is deterministic.
settings.register_profile("inr", settings(), deadline=None)
settings.load_profile("inr")


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
