"""A training in the middle, as one file: written whole, read without running any code from it.

After the signature and the SHA-256 of the rest it is canonical CBOR. An array is the standard's multi-dimensional array
(RFC 8746, tag 40) of raw little-endian numbers.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import numpy.typing as npt

from inr.errors import CheckpointError
from inr.files import read_bytes, write_bytes
from inr.fitting.trained import CurvePoint
from inr.fitting.training import State

_FAMILY = b"inr checkpoint "
_MAGIC = _FAMILY + b"2\n"
"""Begins the file; the number is the version."""
_SHOWN = 3
"""Settings that a message names, at most."""
_GRID = 40
_TYPES = {
    64: "uint8", 69: "uint16", 70: "uint32", 71: "uint64",
    72: "int8", 77: "int16", 78: "int32", 79: "int64",
    84: "float16", 85: "float32", 86: "float64",
}  # fmt: skip
"""Tags of little-endian typed arrays in RFC 8746."""
_TAGS = {name: tag for tag, name in _TYPES.items()}
_MALFORMED = (
    cbor2.CBORError, EOFError, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip
"""What reading a document that no writer wrote may raise."""


@dataclass(frozen=True)
class CheckpointPolicy:
    """Where and how often to save.

    Attributes:
        path: the file, replaced each time.
        every_seconds: wall time between two checkpoints.
        resume: go on from the file if it exists.
    """

    path: Path
    every_seconds: float = 30.0
    resume: bool = True


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training after `step` steps and `seconds` seconds.

    Attributes:
        identity: which settings it belongs to, see `Training`.
        signal_digest: which signal it belongs to.
        step: steps done.
        seconds: time of the training so far.
        curve: its curve so far.
        losses: of the steps since the last point of the curve.
        state: what `Training.state` gave.
    """

    identity: str
    signal_digest: str
    step: int
    seconds: float
    curve: tuple[CurvePoint, ...]
    losses: list[float]
    state: State


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all; raises `FileAccessError`."""
    document = {
        "identity": checkpoint.identity,
        "signal": checkpoint.signal_digest,
        "step": checkpoint.step,
        "seconds": checkpoint.seconds,
        "curve": [asdict(point) for point in checkpoint.curve],
        "losses": checkpoint.losses,
        "state": checkpoint.state,
    }
    content = cbor2.dumps(_tagged(document), canonical=True)
    write_bytes(path, _MAGIC + hashlib.sha256(content).digest() + content)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; raises `CheckpointError` or `FileAccessError`."""
    data = read_bytes(path)
    start = len(_MAGIC) + hashlib.sha256().digest_size
    if not data.startswith(_MAGIC):
        if data.startswith(_FAMILY):
            raise CheckpointError(f"checkpoint {path} is of another version of inr; delete it to start anew")
        raise CheckpointError(f"{path} is not a checkpoint of a fit that this version reads; name another file")
    if hashlib.sha256(data[start:]).digest() != data[len(_MAGIC) : start]:
        raise CheckpointError(f"checkpoint {path} is damaged: its checksum does not match; delete it to start anew")
    try:
        return _checkpoint(_untagged(cbor2.loads(data[start:]), set()))
    except _MALFORMED as error:
        raise CheckpointError(f"{path} is not a checkpoint of a fit ({type(error).__name__})") from None


def check_belongs(checkpoint: Checkpoint, identity: str, signal_digest: str, path: Path) -> None:
    """Raise `CheckpointError` unless the checkpoint is of this very training (the budget may differ)."""
    if checkpoint.signal_digest != signal_digest:
        raise CheckpointError(f"checkpoint {path} belongs to another signal; delete it or name another file")
    if checkpoint.identity != identity:
        changed = _changed(checkpoint.identity, identity)
        raise CheckpointError(
            f"checkpoint {path} belongs to a fit with other settings{changed}; delete it or name another file"
        )


def _changed(before: str, now: str) -> str:
    """Which settings of two identities differ, if they are JSON: `` (seed 0, now 1)``."""
    try:
        one, other = (_flat(json.loads(text)) for text in (before, now))
    except ValueError:
        return ""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    shown = [f"{name} {one.get(name)}, now {other.get(name)}" for name in names[:_SHOWN]]
    more = f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f" ({'; '.join(shown)}{more})" if shown else ""


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Settings with those inside them, by names with dots; the kind of a component by its own name."""
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, name if name and key == "kind" else f"{name}.{key}".removeprefix("."))
    return flat


def _tagged(value: Any) -> Any:
    """The same with arrays as tagged bytes; raises `CheckpointError` for what a checkpoint does not hold."""
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        if value.dtype.name not in _TAGS:
            raise CheckpointError(f"a checkpoint holds no arrays of {value.dtype}; {', '.join(_TAGS)} are allowed")
        return cbor2.CBORTag(_GRID, [list(value.shape), cbor2.CBORTag(_TAGS[value.dtype.name], little.tobytes())])
    if isinstance(value, dict):
        return {key: _tagged(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise CheckpointError(f"a checkpoint holds numbers, texts and arrays; got {type(value).__name__}")


def _checkpoint(document: Any) -> Checkpoint:
    """A document as a checkpoint; raises one of `_MALFORMED`."""
    identity, signal, state = document["identity"], document["signal"], document["state"]
    if not (isinstance(identity, str) and isinstance(signal, str) and isinstance(state, dict)):
        raise TypeError("identity and signal are texts, the state is a map")
    curve = tuple(
        CurvePoint(_count(point["step"]), *(_number(point[name]) for name in ("seconds", "loss", "psnr")))
        for point in document["curve"]
    )
    seconds = _number(document["seconds"])
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds {seconds}")
    losses = [_number(loss) for loss in document["losses"]]
    return Checkpoint(identity, signal, _count(document["step"]), seconds, curve, losses, state)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"count {value!r}")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"number {value!r}")
    return float(value)


def _untagged(value: Any, seen: set[int]) -> Any:
    """The same with arrays of their own, which may be written to, instead of tagged bytes; raises one of `_MALFORMED`.

    Args:
        value: part of a document.
        seen: where the parts before it are. One that comes again was shared, which no writer does: it could hold
            itself, or grow without bound when it is copied.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if id(value) in seen:
        raise ValueError("a shared part")
    seen.add(id(value))
    if isinstance(value, dict):
        return {key: _untagged(item, seen) for key, item in value.items()}
    if isinstance(value, list):
        return [_untagged(item, seen) for item in value]
    if not isinstance(value, cbor2.CBORTag):
        raise TypeError(type(value).__name__)
    if value.tag != _GRID:
        raise ValueError(f"tag {value.tag}")
    shape, content = value.value
    kind = np.dtype(_TYPES[content.tag])
    array: npt.NDArray[Any] = np.frombuffer(content.value, dtype=kind.newbyteorder("<")).astype(kind).reshape(shape)
    return array
