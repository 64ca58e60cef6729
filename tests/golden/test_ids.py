"""Ids inside files are frozen: none changes its meaning, and a new one is frozen with the change that adds it."""

import json
from typing import Any

from inr.container import ids
from inr.models.base import MODELS
from inr.registry import kind_of
from inr.spec import wire_fields, wire_marks
from tests.golden.make_golden import FOLDER
from tests.golden.snapshot import Snapshot, current

ADD = (
    "add it to tests/golden/ids.json by hand, in the same change: from then on its id, its field numbers and its "
    "defaults can never change, because files that were written with them must decode for ever"
)


def frozen() -> Snapshot:
    return dict(json.loads((FOLDER / "ids.json").read_text("utf-8")))


def missing(part: Any, whole: Any, where: str = "") -> list[str]:
    """What `part` says that `whole` does not say, by path."""
    if isinstance(part, dict) and isinstance(whole, dict):
        found = [f"{where}/{key}: is gone" for key in part if key not in whole]
        return found + [
            line for key in part if key in whole for line in missing(part[key], whole[key], f"{where}/{key}")
        ]
    return [] if part == whole else [f"{where}: {whole!r}, was {part!r}"]


def test_nothing_frozen_has_changed() -> None:
    """If this fails, the code is wrong and not the snapshot: a change would make existing files unreadable."""
    assert missing(frozen(), current()) == []


def test_everything_new_is_frozen() -> None:
    news = [line for line in missing(current(), frozen()) if line.endswith("is gone")]
    assert news == [], f"new: {', '.join(line.removesuffix(': is gone') for line in news)}; {ADD}"


def test_comparison_finds_every_kind_of_change() -> None:
    old = {"a": {"1": {"name": "x", "default": 3}}, "b": [1, 2]}
    assert missing(old, old) == []
    assert missing(old, {**old, "c": 1}) == []
    assert missing(old, {"a": {"1": {"name": "x", "default": 4}}, "b": [1, 2]}) == ["/a/1/default: 4, was 3"]
    assert missing(old, {"a": {}, "b": [2, 1]}) == ["/a/1: is gone", "/b: [2, 1], was [1, 2]"]


def test_no_number_is_used_twice() -> None:
    for table in current()["tables"].values():
        assert len(set(table.values())) == len(table)
    header = current()["header"]
    assert len({field["key"] for field in header.values()}) == len(header)


def test_registered_models_are_those_of_the_container_table() -> None:
    """`inr info` names models and settings from `ids.MODELS` without loading any of them."""
    registered = {cls.wire_id: (kind_of(cls), wire_fields(cls)) for cls in MODELS}
    assert registered == ids.MODELS
    words = {cls.wire_id: {n: mark.names for n, (_, mark) in wire_marks(cls).items() if mark.names} for cls in MODELS}
    assert {wire_id: table for wire_id, table in words.items() if table} == ids.WORDS
