"""Whether there is a GPU: by the signs of a driver first, and then by what torch says."""

import sys
from pathlib import Path

import pytest
import torch

from inr.backends.cuda import cuda_found

SIGNS = (
    "/proc/driver/nvidia/version",
    "/dev/nvidiactl",
    "/dev/nvhost-ctrl",
    "/dev/nvmap",
    "/dev/kfd",
    "/dev/dxg",
)


def only(monkeypatch: pytest.MonkeyPatch, *paths: str) -> None:
    """Let no other file be there."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "exists", lambda self: str(self) in paths)


@pytest.mark.parametrize("sign", SIGNS)
def test_torch_is_asked_where_there_is_a_driver(sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of NVIDIA, for cards and for boards with a GPU inside, of AMD, and of Windows below Linux."""
    only(monkeypatch, sign)
    for available in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert cuda_found() is available


def test_the_answer_does_not_depend_on_what_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch is loaded here, and would say yes; without a driver it is asked no more than in a fresh process."""
    assert "torch" in sys.modules
    only(monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not cuda_found()
