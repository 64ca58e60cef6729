"""The table of backends and the choice among them. A backend's own modules are imported when it is first asked."""

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, final

from inr import plugins
from inr.backends.base import AbstractBackend, check
from inr.domain import Domain
from inr.errors import UnknownComponentError
from inr.layers.network import Network
from inr.models.base import MODELS

if TYPE_CHECKING:
    from inr.losses.base import LossSpec

PLACES = {
    "native": "inr.backends.native.backend:NativeBackend",
    "tcnn": "inr.backends.tcnn:TcnnBackend",
    "torch": "inr.backends.torch:TorchBackend",
}
"""Module and class by name, in order of preference for "auto"."""

_PICTURE = Domain.of_shape((512, 768))


@final
class BackendTable(Mapping[str, AbstractBackend]):
    """Backends by name, each made when it is first looked up."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)
        self._made: dict[str, AbstractBackend] = {}
        self._complete = False

    def __getitem__(self, kind: str) -> AbstractBackend:
        if kind not in self._made:
            place = self._places.get(kind)
            if place is None:
                self._load_others()
                return self._made[kind]
            module, _, name = place.partition(":")
            self._made.setdefault(kind, getattr(importlib.import_module(module), name)())
        return self._made[kind]

    def __iter__(self) -> Iterator[str]:
        """Those of other packages come before the last one, the reference."""
        *own, reference = self._places
        yield from own
        self._load_others()
        yield from [kind for kind in list(self._made) if kind not in self._places]
        yield reference

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _load_others(self) -> None:
        """Make the backends that entry points of the group `inr.backends` name, each a class.

        Two threads may do so at once; both then have those of the first.
        """
        if self._complete:
            return
        others: dict[str, AbstractBackend] = {}
        for point in plugins.points("inr.backends"):
            plugins.load(point, partial(self._add, others, point.name))
        for kind, backend in others.items():
            self._made.setdefault(kind, backend)
        self._complete = True

    def _add(self, others: dict[str, AbstractBackend], name: str, cls: Callable[[], object]) -> None:
        """Make a backend of another package; raises `ValueError` for a taken name or for what is no backend."""
        if name in self._places or name in others:
            raise ValueError(f"backend {name!r} is already taken")
        made = cls()
        if not isinstance(made, AbstractBackend):
            raise ValueError(f"expected a class derived from AbstractBackend; got {cls!r}")
        if made.kind != name:
            raise ValueError(f"the entry point must be called like its backend, {made.kind!r}; got {name!r}")
        others[name] = made


BACKENDS: Mapping[str, AbstractBackend] = BackendTable(PLACES)


def get(kind: str) -> AbstractBackend:
    """The backend of this name; raises `UnknownComponentError`."""
    if kind not in BACKENDS:
        raise UnknownComponentError(f"unknown backend {kind!r}; known: auto, {', '.join(BACKENDS)}")
    return BACKENDS[kind]


def select(
    kind: str, network: Network, device: str, loss: "LossSpec | None" = None, pulled: bool = False
) -> AbstractBackend:
    """The named backend, or for "auto" the one that ``INR_BACKEND`` names, or else the first that can do it.

    Args:
        kind: a name, or "auto".
        network: what is to be run.
        device: "auto", "cpu" or "cuda".
        loss: what it is to be trained towards; None for no training.
        pulled: that it is to be trained by steps with a pull-back.

    Raises:
        UnknownComponentError: no such backend.
        BackendUnavailableError: it cannot run here, or not this network, or not train it so.
    """
    if kind == "auto":
        kind = os.environ.get("INR_BACKEND", "auto")
    if kind == "auto":
        for backend in BACKENDS.values():
            refused = not backend.automatic or backend.unavailable(device) or backend.refuses(network, loss, pulled)
            if not refused:
                return backend
        kind = next(reversed(list(BACKENDS)))  # the reference: report why it cannot run
    backend = get(kind)
    check(backend, network, device, loss, pulled)
    return backend


@dataclass(frozen=True)
class BackendInfo:
    """A row of the list of backends; `reason` says why it is not available, or is empty.

    `refuses` names the models that it does not run with their usual settings on pictures, and the layer that is why.
    """

    kind: str
    available: bool
    summary: str
    reason: str
    refuses: tuple[str, ...] = ()


def describe() -> list[BackendInfo]:
    """All backends, and whether they run here."""
    rows = []
    for backend in BACKENDS.values():
        reason = backend.unavailable("auto")
        refused = tuple(_refusals(backend)) if reason is None else ()
        rows.append(BackendInfo(backend.kind, reason is None, backend.summary, reason or "", refused))
    return rows


def _refusals(backend: AbstractBackend) -> Iterator[str]:
    """Models of the zoo with their usual settings that a backend refuses, and why."""
    for kind in MODELS.kinds():
        refusal = backend.refuses(MODELS.make(kind).build(_PICTURE, 3))
        if refusal is not None:
            yield f"{kind}: {refusal}"
