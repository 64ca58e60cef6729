"""Options and checks that the benchmarks share."""

from pathlib import Path
from typing import Annotated

import typer

from inr.errors import FileAccessError, SpecError
from inr.files import reason

Images = Annotated[
    list[Path] | None, typer.Argument(metavar="[IMAGE]...", help="Image files; default: six from the folder INR_DATA.")
]
Out = Annotated[Path, typer.Option(help="Folder for the results.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Seeds = Annotated[int, typer.Option(min=1, help="Seeds of each case: 0, 1, ...")]


def make_folder(folder: Path) -> None:
    """Make the folder of the results; raises `FileAccessError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileAccessError(f"cannot make the folder {folder}: {reason(error)}") from None


def chosen(option: str, text: str | None, known: list[str], default: list[str]) -> list[str]:
    """Names separated by commas, each once; raises `SpecError` for one that is not known."""
    if text is None:
        return default
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in known:
            raise SpecError(f"--{option}: unknown {name!r}; known: {', '.join(known)}")
    return names
