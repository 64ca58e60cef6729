"""A fit in the middle, as one file: written whole, read without running any code from it."""

import hashlib
import io
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from inr.errors import CheckpointError
from inr.files import read_bytes, write_bytes
from inr.fitted import CurvePoint
from inr.fitting.spec import FitSpec

_MAGIC = b"inr checkpoint 1\n"
"""Begins the file; the SHA-256 of the rest follows, since torch would take damaged weights for sound ones."""


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
    """State of a fit after `step` steps and `seconds` seconds."""

    spec: FitSpec
    signal_digest: str
    step: int
    seconds: float
    curve: tuple[CurvePoint, ...]
    state: dict[str, Any]


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all; raises `FileAccessError`."""
    buffer = io.BytesIO()
    torch.save(
        {
            "spec": checkpoint.spec.to_json(),
            "signal": checkpoint.signal_digest,
            "step": checkpoint.step,
            "seconds": checkpoint.seconds,
            "curve": [asdict(point) for point in checkpoint.curve],
            "state": checkpoint.state,
        },
        buffer,
    )
    content = buffer.getvalue()
    write_bytes(path, _MAGIC + hashlib.sha256(content).digest() + content)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; raises `CheckpointError` or `FileAccessError`."""
    data = read_bytes(path)
    start = len(_MAGIC) + hashlib.sha256().digest_size
    if not data.startswith(_MAGIC):
        raise CheckpointError(f"{path} is not a checkpoint of a fit that this version reads; name another file")
    if hashlib.sha256(data[start:]).digest() != data[len(_MAGIC) : start]:
        raise CheckpointError(f"checkpoint {path} is damaged: its checksum does not match; delete it to start anew")
    try:
        document = torch.load(io.BytesIO(data[start:]), weights_only=True, map_location="cpu")
        return Checkpoint(
            FitSpec.from_json(document["spec"]),
            document["signal"],
            document["step"],
            document["seconds"],
            tuple(CurvePoint(**point) for point in document["curve"]),
            document["state"],
        )
    except (RuntimeError, EOFError, LookupError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of a fit ({type(error).__name__})") from None


def check_belongs(checkpoint: Checkpoint, spec: FitSpec, signal_digest: str, path: Path) -> None:
    """Raise `CheckpointError` unless the checkpoint is of this very fit (the budget may differ)."""
    if checkpoint.signal_digest != signal_digest:
        raise CheckpointError(f"checkpoint {path} belongs to another signal; delete it or name another file")
    if checkpoint.spec.replace(budget=spec.budget) != spec:
        raise CheckpointError(f"checkpoint {path} belongs to a fit with other settings; delete it or name another file")
