"""The compiled kernels, if this installation has them: networks on tiles of samples, and the range coder.

Nothing needs them: torch runs every network, and the coder has a twin in Python. ``INR_NATIVE=0`` switches them off,
``INR_ISA`` chooses a lower instruction set than the best one of the machine.
"""

import importlib
import os
from functools import cache
from types import ModuleType

_limit: int | None = None


def load() -> ModuleType | None:
    """The compiled module, or None."""
    return _module()[0]


def reason() -> str | None:
    """Why there is no compiled module, or None if there is one."""
    return _module()[1]


def limit_threads(count: int) -> None:
    """Let kernels in this process use so many threads at most, whatever they are told."""
    global _limit  # noqa: PLW0603 (a property of the process, like the environment)
    _limit = count


def threads(wanted: int | None = None) -> int:
    """Threads that kernels use: those wanted, or else ``OMP_NUM_THREADS`` if it is a number, or else one a core."""
    module = load()
    cores = int(module.available_cores()) if module is not None else 1
    if wanted is None:
        usual = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        wanted = min(cores, int(usual)) if usual.isdigit() and int(usual) > 0 else cores
    return wanted if _limit is None else min(wanted, _limit)


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
