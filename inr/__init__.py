"""A neural field compressor: pictures become small networks, and small networks become files.

>>> import inr
>>> inr.__version__.count(".")
2

Names are loaded on first use; importing the package is free.
"""

import importlib
from typing import TYPE_CHECKING, Any

from inr import forks

__version__ = "0.1.0"

forks.watch()

if TYPE_CHECKING:
    from inr.client import AsyncClient, Client
    from inr.codec.compare import compare
    from inr.codec.compress import compress, fit, store
    from inr.codec.decode import open
    from inr.codec.decompress import decompress
    from inr.codec.field import SignalField
    from inr.codec.listing import list_models
    from inr.codec.load_save import load, save
    from inr.coders.request import CompressSpec
    from inr.domain import Domain
    from inr.errors import InrError
    from inr.fitting.run import Hooks
    from inr.fitting.spec import FitSpec
    from inr.signals.signal import Signal

_HOMES = {
    **dict.fromkeys(("compress", "fit", "store"), "inr.codec.compress"),
    **dict.fromkeys(("load", "save"), "inr.codec.load_save"),
    "compare": "inr.codec.compare",
    "decompress": "inr.codec.decompress",
    "list_models": "inr.codec.listing",
    "open": "inr.codec.decode",
    "AsyncClient": "inr.client",
    "Client": "inr.client",
    "CompressSpec": "inr.coders.request",
    "Domain": "inr.domain",
    "FitSpec": "inr.fitting.spec",
    "Hooks": "inr.fitting.run",
    "InrError": "inr.errors",
    "Signal": "inr.signals.signal",
    "SignalField": "inr.codec.field",
}

__all__ = [
    "AsyncClient",
    "Client",
    "CompressSpec",
    "Domain",
    "FitSpec",
    "Hooks",
    "InrError",
    "Signal",
    "SignalField",
    "compare",
    "compress",
    "decompress",
    "fit",
    "list_models",
    "load",
    "open",
    "save",
    "store",
]


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'inr' has no attribute {name!r}")
