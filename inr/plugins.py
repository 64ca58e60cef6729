"""Parts that other packages add, by entry points of a group each: models, kinds, coders, backends, sub-commands, ...

A package names what it adds in its own ``pyproject.toml``; installing it is all it takes, in every process that loads
the library, the workers of a server among them::

    [project.entry-points."inr.models"]
    mine = "my_package.my_model:MyModel"

One that cannot be loaded is named in a warning and left out: it must not take down what works without it.
"""

import functools
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def points(group: str) -> list["EntryPoint"]:
    """The entry points of a group, without loading them; looked up once in a process."""
    return list(_installed().select(group=group))


def load(point: "EntryPoint", use: Callable[[Any], Any] = lambda found: found) -> Any:
    """What an entry point stands for.

    Args:
        point: of `points`.
        use: given what was loaded; a failure of it is one of the plug-in.

    Returns:
        What `use` returned, or None if anything failed, which is said in a warning, once in a process.
    """
    try:
        return use(point.load())
    except Exception as error:  # noqa: BLE001, RUF100 (whatever it is that the code of strangers raises)
        _warn(point.group, point.name, point.value, _named(point), f"{type(error).__name__}: {error}")
        return None


class Loading:
    """Loads the components of a group once, on first use, from any thread.

    No lock is held: Python lets a module be imported once, and makes other threads wait for it. A lock around imports
    would wait for ever for a thread that has begun to import one of the modules, which registers a class.

    Args:
        group: of the entry points, each a class, or a module that registers some.
        own: loads what comes with the library, first.
        add: registers what an entry point stands for.
        classes: all that are registered.
        unregister: undoes the registration of one.
    """

    def __init__(
        self,
        group: str,
        own: Callable[[], None],
        add: Callable[[Any], bool],
        classes: Callable[[], Iterable[Any]],
        unregister: Callable[[Any], None],
    ) -> None:
        self._group, self._own, self._add = group, own, add
        self._classes, self._unregister = classes, unregister
        self._loaded = False
        self._own_thread = threading.local()  # not a set of ids, which threads of a forked child may get again

    def __call__(self) -> None:
        """Load everything, unless it is loaded, or this thread is about it."""
        if self._loaded or getattr(self._own_thread, "loads", False):
            return
        self._own_thread.loads = True
        try:
            self._own()
            for point in points(self._group):
                if not load(point, self._add):
                    self._take_out(point.module)
            self._loaded = True
        finally:
            self._own_thread.loads = False

    def _take_out(self, module: str) -> None:
        """Undo what a module has registered that failed half-way, or is in a package that did.

        What it imported, or another thread, stays: that is whole, and will not be executed again.
        """
        parts = module.split(".")
        names = (".".join(parts[: i + 1]) for i in range(len(parts)))
        failed = next((name for name in names if name not in sys.modules), None)
        if failed is not None:
            for cls in list(self._classes()):
                if f"{cls.__module__}.".startswith(f"{failed}."):
                    self._unregister(cls)


@functools.cache
def _installed() -> Any:
    from importlib.metadata import entry_points  # takes longer to load than a file takes to describe

    return entry_points()


def _named(point: "EntryPoint") -> str:
    return "" if point.dist is None else f" of {point.dist.name} {point.dist.version}"


_warned: dict[str, object] = {}


def _warn(group: str, name: str, value: str, whose: str, why: str) -> None:
    import logging

    text, own = f"plug-in {name} = {value}{whose} ({group}) is left out: {why}", object()
    if _warned.setdefault(text, own) is own:  # else it is said, perhaps by another thread
        logging.getLogger(__name__).warning("inr: warning: %s", " ".join(text.split()))
