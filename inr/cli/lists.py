"""What there is: `inr models`, `inr inits` and so on.

Imports happen inside the commands, so that `inr --help` starts without torch.
"""

from typing import Any

from inr.cli.options import Json
from inr.cli.terminal import compact, say, say_json


def models(as_json: Json = False) -> None:
    """List the models of the zoo.

    Parameters are those of the usual settings, for 2 inputs and 3 outputs; settings and paper stand below each.
    """
    from inr.codec.listing import list_models

    _table(list_models(), as_json)


def inits(as_json: Json = False) -> None:
    """List the initialisers."""
    _components("inits", as_json)


def samplers(as_json: Json = False) -> None:
    """List the samplers."""
    _components("samplers", as_json)


def losses(as_json: Json = False) -> None:
    """List the losses."""
    _components("losses", as_json)


def tasks(as_json: Json = False) -> None:
    """List the tasks."""
    _components("tasks", as_json)


def optimisers(as_json: Json = False) -> None:
    """List the optimisers."""
    _components("optimisers", as_json)


def schedules(as_json: Json = False) -> None:
    """List the learning-rate schedules."""
    _components("schedules", as_json)


def reparams(as_json: Json = False) -> None:
    """List the training-time forms of the weights."""
    _components("reparams", as_json)


def presets(as_json: Json = False) -> None:
    """List the presets."""
    from inr.codec.listing import list_presets

    _table(list_presets(), as_json)


def backends(as_json: Json = False) -> None:
    """List the backends, and why one is not available."""
    from inr.backends.select import describe

    _table(describe(), as_json)


def _components(what: str, as_json: bool) -> None:
    from inr.codec.listing import list_components

    _table(list_components(what), as_json)


def _table(rows: list[Any], as_json: bool) -> None:
    """Rows of dataclasses or mappings as JSON, or as one aligned line each, with names of columns above.

    Settings, paper and refusals stand on lines below.
    """
    if as_json:
        say_json(rows)
        return
    below = ("settings", "paper", "refuses")
    named = [row if isinstance(row, dict) else vars(row) for row in rows]
    columns = [name for name in named[0] if name not in below]
    cells = [[name.replace("_", " ").upper() for name in columns]]
    cells += [[_text(row[name]) for name in columns] for row in named]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    say(lines[0])
    for row, line in zip(rows, lines[1:], strict=True):
        say(line)
        if getattr(row, "settings", None):
            say(f"    {compact(row.settings)}")
        if hasattr(row, "paper"):
            say(f"    {row.paper}")
        for refusal in getattr(row, "refuses", ()):
            say(f"    not {refusal}")


def _text(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
