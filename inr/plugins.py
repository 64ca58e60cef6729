"""Parts that other packages add, by entry points of a group each: models, kinds, coders, backends, sub-commands, ...

A package names what it adds in its own ``pyproject.toml``; installing it is all it takes, in every process that loads
the library, the workers of a server among them::

    [project.entry-points."inr.models"]
    mine = "my_package.my_model:MyModel"

One that cannot be loaded is named in a warning and left out: it must not take down what works without it.
"""

import functools
from collections.abc import Callable
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


@functools.cache
def _installed() -> Any:
    from importlib.metadata import entry_points  # takes longer to load than a file takes to describe

    return entry_points()


def _named(point: "EntryPoint") -> str:
    return "" if point.dist is None else f" of {point.dist.name} {point.dist.version}"


@functools.cache
def _warn(group: str, name: str, value: str, whose: str, why: str) -> None:
    import logging

    text = f"plug-in {name} = {value}{whose} ({group}) is left out: {why}"
    logging.getLogger(__name__).warning("inr: warning: %s", " ".join(text.split()))
