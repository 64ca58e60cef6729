"""Whether torch would find a GPU, asked without importing torch where there is none."""

import importlib.util
import sys
from pathlib import Path

_SIGNS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
"""What the drivers of NVIDIA leave behind on Linux; the last one under Windows."""


def cuda_found() -> bool:
    """True if there is a CUDA device that torch can use. Imports torch only where a driver makes that likely."""
    loaded = sys.modules.get("torch")
    if loaded is None and not (_driver() and importlib.util.find_spec("torch")):
        return False
    import torch

    return torch.cuda.is_available()


def _driver() -> bool:
    """True for a sign of a driver, and on systems where nobody knows what to look for."""
    return not sys.platform.startswith("linux") or any(Path(sign).exists() for sign in _SIGNS)
