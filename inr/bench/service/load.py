"""The service under load, beside the library in the same run: real processes on the loopback interface."""

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inr.bench.documents import environment, markdown, short, write_json
from inr.client import AsyncClient, Client, Job, PreviewReady
from inr.client.content import contents_of
from inr.codec.encode import compress_signal
from inr.coders.request import CompressSpec
from inr.errors import FileAccessError, MissingDependencyError, UnavailableError
from inr.files import reason, write_bytes
from inr.rpc.v1 import job_pb2, job_pb2_grpc
from inr.signals.signal import Samples, Signal

LISTED = 1000
LISTS = 20
WATCHERS = 200
CHECKS = 10_000
MODEL = "hashgrid"
"""What jobs fit: it is the service that is measured, and not the coder of pictures."""
WATCHED_STEPS = 300
AT_A_TIME = 8
ENDLESS = 10**7
"""Steps of a job that is cancelled when the measurement is over."""


@dataclass(frozen=True)
class Finding:
    """One measurement: what, over how many values, the median, the least and the largest one, unit, what was asked."""

    what: str
    count: int
    median: float
    least: float
    most: float
    unit: str
    asked: str


def _finding(what: str, values: list[float], unit: str, asked: str) -> Finding:
    return Finding(what, len(values), statistics.median(values), min(values), max(values), unit, asked)


