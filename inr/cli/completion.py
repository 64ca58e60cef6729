"""`inr completion`: what makes a shell complete commands, options and names of components."""

from typing import Annotated

import typer

from inr.cli.terminal import say
from inr.errors import SpecError

SHELLS = ("bash", "zsh", "fish", "powershell")


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help=", ".join(SHELLS) + ".")],
) -> None:
    """Print the script that makes a shell complete commands, options and names."""
    if shell not in SHELLS:
        raise SpecError(f"unknown shell {shell!r}; known: {', '.join(SHELLS)}")
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it is what typer's own option uses

    say(get_completion_script(prog_name="inr", complete_var="_INR_COMPLETE", shell=shell).strip())
