"""The only place where messages meet the types of the library and of the service."""

import json
import math
import re
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from inr.errors import RequestError
from inr.rpc.v1 import job_pb2
from service.jobs import EventKind, FitRequest, Job, JobEvent, SourceFile, State, StateChange
from service.store.uploads import check_sha256

if TYPE_CHECKING:
    from inr.codec.encode import CompressReport
    from inr.codec.info import LayerInfo

MAX_FILES = 100_000
MAX_FIT = 2**21
MAX_SPEC = 64 * 2**10
MAX_NAME = 255
MAX_REQUEST_ID = 200

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


def fit_request(message: job_pb2.Fit) -> FitRequest:
    """What a job has to do; raises `RequestError` that names the field."""
    if message.ByteSize() > MAX_FIT:
        raise RequestError(f"fit: at most {MAX_FIT} bytes; got {message.ByteSize()}", field="fit")
    if not 1 <= len(message.files) <= MAX_FILES:
        raise RequestError(f"fit.files: 1 to {MAX_FILES} are allowed; got {len(message.files)}", field="fit.files")
    files = []
    for i, file in enumerate(message.files):
        if len(file.name) > MAX_NAME:
            raise RequestError(
                f"fit.files[{i}].name: at most {MAX_NAME} characters; got {len(file.name)}",
                field=f"fit.files[{i}].name",
            )
        files.append(SourceFile(file.name, check_sha256(file.sha256, f"fit.files[{i}].sha256")))
    time = None
    if message.HasField("time_start") or message.HasField("time_end"):
        time = (message.time_start, message.time_end if message.HasField("time_end") else math.inf)
        if not 0 <= time[0] < time[1]:
            raise RequestError(
                f"fit.time_start: needs 0 <= start < end; got {time[0]:g} to {time[1]:g}", field="fit.time_start"
            )
    return FitRequest(
        tuple(files),
        _settings(message.spec),
        time,
        _positive(message, "axes"),
        _positive(message, "segment"),
        message.frames or len(files) > 1,
    )


def _settings(text: str) -> str:
    """The JSON object of the settings; what is in it is checked where the library is loaded."""
    if not text:
        return "{}"
    if len(text) > MAX_SPEC:
        raise RequestError(f"fit.spec: at most {MAX_SPEC} characters; got {len(text)}", field="fit.spec")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"fit.spec: is not JSON: {error}", field="fit.spec") from None
    if not isinstance(value, dict):
        raise RequestError(f"fit.spec: must be a JSON object; got {type(value).__name__}", field="fit.spec")
    return text


def _positive(message: job_pb2.Fit, name: str) -> int | None:
    if not message.HasField(name):  # type: ignore[arg-type]
        return None
    value = int(getattr(message, name))
    if value < 1:
        raise RequestError(f"fit.{name}: must be at least 1; got {value}", field=f"fit.{name}")
    return value


def suffix_of(name: str) -> str:
    """The suffix of a client's file name if it is a harmless one, else nothing."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 and _SUFFIX.fullmatch(name[dot:]) else ""


def job_message(job: Job) -> job_pb2.Job:
    """A job for the wire."""
    message = job_pb2.Job(
        id=job.id,
        state=int(job.state),  # type: ignore[arg-type]
        fit=job_pb2.Fit.FromString(job.fit),
        create_time=timestamp(job.created),
        attempts=job.attempts,
        waiting_for=job.waiting_for,
        cancel_requested=job.cancel_requested,
    )
    if job.started is not None:
        message.start_time.CopyFrom(timestamp(job.started))
    if job.ended is not None:
        message.end_time.CopyFrom(timestamp(job.ended))
    if job.progress is not None:
        message.progress.ParseFromString(job.progress)
    if job.result is not None:
        message.result.ParseFromString(job.result)
    if job.failure is not None:
        message.failure.CopyFrom(job_pb2.Failure(code=job.failure.code, message=job.failure.message))
    return message


def event_message(event: JobEvent, job: Job) -> job_pb2.WatchJobResponse:
    """An event for the wire; a change of state carries the job."""
    message = job_pb2.WatchJobResponse(sequence=event.sequence, time=timestamp(event.time))
    if event.kind == EventKind.PROGRESS:
        message.progress.ParseFromString(event.payload)
    elif event.kind == EventKind.PREVIEW:
        message.preview.ParseFromString(event.payload)
    elif event.kind == EventKind.LAYER:
        message.layer.ParseFromString(event.payload)
    else:
        change = StateChange.from_bytes(event.payload)
        message.state.state = int(change.state)  # type: ignore[assignment]
        message.state.attempts = change.attempts
        message.state.job.CopyFrom(job_message(job))
    return message


def states(numbers: Any) -> set[State]:
    """States to filter by; raises `RequestError`."""
    try:
        return {State(number) for number in numbers}
    except ValueError as error:
        raise RequestError(f"states: {error}", field="states") from None


def layer_message(layer: "LayerInfo") -> job_pb2.Layer:
    """A layer of a file for the wire."""
    return job_pb2.Layer(number=layer.layer, bytes=layer.bytes, psnr=layer.psnr)


def result_message(report: "CompressReport", sha256: str, layers: "tuple[LayerInfo, ...]") -> job_pb2.Result:
    """What a fit made, for the wire."""
    return job_pb2.Result(
        sha256=sha256,
        bytes=report.bytes,
        psnr=report.psnr,
        ssim=report.ssim,
        bpp=report.bpp,
        model=report.model,
        parameters=report.parameters,
        steps=report.steps,
        fit_seconds=report.seconds_fit,
        layers=[layer_message(layer) for layer in layers],
        metrics=[job_pb2.Metric(name=name, value=value) for name, value in report.metrics.items()],
    )


def timestamp(seconds: float) -> Timestamp:
    """Seconds since 1970 for the wire."""
    return Timestamp(seconds=int(seconds), nanos=int((seconds - int(seconds)) * 1e9))
