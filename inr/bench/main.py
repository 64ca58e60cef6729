"""`inr bench`: the sub-commands of the benchmarks, found by entry point."""

import typer

from inr.bench.codec.commands import codec
from inr.bench.kernels.commands import kernels
from inr.bench.service.commands import service
from inr.bench.zoo.commands import COMMANDS

app = typer.Typer(
    help="Compare models, initialisers, samplers and codecs; load the service.",
    add_completion=False,
    rich_markup_mode=None,
)
for _command in (*COMMANDS, codec, service, kernels):
    app.command()(_command)
