"""Tables of what there is, as text or as JSON. Loads no parser, so that `inr models` starts fast."""

from typing import Any

from inr.cli.terminal import compact, say, say_json


def say_models(as_json: bool) -> None:
    """The models of the zoo."""
    from inr.codec.listing import list_models

    say_table(list_models(), as_json)


def say_table(rows: list[Any], as_json: bool) -> None:
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
