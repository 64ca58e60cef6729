"""Jobs as lines: one in a line, or all in a table."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inr.cli.terminal import quality_text

if TYPE_CHECKING:
    from inr.client import JobInfo

HEAD = ("ID", "STATE", "AGE", "DURATION", "LEFT", "NAME", "RESULT")
LEAST_DIGITS = 12
"""Of an id in a table: eleven say in which millisecond the job was made."""
LONGEST_NAME = 40

_UNITS = (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1))


def line(job: "JobInfo") -> str:
    """A job with all of its id."""
    made = dt.datetime.fromtimestamp(job.created).strftime("%Y-%m-%d %H:%M:%S")
    state = f"{job.state}, cancel requested" if _is_stopping(job) else job.state
    return "  ".join((job.id, made, f"{state:9}", job.name, outcome(job))).rstrip()


def table(jobs: Sequence["JobInfo"], now: float) -> list[str]:
    """Jobs as lines below a head; their ids have as many digits as it takes to tell them apart.

    Args:
        jobs: in the order of the lines.
        now: seconds since 1970.
    """
    digits = _digits([job.id for job in jobs])
    rows = [HEAD, *[_cells(job, digits, now) for job in jobs]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def outcome(job: "JobInfo") -> str:
    """What a job made, why it made nothing, or how far it is; may be empty."""
    if job.result is not None:
        result = job.result
        return f"{result.bytes} bytes, {result.bpp:.3f} bpp, {quality_text(result.metrics)}"
    if job.error is not None:
        return job.error
    if job.waiting_for:
        return f"waits: {job.waiting_for}"
    if job.state == "running" and job.progress is not None:
        return f"{job.progress.share:.0%}, {job.progress.psnr:.2f} dB"
    return ""


def span(seconds: float) -> str:
    """A time in its two largest units: ``0.4s``, ``12s``, ``3m05s``, ``2h10m``, ``4d03h``."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    for unit, size, smaller, part in _UNITS:
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part:02d}{smaller}"
    return f"{whole}s"


def _cells(job: "JobInfo", digits: int, now: float) -> tuple[str, ...]:
    ran = "-" if job.started is None else span((now if job.ended is None else job.ended) - job.started)
    left = "-"
    if job.state == "running" and job.progress is not None:
        left = f"~{span(job.progress.seconds_left)}"
    name = job.name if len(job.name) <= LONGEST_NAME else f"{job.name[: LONGEST_NAME - 9]}…{job.name[-8:]}"
    told = ", ".join(filter(None, ("cancel requested" if _is_stopping(job) else "", outcome(job))))
    return job.id[:digits], job.state, span(now - job.created), ran, left, name, told


def _is_stopping(job: "JobInfo") -> bool:
    return job.cancel_requested and not job.has_ended


def _digits(ids: Sequence[str]) -> int:
    """Of each id, at least `LEAST_DIGITS`, that tell them apart."""
    digits = LEAST_DIGITS
    while len({job_id[:digits] for job_id in ids}) < len(set(ids)):
        digits += 1
    return digits
