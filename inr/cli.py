"""The entry point of the command line: runs a command, turns failures into one line and an exit code."""

import os
import sys

from inr.errors import InrError, SpecError
from inr.terminal import say_file, warn


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; default those of the process.

    Returns:
        0 done, 1 failed, 2 wrong usage.
    """
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return _run(arguments)
    except SpecError as error:
        warn(f"error: {error}")
        return 2
    except InrError as error:
        warn(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        warn("interrupted; nothing was written")
        return 1
    except MemoryError:
        warn("error: out of memory")
        return 1
    except BrokenPipeError:  # the reader of a pipe went away: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: list[str]) -> int:
    match arguments:
        # The parser takes longer to load than a file takes to describe.
        case ["info", path] | ["info", path, "--json"] | ["info", "--json", path] if not path.startswith("--"):
            say_file(path, as_json="--json" in arguments)
            return 0
    import typer

    from inr.commands import app

    try:
        app(arguments or ["--help"], prog_name="inr", standalone_mode=False)
    except typer.TyperException as error:
        known = [command.callback.__name__ for command in app.registered_commands if command.callback]
        where = f"inr {arguments[0]} --help" if arguments[0] in known else f"inr --help ({', '.join(known)})"
        warn(f"error: {error.format_message().rstrip('.')}; see {where}")
        return error.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    return 0
