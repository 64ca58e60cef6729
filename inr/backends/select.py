"""The table of backends and the choice among them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from inr.backends.base import AbstractBackend, check
from inr.backends.native import NativeBackend
from inr.backends.tcnn import TcnnBackend
from inr.backends.torch import TorchBackend
from inr.errors import UnknownComponentError
from inr.layers.network import Network
from inr.models.base import MODELS

BACKENDS: dict[str, AbstractBackend] = {
    backend.kind: backend for backend in (NativeBackend(), TcnnBackend(), TorchBackend())
}
"""In order of preference for "auto"."""


def get(kind: str) -> AbstractBackend:
    """The backend of this name; raises `UnknownComponentError`."""
    if kind not in BACKENDS:
        raise UnknownComponentError(f"unknown backend {kind!r}; known: auto, {', '.join(BACKENDS)}")
    return BACKENDS[kind]


def select(kind: str, network: Network, device: str) -> AbstractBackend:
    """The named backend, or for "auto" the one that ``INR_BACKEND`` names, or else the first that can run the network.

    Raises:
        UnknownComponentError: no such backend.
        BackendUnavailableError: it cannot run here, or not this network.
    """
    if kind == "auto":
        kind = os.environ.get("INR_BACKEND", "auto")
    if kind == "auto":
        for backend in BACKENDS.values():
            if backend.automatic and backend.unavailable(device) is None and backend.refuses(network) is None:
                return backend
        kind = next(reversed(BACKENDS))  # the reference: report why it cannot run
    backend = get(kind)
    check(backend, network, device)
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
    """Models of the zoo with their usual settings that a backend refuses, and why; allocates no tensor memory."""
    for kind in MODELS.kinds():
        with torch.device("meta"):
            refusal = backend.refuses(MODELS.make(kind).build(2, 3))
        if refusal is not None:
            yield f"{kind}: {refusal}"
