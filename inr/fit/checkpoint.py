"""A fit in the middle, as one file: written whole, read without running any code from it."""

import io
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from inr.errors import CheckpointError
from inr.files import read_bytes, write_bytes
from inr.fit.spec import FitSpec
from inr.fitted import CurvePoint

_FORMAT = 1


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
            "format": _FORMAT,
            "spec": checkpoint.spec.to_json(),
            "signal": checkpoint.signal_digest,
            "step": checkpoint.step,
            "seconds": checkpoint.seconds,
            "curve": [asdict(point) for point in checkpoint.curve],
            "state": checkpoint.state,
        },
        buffer,
    )
    write_bytes(path, buffer.getvalue())


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; raises `CheckpointError` or `FileAccessError`."""
    data = read_bytes(path)
    try:
        document = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        if document["format"] != _FORMAT:
            raise CheckpointError(f"checkpoint {path} has format {document['format']}; this version reads {_FORMAT}")
        return Checkpoint(
            FitSpec.from_json(document["spec"]),
            document["signal"],
            document["step"],
            document["seconds"],
            tuple(CurvePoint(**point) for point in document["curve"]),
            document["state"],
        )
    except (RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is not a checkpoint of a fit ({type(error).__name__})") from None


def check_belongs(checkpoint: Checkpoint, spec: FitSpec, signal_digest: str, path: Path) -> None:
    """Raise `CheckpointError` unless the checkpoint is of this very fit (the budget may differ)."""
    if checkpoint.signal_digest != signal_digest:
        raise CheckpointError(f"checkpoint {path} belongs to another signal; delete it or name another file")
    if checkpoint.spec.replace(budget=spec.budget) != spec:
        raise CheckpointError(f"checkpoint {path} belongs to a fit with other settings; delete it or name another file")
