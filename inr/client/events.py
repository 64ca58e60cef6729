"""What a client learns about jobs."""

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from inr.errors import InrError, error_of
from inr.rpc.v1 import job_pb2
from inr.text import printable

STATES: dict[int, str] = {
    job_pb2.JOB_STATE_QUEUED: "queued",
    job_pb2.JOB_STATE_RUNNING: "running",
    job_pb2.JOB_STATE_DONE: "done",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "cancelled",
}
ENDED = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True)
class LayerInfo:
    """A quality layer of a file.

    Attributes:
        number: from 1, coarse to fine.
        bytes: length of the prefix that ends with it.
        psnr: dB of what that prefix decodes to; None if not recorded.
    """

    number: int
    bytes: int
    psnr: float | None


@dataclass(frozen=True)
class ProgressInfo:
    """How far a fit is.

    Attributes:
        step: gradient steps done.
        share: part of the budget that is used, 0 to 1.
        psnr: on a fixed subset of the samples, dB.
        bpp: bits per pixel that the file will have, about; 0 if not known.
        seconds_left: wall time, about.
    """

    step: int
    share: float
    psnr: float
    bpp: float
    seconds_left: float


@dataclass(frozen=True)
class JobResult:
    """What a job made.

    Attributes:
        sha256: of the file.
        bytes: its size.
        psnr: dB of the decoded file.
        ssim: for what has one.
        bpp: bits per pixel.
        model: kind of the model.
        parameters: stored reals.
        steps: gradient steps.
        fit_seconds: wall time of the training.
        layers: of the file.
        metrics: the measures that the kind of signal names, the one that matters most first.
    """

    sha256: str
    bytes: int
    psnr: float
    ssim: float | None
    bpp: float
    model: str
    parameters: int
    steps: int
    fit_seconds: float
    layers: tuple[LayerInfo, ...]
    metrics: dict[str, float]


@dataclass(frozen=True)
class JobInfo:
    """A job at one moment.

    Attributes:
        id: its name.
        state: "queued", "running", "done", "failed" or "cancelled".
        name: of the source, printable as all texts here.
        created: seconds since 1970.
        started: when a worker first took it, or None.
        ended: when it ended, or None.
        attempts: how often a worker took it.
        progress: the last that is known, or None.
        result: of a job that is done.
        error_code: of a job that failed, as `InrError.code`.
        error: its message.
        waiting_for: why a queued job waits longer than for its turn, or empty.
        cancel_requested: somebody asked it to stop.
    """

    id: str
    state: str
    name: str
    created: float
    started: float | None
    ended: float | None
    attempts: int
    progress: ProgressInfo | None
    result: JobResult | None
    error_code: str | None
    error: str | None
    waiting_for: str
    cancel_requested: bool

    @property
    def has_ended(self) -> bool:
        """True if nothing will happen to it any more."""
        return self.state in ENDED

    def failure(self) -> InrError | None:
        """The error that a failed or cancelled job stands for."""
        if self.state == "cancelled":
            return error_of("cancelled", f"job {self.id} was cancelled")
        if self.error_code is None:
            return None
        return error_of(self.error_code, self.error or "")


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Attributes:
        sequence: its number, from which a later watch can go on; it grows from event to event, with gaps.
        time: when it happened, seconds since 1970.
    """

    sequence: int
    time: float


@dataclass(frozen=True)
class StateChanged(Event):
    """A job entered a state.

    Attributes:
        state: that it entered then, see `JobInfo.state`.
        attempts: how often a worker had taken it by then.
        job: as it was when this was sent: it may have been further by then.
    """

    state: str
    attempts: int
    job: JobInfo


@dataclass(frozen=True)
class ProgressMade(ProgressInfo, Event):
    """A fit went on; its fields are those of an event, then those of `ProgressInfo`."""


@dataclass(frozen=True)
class PreviewReady(Event):
    """A small picture of the present state: a PNG file, its size, and the step it shows."""

    png: bytes
    width: int
    height: int
    step: int


@dataclass(frozen=True)
class LayerReady(LayerInfo, Event):
    """A layer of the finished file is there; its fields are those of an event, then those of `LayerInfo`."""


def job_info(message: job_pb2.Job) -> JobInfo:
    """A job off the wire."""
    files = message.fit.files
    return JobInfo(
        id=message.id,
        state=state_name(message.state),
        name=printable(files[0].name) if files else "",
        created=_seconds(message.create_time),
        started=_seconds(message.start_time) if message.HasField("start_time") else None,
        ended=_seconds(message.end_time) if message.HasField("end_time") else None,
        attempts=message.attempts,
        progress=ProgressInfo(*_progress_fields(message.progress)) if message.HasField("progress") else None,
        result=_result(message.result) if message.HasField("result") else None,
        error_code=message.failure.code if message.HasField("failure") else None,
        error=printable(message.failure.message) if message.HasField("failure") else None,
        waiting_for=printable(message.waiting_for),
        cancel_requested=message.cancel_requested,
    )


def event_of(message: job_pb2.WatchJobResponse) -> Event | None:
    """An event off the wire; None for one of a newer version."""
    sequence, time = message.sequence, _seconds(message.time)
    match message.WhichOneof("event"):
        case "state":
            change = message.state
            return StateChanged(sequence, time, state_name(change.state), change.attempts, job_info(change.job))
        case "progress":
            return ProgressMade(sequence, time, *_progress_fields(message.progress))
        case "preview":
            preview = message.preview
            return PreviewReady(sequence, time, preview.png, preview.width, preview.height, preview.step)
        case "layer":
            return LayerReady(sequence, time, *_layer_fields(message.layer))
    return None


def layer_info(message: job_pb2.Layer) -> LayerInfo:
    """A layer off the wire."""
    return LayerInfo(*_layer_fields(message))


def state_name(state: int) -> str:
    """The name of a state off the wire."""
    return STATES.get(state, "unknown")


def _layer_fields(message: job_pb2.Layer) -> tuple[int, int, float | None]:
    return message.number, message.bytes, message.psnr if message.HasField("psnr") else None


def _progress_fields(message: job_pb2.Progress) -> tuple[int, float, float, float, float]:
    return message.step, message.share, message.psnr, message.bpp, message.seconds_left


def _result(message: job_pb2.Result) -> JobResult:
    metrics = {printable(metric.name): metric.value for metric in message.metrics}
    if not metrics:  # of an older server
        metrics = {"psnr": message.psnr, **({"ssim": message.ssim} if message.HasField("ssim") else {})}
    return JobResult(
        sha256=message.sha256,
        bytes=message.bytes,
        psnr=message.psnr,
        ssim=message.ssim if message.HasField("ssim") else None,
        bpp=message.bpp,
        model=message.model,
        parameters=message.parameters,
        steps=message.steps,
        fit_seconds=message.fit_seconds,
        layers=tuple(layer_info(layer) for layer in message.layers),
        metrics=metrics,
    )


def _seconds(stamp: Timestamp) -> float:
    return float(stamp.seconds) + stamp.nanos / 1e9
