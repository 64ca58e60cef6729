"""`inr bench service`. Imports happen inside the command, so that `inr --help` starts without gRPC."""

from pathlib import Path
from typing import Annotated

import typer

from inr.bench.options import Out, Quiet, make_folder
from inr.cli.options import Json
from inr.cli.terminal import say, say_json, warn
from inr.errors import MissingDependencyError


def service(
    image: Annotated[Path | None, typer.Argument(help="Default: one from the folder INR_DATA.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="About what each fit takes.")] = 15.0,
    repeats: Annotated[int, typer.Option(min=1, help="Fits through the service, and as many in process.")] = 7,
    upload_mib: Annotated[int, typer.Option(min=1, help="Size of the large upload.")] = 2048,
    out: Out = Path("bench"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The service under load, beside the library: overhead of a fit, watchers, lists, uploads, health checks."""
    from inr.bench import data

    try:
        from inr.bench.service.load import document, measure, table, write
    except ImportError as error:
        raise MissingDependencyError(f"the service needs {error.name}: pip install 'inr[client,server]'") from None

    make_folder(out)
    [(name, signal)] = data.images([image] if image else [], None, data.IMAGES[-1:]).items()
    findings = measure(signal, seconds, repeats, upload_mib * 2**20, lambda text: None if quiet else warn(text))
    settings = {"source": name, "seconds": seconds, "repeats": repeats}
    written = write(findings, settings, out)
    if as_json:
        say_json(document(findings, settings))
    else:
        say(*table(findings).split("\n"), ", ".join(str(path) for path in written))
