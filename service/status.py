"""From errors of the library to statuses of gRPC, and back in the client's table of codes."""

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from inr.errors import InrError, ServiceError

DOMAIN = "inr"
"""Domain of the `ErrorInfo` of every error."""

MESSAGE_CHARACTERS = 1000

_C = code_pb2
STATUS: dict[str, int] = {
    "error": _C.UNKNOWN,
    # what a request asks for
    "invalid_spec": _C.INVALID_ARGUMENT,
    "unknown_component": _C.INVALID_ARGUMENT,
    "impossible_target": _C.INVALID_ARGUMENT,
    "bad_signal": _C.INVALID_ARGUMENT,
    "bad_request": _C.INVALID_ARGUMENT,
    "bad_offset": _C.OUT_OF_RANGE,
    # files
    "file_access": _C.INTERNAL,
    "bad_format": _C.INVALID_ARGUMENT,
    "bad_magic": _C.INVALID_ARGUMENT,
    "unsupported_version": _C.INVALID_ARGUMENT,
    "unsupported_feature": _C.INVALID_ARGUMENT,
    "truncated": _C.INVALID_ARGUMENT,
    "checksum": _C.INVALID_ARGUMENT,
    "limit_exceeded": _C.INVALID_ARGUMENT,
    "corrupt_header": _C.INVALID_ARGUMENT,
    "corrupt_stream": _C.INVALID_ARGUMENT,
    # what this machine lacks
    "missing_dependency": _C.FAILED_PRECONDITION,
    "backend_unavailable": _C.FAILED_PRECONDITION,
    # fits
    "fit_failed": _C.INTERNAL,
    "diverged": _C.FAILED_PRECONDITION,
    "cancelled": _C.CANCELLED,
    "bad_checkpoint": _C.INTERNAL,
    "quarantined": _C.ABORTED,
    # the service
    "service": _C.UNKNOWN,
    "unauthenticated": _C.UNAUTHENTICATED,
    "not_found": _C.NOT_FOUND,
    "failed_precondition": _C.FAILED_PRECONDITION,
    "busy": _C.ABORTED,
    "quota_exceeded": _C.RESOURCE_EXHAUSTED,
    "rate_limited": _C.RESOURCE_EXHAUSTED,
    "storage": _C.UNAVAILABLE,
    "unavailable": _C.UNAVAILABLE,
    "handshake_failed": _C.UNAVAILABLE,
    "deadline_exceeded": _C.DEADLINE_EXCEEDED,
    "internal": _C.INTERNAL,
}
"""`InrError.code` to the number of a gRPC status. A test holds it against the tree of errors."""


def status_of(error: InrError) -> status_pb2.Status:
    """The rich status of an error: an `ErrorInfo`, and what else fits it.

    `ErrorInfo.reason` is the code in capitals; a `BadRequest` names the field that is wrong, a `RetryInfo` says when
    to come again, a `QuotaFailure` what there is too much of.
    """
    message = str(error)[:MESSAGE_CHARACTERS]  # it travels in the metadata, whose size is limited
    status = status_pb2.Status(code=STATUS[error.code], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.code.upper(), domain=DOMAIN))
    field = error.field if isinstance(error, ServiceError) else "fit.spec" if error.code in _OF_SPEC else None
    if field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.code in ("quota_exceeded", "rate_limited"):
        excess = error_details_pb2.QuotaFailure.Violation(subject="tenant", description=message)
        status.details.add().Pack(error_details_pb2.QuotaFailure(violations=[excess]))
    if isinstance(error, ServiceError) and error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(max(1, round(1000 * error.retry_after)))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


_OF_SPEC = frozenset({"invalid_spec", "unknown_component", "impossible_target"})
