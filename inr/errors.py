"""Every failure the library can report, as one closed tree.

Each class has a stable ``code`` that other programs may match on, and also inherits the builtin that a
Python user would expect, so ``except ValueError`` works as well as ``except SpecError``. A message is one
line: what was wrong, the value seen, and what is allowed.
"""

from typing import ClassVar


class InrError(Exception):
    """Base of all errors raised on purpose by this project."""

    code: ClassVar[str] = "error"


class SpecError(InrError, ValueError):
    """A setting is out of range, of the wrong type, or does not fit the other settings."""

    code = "invalid_spec"


class UnknownComponentError(SpecError):
    """A name that no registry knows; the message lists the known ones."""

    code = "unknown_component"


class TargetError(SpecError):
    """A size, rate or quality that cannot be reached with these settings."""

    code = "impossible_target"


class FileAccessError(InrError, OSError):
    """A path that cannot be read or written: missing, a directory, no permission, disk full."""

    code = "file_access"


class SignalError(InrError, ValueError):
    """A file or an array that is not a signal this library can fit (damaged, empty, NaN, wrong rank)."""

    code = "bad_signal"


class MissingDependencyError(InrError, ImportError):
    """An optional package is not installed; the message says how to install it."""

    code = "missing_dependency"


class BackendUnavailableError(InrError, ImportError):
    """The requested backend or device cannot run here, or cannot run this model; the message says why."""

    code = "backend_unavailable"


class FitError(InrError, RuntimeError):
    """Base of what can go wrong while fitting."""

    code = "fit_failed"


class DivergenceError(FitError):
    """The loss became infinite or not a number."""

    code = "diverged"


class FitCancelledError(FitError):
    """The caller asked the fit to stop before it was done."""

    code = "cancelled"


class CheckpointError(FitError, ValueError):
    """A checkpoint that cannot be read, or that belongs to another fit."""

    code = "bad_checkpoint"


class FormatError(InrError, ValueError):
    """Base of everything that can be wrong with the bytes of a ``.inr`` file."""

    code = "bad_format"


class BadMagicError(FormatError):
    """The first eight bytes are not the signature of a ``.inr`` file."""

    code = "bad_magic"


class UnsupportedVersionError(FormatError):
    """The file was written by a newer major version of the format."""

    code = "unsupported_version"


class UnsupportedFeatureError(FormatError):
    """The file is sound but uses something this version cannot decode (a critical section, an unknown id)."""

    code = "unsupported_feature"


class TruncatedError(FormatError):
    """The file ends in the middle of a section."""

    code = "truncated"


class ChecksumError(FormatError):
    """A section's CRC-32 does not match its bytes."""

    code = "checksum"


class LimitExceededError(FormatError):
    """A size or a count in the file is above a limit; nothing was allocated for it."""

    code = "limit_exceeded"


class CorruptHeaderError(FormatError):
    """The header is not canonical, lacks a field, or contradicts itself."""

    code = "corrupt_header"


class CorruptStreamError(FormatError):
    """An entropy-coded payload does not decode to exactly the symbols it must hold."""

    code = "corrupt_stream"


class ServiceError(InrError, RuntimeError):
    """Base of what can go wrong between a client and a server.

    Attributes:
        retry_after: seconds after which the same request may succeed; None if waiting does not help.
        field: the field of the request that is wrong; None if it is none.
    """

    code = "service"

    def __init__(self, message: str, *, retry_after: float | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.field = field


class RequestError(ServiceError, ValueError):
    """A request that makes no sense; `field` names what is wrong with it."""

    code = "bad_request"


class UnauthenticatedError(ServiceError, PermissionError):
    """No token, or a wrong one."""

    code = "unauthenticated"


class NotFoundError(ServiceError, LookupError):
    """A job or a blob that does not exist, or that belongs to somebody else."""

    code = "not_found"


class PreconditionError(ServiceError):
    """A request that does not fit the state of what it is about: the result of a job that runs, say."""

    code = "failed_precondition"


class OffsetError(ServiceError, ValueError):
    """An upload that does not go on where the server's part of it ends."""

    code = "bad_offset"


class BusyError(ServiceError):
    """Somebody else is at it just now; try again."""

    code = "busy"


class QuotaExceededError(ServiceError):
    """More than the caller may use."""

    code = "quota_exceeded"


class RateLimitError(ServiceError):
    """Too many requests in a short time; `retry_after` says when to go on."""

    code = "rate_limited"


class StorageError(ServiceError, OSError):
    """The server cannot read or write its database or its blobs: disk full, locked, gone."""

    code = "storage"


class UnavailableError(ServiceError, ConnectionError):
    """The server cannot be reached, or is about to stop."""

    code = "unavailable"


class HandshakeError(UnavailableError):
    """TLS on one side only, a certificate that is not trusted, a web server instead: waiting does not help."""

    code = "handshake_failed"


class DeadlineError(ServiceError, TimeoutError):
    """No answer in time."""

    code = "deadline_exceeded"


class QuarantinedError(ServiceError):
    """A job that killed its worker again and again, so that nobody takes it any more."""

    code = "quarantined"


class InternalServiceError(ServiceError):
    """A mistake in the server."""

    code = "internal"


def error_of(code: str, message: str) -> InrError:
    """The error whose class has this code; an `InternalServiceError` for a code of a newer version."""
    waiting: list[type[InrError]] = [InrError]
    while waiting:
        cls = waiting.pop()
        if cls.code == code:
            return cls(message)
        waiting += cls.__subclasses__()
    return InternalServiceError(f"{message} ({code})")
