"""The entry point of the command line: runs a command, turns failures into one line and an exit code."""

import os
import sys
from typing import TYPE_CHECKING

from inr import __version__
from inr.cli.interrupts import EndedError, die, unwinding
from inr.cli.terminal import fail, say, say_file, warn
from inr.errors import FileAccessError, InrError, SpecError
from inr.files import reason, remove_temporary

if TYPE_CHECKING:
    import typer

_INTERRUPTED = 130
"""What typer returns instead of raising KeyboardInterrupt."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; default those of the process.

    Returns:
        0 done, 1 failed, 2 wrong usage. A signal that ends the process ends it here, without its temporary files.
    """
    arguments = sys.argv[1:] if argv is None else argv
    as_json = wants_json(arguments)
    # Threads that spin while they wait cost a busy machine more than waking them costs an idle one.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what goes wrong is said once, in one line, by us
    try:
        with unwinding():
            code = _run(arguments)
            if sys.stdout is not None:
                sys.stdout.flush()
        return code
    except EndedError as ended:
        die(ended.number)
    except SpecError as error:
        fail(str(error), error.code, as_json)
        return 2
    except InrError as error:
        fail(str(error), error.code, as_json)
        return 1
    except KeyboardInterrupt:
        remove_temporary()  # those of threads that nobody waits for
        if as_json:
            fail("interrupted; nothing was written", "interrupted", as_json)
        else:
            warn("interrupted; nothing was written")
        return 1
    except MemoryError:
        fail("out of memory", "out_of_memory", as_json)
        return 1
    except BrokenPipeError:  # the reader of a pipe went away: nobody is left to tell
        _discard_output()
        return 1
    except OSError as error:  # of standard output; those of files are InrError
        fail(f"cannot write standard output: {reason(error)}", FileAccessError.code, as_json)
        _discard_output()
        return 1


def wants_json(arguments: list[str]) -> bool:
    """True if a command was told ``--json``: then its errors are JSON as well, whatever is wrong with the rest."""
    return "--json" in arguments[: arguments.index("--") if "--" in arguments else None]


def _discard_output() -> None:
    """Let the interpreter's own flush at the end succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    match arguments:
        # The parser takes longer to load than a file takes to describe.
        case ["info", path] | ["info", path, "--json"] | ["info", "--json", path] if path == "-" or path[:1] != "-":
            say_file(path, as_json="--json" in arguments)
            return 0
        case ["models"] | ["models", "--json"]:
            from inr.cli.tables import say_models

            say_models(as_json="--json" in arguments)
            return 0
        case ["--version"]:
            say(f"inr {__version__}")
            return 0
    import typer

    from inr.cli.app import app

    try:
        result = app(arguments or ["--help"], prog_name="inr", standalone_mode=False)
    except typer.TyperException as error:
        known = _names(app)
        where = f"inr {arguments[0]} --help" if arguments[0] in known else f"inr --help ({', '.join(known)})"
        fail(f"{error.format_message().rstrip('.')}; see {where}", "usage", wants_json(arguments))
        return error.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    if result == _INTERRUPTED:
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0


def _names(app: "typer.Typer") -> list[str]:
    """Of all sub-commands."""
    from typer.main import get_group

    group = get_group(app)
    return group.list_commands(group.context_class(group))