def measure(
    signal: Signal, seconds: float, repeats: int, upload_bytes: int, tell: Callable[[str], None]
) -> list[Finding]:
    """All measurements.

    Args:
        signal: what is fitted.
        seconds: about what a fit takes.
        repeats: pairs of fits, through the service and in this process.
        upload_bytes: of the large upload.
        tell: called with what is measured next.

    Raises:
        UnavailableError: the server does not start.
        FileAccessError: there is no room for the large upload.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        findings = []
        with _server(folder / "fits", "--workers", "1") as (address, _), Client(address) as client:
            tell("fits through the service and in process")
            findings += _overhead(client, signal, seconds, repeats)
            tell("a watcher that does not read")
            findings += _slow_reader(client, address, signal.samples, _steps_for(signal, seconds), repeats)
            tell(f"{WATCHERS} watchers")
            findings += _watchers(client, address, signal.samples)
            tell(f"{CHECKS} health checks")
            findings += _health(client, address, signal.samples)
        with _server(folder / "lists", "--workers", "0") as (address, pid), Client(address) as client:
            tell(f"{LISTED} jobs")
            findings += _lists(client, signal.samples)
            tell(f"an upload of {upload_bytes / 2**30:.3g} GiB")
            findings += _upload(address, pid, folder, upload_bytes)
        return findings


@contextmanager
def _server(folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    """A server on a free port: its address and its process id."""
    command = [sys.executable, "-m", "inr", "serve", "--listen", "127.0.0.1:0", "--data", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:\d+", line)
            if found is None:
                raise UnavailableError("the server does not start; try `inr serve`")
            yield found[0], process.pid
        finally:
            process.terminate()


def _overhead(client: Client, signal: Signal, seconds: float, repeats: int) -> list[Finding]:
    """The same fit here and there, by turns, from the samples to the bytes of the file; the steps are fixed."""
    picture, steps = signal.samples, _steps_for(signal, seconds)
    client.submit(picture[:32, :32], model=MODEL, steps=10).wait()  # the worker has loaded everything
    ratios: list[float] = []
    previews: list[float] = []
    for turn in range(repeats):
        if turn % 2:
            there = _there(client, picture, steps, previews)
            here = _here(signal, steps)
        else:
            here = _here(signal, steps)
            there = _there(client, picture, steps, previews)
        ratios.append(there / here)
    return [
        _finding("wall time of a fit, through the service / in process", ratios, "x", "at most 1.03"),
        _finding("first preview, after a worker took the job", previews, "s", "at most 1"),
    ]


def _here(signal: Signal, steps: int) -> float:
    began = time.perf_counter()
    compress_signal(signal, CompressSpec(model=MODEL, steps=steps))
    return time.perf_counter() - began


def _there(client: Client, picture: Samples, steps: int, previews: list[float]) -> float:
    """Seconds until the file is here; adds the moment of the first preview to a list."""
    began = time.perf_counter()
    job, shown = client.submit(picture, model=MODEL, steps=steps), 0.0
    for event in job.watch():
        if isinstance(event, PreviewReady) and not shown:
            shown = time.time()
    job.result()
    taken = time.perf_counter() - began
    previews.append(shown - (job.info().started or 0))
    return taken


def _steps_for(signal: Signal, seconds: float) -> int:
    _here(signal, 10)
    few, many = _here(signal, 20), _here(signal, 120)
    return max(50, round(100 * seconds / (many - few)))


def _slow_reader(client: Client, address: str, picture: Samples, steps: int, repeats: int) -> list[Finding]:
    """A fit with a watcher that takes the first event and no other until the end, beside one that nobody watches."""
    import grpc

    def seconds(job: Job) -> float:
        info = job.wait()
        return (info.ended or 0) - (info.started or 0)

    ratios, unread = [], []
    for turn in range(repeats):
        taken: dict[bool, float] = {}
        for watched in (True, False) if turn % 2 else (False, True):
            job = client.submit(picture, model=MODEL, steps=steps)
            if not watched:
                taken[False] = seconds(job)
                continue
            with grpc.insecure_channel(address) as channel:
                events = job_pb2_grpc.JobServiceStub(channel).WatchJob(job_pb2.WatchJobRequest(id=job.id))
                next(events)  # a call that nobody holds is cancelled
                taken[True] = seconds(job)
                unread.append(float(sum(event.ByteSize() for event in events)) / 2**10)
        ratios.append(taken[True] / taken[False])
    return [
        _finding("time of a fit, with a watcher that does not read / without", ratios, "x", "about 1"),
        _finding("events that it reads when the fit is over", unread, "KiB", "to the end"),
    ]


def _watchers(client: Client, address: str, picture: Samples) -> list[Finding]:
    async def watch_all(job_id: str) -> list[int]:
        async def one(asking: AsyncClient) -> int:
            return len([event async for event in asking.job(job_id).watch()])

        async with AsyncClient(address) as first, AsyncClient(address) as second:
            return await asyncio.gather(*[one(c) for c in (first, second) for _ in range(WATCHERS // 2)])

    job = client.submit(picture, model=MODEL, steps=WATCHED_STEPS)
    counts = asyncio.run(watch_all(job.id))
    return [_finding(f"events that each of {WATCHERS} watchers got", [float(n) for n in counts], "", "all to the end")]


def _health(client: Client, address: str, picture: Samples) -> list[Finding]:
    """Health checks, a few at a time, while a fit runs."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    taken: list[float] = []
    failed = 0

    async def ask() -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            async def some(count: int) -> None:
                nonlocal failed
                for _ in range(count):
                    began = time.perf_counter()
                    try:
                        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
                        failed += answer.status != health_pb2.HealthCheckResponse.SERVING
                    except grpc.aio.AioRpcError:
                        failed += 1
                    taken.append(1000 * (time.perf_counter() - began))

            await asyncio.gather(*[some(CHECKS // AT_A_TIME) for _ in range(AT_A_TIME)])

    job = client.submit(picture, model=MODEL, steps=ENDLESS)
    asyncio.run(ask())
    job.cancel()
    return [
        _finding(f"health check, {AT_A_TIME} at a time, during a fit", taken, "ms", ""),
        _finding(f"failed of {len(taken)} health checks", [float(failed)], "", "0"),
    ]


def _lists(client: Client, picture: Samples) -> list[Finding]:
    for _ in range(LISTED):
        client.submit(picture[:16, :16], model=MODEL, steps=1)
    taken = []
    for _ in range(LISTS):
        began = time.perf_counter()
        client.jobs()
        taken.append(1000 * (time.perf_counter() - began))
    return [_finding(f"list of {LISTED} queued jobs, all pages", taken, "ms", "under 100")]


def _upload(address: str, pid: int, folder: Path, size: int) -> list[Finding]:
    """A large upload, and the most memory that the server ever had (Linux)."""
    path = folder / "large"
    block = np.random.default_rng(0).bytes(2**24)
    try:
        with path.open("wb") as file:
            for start in range(0, size, len(block)):
                file.write(block[: size - start])
    except OSError as error:
        raise FileAccessError(f"cannot write {path}: {reason(error)}") from None
    [content] = contents_of(path)

    async def send() -> float:
        async with AsyncClient(address) as client:
            began = time.perf_counter()
            await client.upload(content)
            return time.perf_counter() - began

    speed = content.size / 2**20 / asyncio.run(send())
    gib = f"{content.size / 2**30:.3g} GiB"
    return [
        _finding(f"most memory of the server, upload of {gib}", [_peak(pid)], "MiB", "under 300"),
        _finding(f"upload of {gib}", [speed], "MiB/s", ""),
    ]


def _peak(pid: int) -> float:
    """The most that a process ever had in memory, MiB; raises `MissingDependencyError` where Linux's /proc is not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        raise MissingDependencyError("memory can only be measured on Linux") from None
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 2**10


def table(findings: list[Finding]) -> str:
    """A Markdown table."""
    head = ["measured", "n", "median", "least", "most", "unit", "asked"]
    rows = [
        [f.what, str(f.count), f"{f.median:.3g}", f"{f.least:.3g}", f"{f.most:.3g}", f.unit, f.asked] for f in findings
    ]
    return "\n".join(markdown([head, *rows])) + "\n"


def document(findings: list[Finding], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything as a JSON object."""
    return {
        "benchmark": "service",
        "settings": settings,
        "environment": environment(),
        "findings": [short(asdict(finding)) for finding in findings],
    }


def write(findings: list[Finding], settings: dict[str, Any], folder: Path) -> list[Path]:
    """Write the table and a JSON document; returns their paths, raises `FileAccessError`."""
    text, data = folder / "service.md", folder / "service.json"
    write_bytes(text, table(findings).encode())
    write_json(data, document(findings, settings))
    return [text, data]
