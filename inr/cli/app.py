"""The sub-commands put together: those of this package, and those of others; each is made when it is looked at."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from inr import plugins

HOMES: dict[str, str] = {
    "compress": "compress",
    "decompress": "decompress",
    "info": "decompress",
    "compare": "decompress",
    "fit": "compress",
    **dict.fromkeys(
        (
            "models",
            "inits",
            "samplers",
            "losses",
            "tasks",
            "optimisers",
            "schedules",
            "reparams",
            "presets",
            "backends",
        ),
        "lists",
    ),
    **dict.fromkeys(("submit", "jobs", "watch", "cancel", "fetch"), "jobs"),
}
"""Sub-commands in the order of the help, with the modules that have them as functions; those of a server come last."""


class Commands(TyperGroup):
    """Sub-commands, and those of other packages, by entry points of the group `inr.commands`: `serve`, `bench`.

    Such an entry point names a function, or a `typer.Typer` with sub-commands of its own. Options are parsed from
    signatures, which takes long: a run does that for one command, and the help for none.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the help."""
        return list(dict.fromkeys([*HOMES, *(point.name for point in plugins.points("inr.commands"))]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, or None if there is none or it cannot be loaded."""
        known = self.list_commands(ctx)
        for name in [cmd_name] if cmd_name in known else known:  # all of them: those with similar names are suggested
            command = None if name in self.commands else _looked_at(name, _command)
            if command is not None:
                self.add_command(command, name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in the help: the first lines of the documentation."""
        texts = {name: _looked_at(name, _help_of) for name in self.list_commands(ctx)}
        limit = formatter.width - 6 - max(map(len, texts))
        rows = [
            (name, TyperCommand(name, help=text).get_short_help_str(limit))
            for name, text in texts.items()
            if text is not None
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _looked_at(name: str, use: Callable[[Any], Any]) -> Any:
    """What `use` makes of the function or the `typer.Typer` of a command; None if that fails in another package."""
    if name in HOMES:
        return use(getattr(importlib.import_module(f"inr.cli.{HOMES[name]}"), name))
    return next((plugins.load(point, use) for point in plugins.points("inr.commands") if point.name == name), None)


def _help_of(found: Any) -> str:
    return str(found.info.help) if isinstance(found, typer.Typer) else inspect.getdoc(found) or ""


def _command(found: Any) -> Any:
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command()(found)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=Commands,
    help="A neural field compressor: pictures, videos and arrays to small .inr files and back at any size.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """Make it a group, which has no commands until they are looked at."""
