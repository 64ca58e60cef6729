"""The compiled kernels, if this installation has them: networks on tiles of samples, and the range coder.

Nothing needs them: torch runs every network, and the coder has a twin in Python. ``INR_NATIVE=0`` switches them off,
``INR_ISA`` chooses a lower instruction set than the best one of the machine.
"""

import importlib
import os
from functools import cache
from types import ModuleType


def load() -> ModuleType | None:
    """The compiled module, or None."""
    return _module()[0]


def reason() -> str | None:
    """Why there is no compiled module, or None if there is one."""
    return _module()[1]


def default_threads() -> int:
    """Threads that kernels use unless they are told: ``OMP_NUM_THREADS`` if it is a number, at most one a core."""
    module = load()
    cores = int(module.available_cores()) if module is not None else 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(cores, int(wanted)) if wanted.isdigit() and int(wanted) > 0 else cores


def _module() -> tuple[ModuleType | None, str | None]:
    if os.environ.get("INR_NATIVE") == "0":
        return None, "switched off by INR_NATIVE=0"
    return _import()


@cache
def _import() -> tuple[ModuleType | None, str | None]:
    try:
        return importlib.import_module("inr.native._kernels"), None
    except ImportError as error:
        return None, f"not compiled ({error}); install a C++ compiler (GCC or Clang) and then inr again"
