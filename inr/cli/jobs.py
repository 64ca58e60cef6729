"""The client's side of the command line: argument parsing only; each command calls the client.

Imports happen inside the commands, so that `inr --help` starts without gRPC.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inr.cli.job_text import line, table
from inr.cli.options import SERVER, CompressOptions, Json, option, takes
from inr.cli.several import Force
from inr.cli.terminal import check_one_output, progress_bar, progress_lines, reached, say, say_json, warn
from inr.errors import SpecError
from inr.files import check_other, is_special, is_standard_input, is_standard_output, read_bytes, write_bytes

if TYPE_CHECKING:
    from inr.client import Client, Event, Job, JobInfo


@dataclass(frozen=True)
class ServerOptions:
    """Which server, and as whom."""

    server: Annotated[str | None, option(SERVER, help="HOST or HOST:PORT; default INR_SERVER, or this machine.")] = None
    token: Annotated[str | None, option(SERVER, help="Default INR_TOKEN, where others cannot read it.")] = None
    tls: Annotated[bool, option(SERVER, "--tls", help="Encrypt, and trust the system's authorities.")] = False
    ca: Annotated[Path | None, option(SERVER, help="PEM file with the authority to trust; default INR_CA.")] = None
    cert: Annotated[Path | None, option(SERVER, help="PEM file with the client's own certificate.")] = None
    key: Annotated[Path | None, option(SERVER, help="PEM file with its key.")] = None
    insecure: Annotated[
        bool, option(SERVER, "--insecure", help="Send the token to another machine without TLS, for anybody to read.")
    ] = False
    patience: Annotated[float, option(SERVER, help="Seconds to try again while the server cannot be reached.")] = 20.0

    def client(self) -> "Client":
        """Connect; raises an `InrError`."""
        from inr.client import Client

        return Client(
            self.server,
            token=self.token,
            tls=self.tls,
            ca=self.ca,
            cert=self.cert,
            key=self.key,
            insecure=self.insecure,
            patience=self.patience,
        )


@dataclass(frozen=True)
class SubmitOptions(ServerOptions, CompressOptions):
    """What a job is told, and where it goes."""


JobId = Annotated[str, typer.Argument(metavar="ID", help="Of the job, or as much of its beginning as tells it apart.")]
Timeout = Annotated[float | None, typer.Option("--timeout", help="Seconds to wait, at most; the job goes on.")]


class _Clock:
    """What is left of the seconds that a whole command may take; None for no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds from now on."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


@takes(SubmitOptions)
def submit(
    source: Annotated[str, typer.Argument(metavar="IN", help="Image, video, folder of frames, .npy, or - for stdin.")],
    options: SubmitOptions,
    output: Annotated[str | None, typer.Argument(metavar="[OUT.inr]", help="Wait, and write the file here.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the job has ended.")] = False,
    request_id: Annotated[str | None, typer.Option(help="Makes it safe to submit again.")] = None,
    timeout: Timeout = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Have a server fit a picture, a video or an array."""
    if options.checkpoint is not None:
        raise SpecError("--checkpoint: the server keeps checkpoints of its jobs itself; leave it out")
    from inr.container.destination import check_destination

    if output is not None:
        check_one_output(output, as_json)
        check_destination(output, force)
        check_other(source, output)
    clock = _Clock(timeout)
    # In this thread, where ctrl-C ends it.
    content = read_bytes(source) if is_standard_input(source) or is_special(Path(source)) else source
    request = options.request()
    with options.client() as client:
        job = client.submit(content, request_id=request_id, timeout=clock.left(), **request)
        if output is None and not wait:
            _say_job(job.info(), as_json)
            return
        with _leaving(job):
            if not options.quiet:
                _follow(job, clock)
            info = job.wait(timeout=clock.left()) if output is None else _fetched(job, output, clock)
        _say_job(info, as_json, output)


@takes(ServerOptions)
def jobs(
    options: ServerOptions,
    state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Newest jobs, at most.")] = None,
    as_json: Json = False,
) -> None:
    """List the jobs of a server, newest first."""
    with options.client() as client:
        found = client.jobs(state or (), limit)
    if as_json:
        say_json(found)
        return
    say(*table(found, time.time()))


@takes(ServerOptions)
def watch(
    job_id: JobId,
    options: ServerOptions,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Show what a job does until it has ended; leaving does not touch it."""
    clock = _Clock(timeout)
    with options.client() as client:
        job = _found(client, job_id)
        with _leaving(job):
            _follow(job, clock)
            info = job.wait(timeout=clock.left())
        _say_job(info, as_json)


@takes(ServerOptions)
def cancel(job_id: JobId, options: ServerOptions, as_json: Json = False) -> None:
    """Ask a job to stop."""
    with options.client() as client:
        _say_job(_found(client, job_id).cancel(), as_json)


@takes(ServerOptions)
def fetch(
    job_id: JobId,
    options: ServerOptions,
    output: Annotated[str, typer.Argument(metavar="OUT.inr", help="File to write, or - for standard output.")],
    timeout: Timeout = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Wait for a job, and write its file."""
    from inr.container.destination import check_destination

    check_one_output(output, as_json)
    check_destination(output, force)
    with options.client() as client:
        _say_job(_fetched(_found(client, job_id), output, _Clock(timeout)), as_json, output)


def _found(client: "Client", job_id: str) -> "Job":
    """A job of which all digits are known from now on, for messages and for what follows."""
    job = client.job(job_id)
    job.whole_id()
    return job


def _say_job(job: "JobInfo", as_json: bool, output: str | None = None) -> None:
    if as_json:
        say_json(job)
    elif not is_standard_output(output):
        say(line(job))


def _fetched(job: "Job", output: str, clock: _Clock) -> "JobInfo":
    """Write the file of a job when it is there."""
    if not is_standard_output(output):
        return job.fetch(output, timeout=clock.left())
    info = job.wait(timeout=clock.left())
    write_bytes(output, job.result(timeout=clock.left()))  # in this thread, where ctrl-C ends it
    return info


@contextmanager
def _leaving(job: "Job") -> Iterator[None]:
    """Say what becomes of the job if ctrl-C ends the waiting."""
    try:
        yield
    except KeyboardInterrupt:
        warn(f"job {job.id} goes on; inr watch {job.id} shows it, inr cancel {job.id} stops it")
        raise


def _follow(job: "Job", clock: _Clock) -> None:
    """Show the progress of a job on standard error until it has ended."""
    if sys.stderr is None:
        return
    with _bar(job.id) if sys.stderr.isatty() else _lines() as show:
        for event in job.watch(timeout=clock.left()):
            show(event)


@contextmanager
def _bar(job_id: str) -> "Iterator[Callable[[Event], None]]":
    from inr.client import ProgressMade, StateChanged

    sys.stderr.write(f"job {job_id}\n")  # stays there when the bar is gone
    with progress_bar("queued") as update:

        def show(event: "Event") -> None:
            if isinstance(event, StateChanged):
                update(description=event.state)
            elif isinstance(event, ProgressMade):
                update(completed=event.share, beside=reached(event.step, event.psnr))

        yield show


@contextmanager
def _lines() -> "Iterator[Callable[[Event], None]]":
    from inr.client import ProgressMade, StateChanged

    progress, state = progress_lines(), ""

    def show(event: "Event") -> None:
        nonlocal state
        if isinstance(event, StateChanged) and event.state != state:
            state = event.state
            sys.stderr.write(f"job {event.job.id}: {state}\n")
        elif isinstance(event, ProgressMade):
            progress(event.step, event.share, event.psnr, event.seconds_left)

    yield show
