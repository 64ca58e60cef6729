"""The sub-commands put together: those of this package, and those of others; each is made when it is looked at."""

import importlib
import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from inr import __version__, plugins
from inr.cli.help import EXAMPLES, Command, write_examples
from inr.cli.terminal import say

LISTS = (
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
)
GROUPS: dict[str, dict[str, str]] = {
    "Files": {
        "compress": "compress",
        "decompress": "decompress",
        "info": "decompress",
        "compare": "decompress",
        "fit": "compress",
    },
    "What there is": dict.fromkeys(LISTS, "lists"),
    "Service": {**dict.fromkeys(("submit", "jobs", "watch", "cancel", "fetch"), "jobs"), "serve": ""},
    "More": {"completion": "completion"},
}
"""Sub-commands in the order of the help, with the modules that have them as functions; no module for one of another
package. Those of other packages that are not here come last."""

HOMES = {name: module for group in GROUPS.values() for name, module in group.items() if module}


class Commands(TyperGroup):
    """Sub-commands, and those of other packages, by entry points of the group `inr.commands`: `serve`, `bench`.

    Such an entry point names a function, or a `typer.Typer` with sub-commands of its own. Options are parsed from
    signatures, which takes long: a run does that for one command, and the help for none.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the help."""
        installed = [point.name for point in plugins.points("inr.commands")]
        named = [name for group in GROUPS.values() for name in group if name in HOMES or name in installed]
        return list(dict.fromkeys([*named, *installed]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, or None if there is none or it cannot be loaded."""
        known = self.list_commands(ctx)
        for name in [cmd_name] if cmd_name in known else known:  # all of them: those with similar names are suggested
            command = None if name in self.commands else _looked_at(name, _command)
            if command is not None:
                self.add_command(command, name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in the help: the first lines of the documentation, in groups."""
        texts = {name: _looked_at(name, _help_of) for name in self.list_commands(ctx)}
        longest = max(map(len, texts))
        limit = formatter.width - 6 - longest
        others = [name for name in texts if not any(name in group for group in GROUPS.values())]
        for title, group in GROUPS.items():
            names = [name for name in [*group, *(others if title == "More" else [])] if texts.get(name) is not None]
            rows = [(n.ljust(longest), TyperCommand(n, help=texts[n]).get_short_help_str(limit)) for n in names]
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The examples."""
        write_examples(formatter, EXAMPLES[""])


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
    single.command(cls=Command)(found)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=Commands,
    help="A neural field compressor: pictures, videos and arrays to small .inr files and back at any size.",
    no_args_is_help=True,
    add_completion="_INR_COMPLETE" in os.environ,  # a shell that asks what could follow
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"inr {__version__}")
        raise typer.Exit


@app.callback()
def _group(
    version: Annotated[
        bool,
        typer.Option("--version", help="Say the version, and do nothing else.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Make it a group, which has no commands until they are looked at."""
