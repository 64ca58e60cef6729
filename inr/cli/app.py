"""The sub-commands put together: those of this package, and those of others, loaded when they are looked at."""

from typing import Any

import typer
from typer.core import TyperGroup

from inr import plugins
from inr.cli import jobs, lists
from inr.cli.compress import compress, fit
from inr.cli.decompress import compare, decompress, info


class Commands(TyperGroup):
    """Sub-commands, and those of other packages, by entry points of the group `inr.commands`: `serve`, `bench`.

    Such an entry point names a function, or a `typer.Typer` with sub-commands of its own.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order of the help."""
        own = super().list_commands(ctx)
        return list(dict.fromkeys([*own, *(point.name for point in plugins.points("inr.commands"))]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, or None if there is none or it cannot be loaded."""
        for point in plugins.points("inr.commands"):
            if point.name == cmd_name and cmd_name not in self.commands:
                command = plugins.load(point, _command)
                if command is not None:
                    self.add_command(command, cmd_name)
        return super().get_command(ctx, cmd_name)


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
# In the order of the help; those that need no server first.
for _function in (compress, decompress, info, compare, fit, *lists.COMMANDS, *jobs.COMMANDS):
    app.command()(_function)
