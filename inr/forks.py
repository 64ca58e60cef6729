"""What keeps a child of a fork from waiting for threads that only its parent has.

A fork copies the memory of a process and one of its threads. Three things would then wait for ever in the child, and
are seen to here, for every way to fork (`os.fork`, `multiprocessing`, `concurrent.futures`):

- A module that another thread was importing: nobody will finish it. So a fork waits for such imports, a while at most.
- The threads of OpenMP, in which torch computes: its pool is believed to be there. So torch uses one thread in a child
  of a process in which it may have several. (The compiled kernels make threads of their own after a fork.)
- CUDA: it cannot be used after a fork. So "auto" means the CPU there, and "cuda" is refused.

Python's own locks of what the library does once are avoided, see `inr.cached` and `inr.plugins`.
"""

import os
import sys
import threading
import time
from types import FrameType

IMPORT_SECONDS = 30.0
"""A fork waits so long for imports in other threads, at most: importing torch takes some seconds."""
_PAUSE = 0.002

_cuda_used = False
_cuda_lost = False


def watch() -> None:
    """See to forks of this process from now on; called once, when the library is imported."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_child=_in_child)


def cuda_lost() -> bool:
    """True in a child of a process that has used CUDA, which cannot be used here."""
    return _cuda_lost


def _before() -> None:
    """Wait until no other thread is importing a module."""
    global _cuda_used  # noqa: PLW0603 (a property of the process)
    is_initialized = getattr(getattr(sys.modules.get("torch"), "cuda", None), "is_initialized", None)
    _cuda_used = is_initialized is not None and is_initialized()  # a child is told that it is not
    if threading.active_count() == 1:
        return
    own, end = _own_imports(), time.monotonic() + IMPORT_SECONDS
    while _imports() - own and time.monotonic() < end:
        time.sleep(_PAUSE)


def _imports() -> set[str]:
    """Names of the modules that are being imported."""
    modules = list(sys.modules.items())
    return {name for name, module in modules if getattr(getattr(module, "__spec__", None), "_initializing", False)}


def _own_imports() -> set[str]:
    """Names of the modules that this thread is importing, from which it forks."""
    names: set[str] = set()
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            names.add(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    return names


def _in_child() -> None:
    """Let torch compute in this thread alone, and without CUDA if that is lost."""
    global _cuda_lost  # noqa: PLW0603 (a property of the process)
    _cuda_lost = _cuda_lost or _cuda_used
    set_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)
    if set_threads is not None:
        set_threads(1)
