"""Whether torch would find a GPU, asked without importing torch where there is none."""

import importlib.util
import sys
from pathlib import Path

from inr.forks import cuda_lost

_SIGNS = (
    "/proc/driver/nvidia/version",
    "/dev/nvidiactl",
    "/dev/nvhost-ctrl",
    "/dev/nvmap",
    "/dev/kfd",
    "/dev/dxg",
)
"""What drivers leave behind on Linux: NVIDIA's for cards and for boards with a GPU inside (Tegra), AMD's, Windows'."""


def cuda_found() -> bool:
    """True if there is a CUDA device that torch can use.

    Imports torch only where a driver makes that likely. What was imported before makes no difference: a fit must not
    go another way because of it.
    """
    if cuda_lost() or not _driver() or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _driver() -> bool:
    """True for a sign of a driver, and on systems where nobody knows what to look for."""
    return not sys.platform.startswith("linux") or any(Path(sign).exists() for sign in _SIGNS)
