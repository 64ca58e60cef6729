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

IMPORT_SECONDS = 60.0
"""A fork waits so long for imports in other threads, at most: importing torch takes some seconds."""
NEEDED = sys.stdlib_module_names | {
    *("inr", "numpy", "torch", "PIL", "imagecodecs", "tifffile", "imageio", "OpenEXR", "av", "cbor2"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
}
"""Packages that the library imports. Others may take for ever: a program may do all its work while it is imported."""
_PAUSE = 0.001
_IMPORTER = "<frozen importlib._bootstrap>"

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
    if len(sys._current_frames()) == 1:
        return
    end = time.monotonic() + IMPORT_SECONDS
    while True:
        time.sleep(_PAUSE)  # also once at first: a thread that has just got its turn is not interrupted before it forks
        if not _imports() & NEEDED or time.monotonic() > end:
            break
    # What torch makes when its threads are first counted is made here: in the child, a lock of the C library that one
    # of its other threads holds at this moment (of `__cxa_atexit`) would never be given back.
    torch = sys.modules.get("torch")
    set_threads, get_threads = (getattr(torch, f"{name}_num_threads", None) for name in ("set", "get"))
    if set_threads is not None and get_threads is not None:
        set_threads(get_threads())


def _imports() -> set[str]:
    """Packages of which other threads are importing a module, be it that they are still looking for it."""
    names, own = set(), threading.get_ident()
    for thread, top in sys._current_frames().items():
        frame: FrameType | None = None if thread == own else top
        while frame is not None:
            code = frame.f_code
            if code.co_name == "_find_and_load" and code.co_filename == _IMPORTER:
                names.add(str(frame.f_locals.get("name")).partition(".")[0])
            frame = frame.f_back
    return names


def _in_child() -> None:
    """Let torch compute in this thread alone, and without CUDA if that is lost."""
    global _cuda_lost  # noqa: PLW0603 (a property of the process)
    _cuda_lost = _cuda_lost or _cuda_used
    set_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)
    if set_threads is not None:
        set_threads(1)
