"""The ids in use, in the form that ``ids.json`` freezes."""

import json
from dataclasses import MISSING
from typing import Any

from inr.coders.base import CODERS
from inr.container import file, ids
from inr.container.header import Header
from inr.fitting.schedules.base import SCHEDULES
from inr.inits.base import INITS
from inr.losses.base import LOSSES
from inr.models.base import MODELS, ModelSpec
from inr.optimisers.base import OPTIMISERS
from inr.registry import Registry, kind_of
from inr.reparams.base import REPARAMS
from inr.samplers.base import SAMPLERS
from inr.signals.kind import KINDS
from inr.spec import Spec, wire_default, wire_marks
from inr.tasks.base import TASKS

Snapshot = dict[str, Any]

FIRST_HOME = 10_000
"""Ids from here on mean what whoever wrote a file wants, see docs/architecture.md."""


def current() -> Snapshot:
    """What the code says now, as JSON would hold it."""
    tables = {
        name.lower(): getattr(ids, name)
        for name in ("SIGNAL_KINDS", "SAMPLE_TYPES", "COLOUR_SPACES", "ALIGNMENTS", "CODERS", "CODINGS")
    }
    registries: dict[str, Registry[Any]] = {
        r.noun: r for r in (CODERS, KINDS, MODELS, INITS, SAMPLERS, LOSSES, OPTIMISERS, SCHEDULES, REPARAMS, TASKS)
    }
    components = {
        noun: {
            kind_of(cls): cls.wire_id
            for cls in registry
            if cls.wire_id < FIRST_HOME  # what is not settled has an id for files that stay at home
        }
        for noun, registry in registries.items()
    }
    snapshot = {
        "signature": file.SIGNATURE.hex(),
        "major": file.MAJOR,
        "sections": {
            name: kind.decode() for name, kind in vars(file).items() if isinstance(kind, bytes) and len(kind) == 4
        },
        "header": {
            name: {"key": item.metadata["key"], "default": None if item.default is MISSING else item.default}
            for name, item in Header.__dataclass_fields__.items()
        },
        "tables": tables,
        "extras": ids.EXTRAS,
        "components": components,
        "models": {kind_of(cls): model_entry(cls) for cls in MODELS},
    }
    return dict(json.loads(json.dumps(snapshot)))


def model_entry(cls: type[ModelSpec]) -> dict[str, Any]:
    """Wire id and, by wire number, name and default of every stored field: a file leaves defaults out."""
    fields: dict[int, dict[str, Any]] = {}
    for number, (name, mark) in wire_marks(cls).items():
        default = wire_default(cls, number)
        fields[number] = {"name": name, "default": default.model_dump() if isinstance(default, Spec) else default}
        if mark.names:
            fields[number]["words"] = list(mark.names)
    return {"wire_id": cls.wire_id, "fields": fields}
