"""Every error of the library has a status, and comes back as itself."""

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from inr.client.failures import translated
from inr.errors import InrError, QuotaExceededError, RateLimitError, RequestError, ServiceError, SpecError, error_of
from service.status import DOMAIN, STATUS, status_of


def classes() -> list[type[InrError]]:
    found, waiting = [], [InrError]
    while waiting:
        cls = waiting.pop()
        found.append(cls)
        waiting += cls.__subclasses__()
    return [cls for cls in found if cls.__module__ == "inr.errors"]


C = grpc.StatusCode
EXPECTED = {
    "error": C.UNKNOWN,
    "invalid_spec": C.INVALID_ARGUMENT,
    "unknown_component": C.INVALID_ARGUMENT,
    "impossible_target": C.INVALID_ARGUMENT,
    "file_access": C.INTERNAL,
    "bad_signal": C.INVALID_ARGUMENT,
    "missing_dependency": C.FAILED_PRECONDITION,
    "backend_unavailable": C.FAILED_PRECONDITION,
    "fit_failed": C.INTERNAL,
    "diverged": C.FAILED_PRECONDITION,
    "cancelled": C.CANCELLED,
    "bad_checkpoint": C.INTERNAL,
    "bad_format": C.INVALID_ARGUMENT,
    "bad_magic": C.INVALID_ARGUMENT,
    "unsupported_version": C.INVALID_ARGUMENT,
    "unsupported_feature": C.INVALID_ARGUMENT,
    "truncated": C.INVALID_ARGUMENT,
    "checksum": C.INVALID_ARGUMENT,
    "limit_exceeded": C.INVALID_ARGUMENT,
    "corrupt_header": C.INVALID_ARGUMENT,
    "corrupt_stream": C.INVALID_ARGUMENT,
    "service": C.UNKNOWN,
    "bad_request": C.INVALID_ARGUMENT,
    "unauthenticated": C.UNAUTHENTICATED,
    "not_found": C.NOT_FOUND,
    "failed_precondition": C.FAILED_PRECONDITION,
    "bad_offset": C.OUT_OF_RANGE,
    "busy": C.ABORTED,
    "quota_exceeded": C.RESOURCE_EXHAUSTED,
    "rate_limited": C.RESOURCE_EXHAUSTED,
    "storage": C.UNAVAILABLE,
    "unavailable": C.UNAVAILABLE,
    "handshake_failed": C.UNAVAILABLE,
    "deadline_exceeded": C.DEADLINE_EXCEEDED,
    "quarantined": C.ABORTED,
    "internal": C.INTERNAL,
}
"""What other clients than ours rely on."""


def test_the_table_is_the_published_one() -> None:
    assert {code: expected.value[0] for code, expected in EXPECTED.items()} == STATUS
    assert {cls.code for cls in classes()} == set(EXPECTED)


def test_codes_are_different() -> None:
    codes = [cls.code for cls in classes()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_an_error_comes_back_as_itself(cls: type[InrError]) -> None:
    again = error_of(cls.code, "what was wrong")
    assert type(again) is cls
    assert str(again) == "what was wrong"


def test_an_unknown_code_is_still_an_error() -> None:
    assert str(error_of("of the future", "m")) == "m (of the future)"


def details(error: InrError) -> dict[str, object]:
    found = {}
    for detail in status_of(error).details:
        name = detail.TypeName().rsplit(".", 1)[-1]
        assert name not in found  # each kind at most once
        message = getattr(error_details_pb2, name)()
        detail.Unpack(message)
        found[name] = message
    return found


def test_details_say_what_fits_the_error() -> None:
    for cls in classes():
        info = details(cls("m"))["ErrorInfo"]
        assert isinstance(info, error_details_pb2.ErrorInfo)
        assert (info.domain, info.reason) == (DOMAIN, cls.code.upper())
        assert len(info.reason) <= 63
    wrong = details(RequestError("page_size: must not be negative; got -1", field="page_size"))["BadRequest"]
    assert isinstance(wrong, error_details_pb2.BadRequest)
    assert wrong.field_violations[0].field == "page_size"
    spec = details(SpecError("bpp: less than 64"))["BadRequest"]
    assert isinstance(spec, error_details_pb2.BadRequest)
    assert spec.field_violations[0].field == "fit.spec"
    much = details(RateLimitError("too many", retry_after=1.5))
    assert isinstance(much["RetryInfo"], error_details_pb2.RetryInfo)
    assert much["RetryInfo"].retry_delay.ToMilliseconds() == 1500
    assert "QuotaFailure" in details(QuotaExceededError("m"))
    assert "RetryInfo" not in details(QuotaExceededError("m"))


def thrown() -> list[InrError]:
    """An error of each class; those of the service with all they can say."""
    found = [cls("what was wrong: ä") for cls in classes() if not issubclass(cls, ServiceError)]
    plain = [cls("what was wrong") for cls in classes() if issubclass(cls, ServiceError)]
    full = [cls("no", retry_after=1.5, field="fit.axes") for cls in classes() if issubclass(cls, ServiceError)]
    return [*found, *plain, *full]


def test_errors_come_back_through_a_real_server() -> None:
    errors = thrown()
    back = asyncio.run(_sent(errors))
    for error, (code, again) in zip(errors, back, strict=True):
        assert code == EXPECTED[error.code], error.code
        assert type(again) is type(error)
        assert str(again) == str(error)
        if isinstance(error, ServiceError) and isinstance(again, ServiceError):
            assert (again.field, again.retry_after) == (error.field, error.retry_after)


async def _sent(errors: list[InrError]) -> list[tuple[grpc.StatusCode, Exception]]:
    """What a client makes of what a server says, and its status."""

    async def answer(number: bytes, context: Any) -> bytes:
        await context.abort_with_status(rpc_status.to_status(status_of(errors[int(number)])))
        return b""

    server = grpc.aio.server()
    handlers: Any = {"Fail": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Errors", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    found: list[tuple[grpc.StatusCode, Exception]] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        fail: Any = channel.unary_unary("/test.Errors/Fail")
        for i in range(len(errors)):
            call: Any = fail(str(i).encode())
            try:
                with translated():
                    await call
            except InrError as error:
                found.append((await call.code(), error))
    await server.stop(None)
    return found
