"""What a handler raises becomes one canonical status, and nothing else of it reaches the caller or the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import structlog
from google.rpc import error_details_pb2
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc

from services.kit import errors
from services.kit.logs import withhold
from tests.unit.kit.world import CODE, SHOP, World, details, everything_in, login, refused

SECRET = "redis://:hunter2@10.0.0.7:6379 ada@example.com 123-45-6789"


def raising(error: BaseException) -> Callable[[Any, Any], Any]:
    async def handler(request: Any, context: Any) -> Any:
        raise error

    return handler


KNOWN = [
    (errors.Unauthenticated(), CODE.UNAUTHENTICATED, "UNAUTHENTICATED"),
    (errors.PermissionDenied(), CODE.PERMISSION_DENIED, "PERMISSION_DENIED"),
    (errors.InvalidArgument.of("a.b", "too long"), CODE.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    (errors.NotFound("brand"), CODE.NOT_FOUND, "NOT_FOUND"),
    (errors.AlreadyExists("brand"), CODE.ALREADY_EXISTS, "ALREADY_EXISTS"),
    (errors.FailedPrecondition("HAS_KEYS", "there are keys"), CODE.FAILED_PRECONDITION, "HAS_KEYS"),
    (errors.Unavailable("redis"), CODE.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
    (errors.DeadlineExceeded(), CODE.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    (errors.Exhausted(), CODE.RESOURCE_EXHAUSTED, "NO_CAPACITY"),
    (TimeoutError(SECRET), CODE.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    (NotImplementedError(SECRET), CODE.UNIMPLEMENTED, "NOT_SERVED"),
    (ValueError(SECRET), CODE.INTERNAL, "INTERNAL"),
    (ExceptionGroup(SECRET, [RuntimeError(SECRET)]), CODE.INTERNAL, "INTERNAL"),
]


@pytest.mark.parametrize(("error", "code", "reason"), KNOWN, ids=lambda value: getattr(value, "name", None))
async def test_every_error_has_its_status_and_reason(
    world: World, transport: str, error: Exception, code: Any, reason: str
) -> None:
    world.auth.does["Authenticate"] = raising(error)
    async with world.channel(transport) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))
    assert status.code() is code
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (reason, "hauberk")
    said = everything_in(status)
    for secret in ("hunter2", "10.0.0.7", "ada@", "123-45"):
        assert secret not in said


async def test_a_cause_behind_a_known_error_does_not_leak(world: World, transport: str) -> None:
    async def handler(request: Any, context: Any) -> Any:
        try:
            int(SECRET)
        except ValueError as cause:
            raise errors.Unavailable("redis") from cause

    world.auth.does["Authenticate"] = handler
    async with world.channel(transport) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))
    assert status.details() == "redis is unavailable"
    assert "hunter2" not in everything_in(status)


async def test_the_time_to_retry_and_the_dependency_are_told(world: World, transport: str) -> None:
    world.auth.does["Authenticate"] = raising(errors.Unavailable("redis", retry_after=1.25))
    async with world.channel(transport) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))
    (retry,) = details(status, error_details_pb2.RetryInfo)
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert retry.retry_delay.ToMilliseconds() == 1250
    assert info.metadata["dependency"] == "redis"


async def test_every_wrong_field_is_named(world: World, transport: str) -> None:
    world.auth.does["Authenticate"] = raising(
        errors.InvalidArgument(errors.Violation("a[1].b", "at most 3"), errors.Violation("c", "required"))
    )
    async with world.channel(transport) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))
    (bad,) = details(status, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [("a[1].b", "at most 3"), ("c", "required")]


async def test_an_rpc_that_is_not_served_says_so(world: World, transport: str) -> None:
    token = ((("txn-token"), world.mint.token()),)
    async with world.channel(transport) as channel:
        stub = auth_grpc.AuthServiceStub(channel)
        status = await refused(stub.CreateSession(pb.CreateSessionRequest(), timeout=2, metadata=token))
    assert status.code() is CODE.UNIMPLEMENTED


async def test_a_stream_that_breaks_keeps_its_secret(world: World, transport: str) -> None:
    async def watch(request: Any, context: Any) -> Any:
        yield pb.WatchRevocationsResponse(sequence=1)
        raise ValueError(SECRET)

    world.auth.does["WatchRevocations"] = watch
    async with world.channel(transport, "gateway") as channel:
        stream = auth_grpc.AuthServiceStub(channel).WatchRevocations(pb.WatchRevocationsRequest(), timeout=2)
        seen: list[int] = []

        async def read() -> None:
            async for answer in stream:
                seen.append(answer.sequence)

        status = await refused(read())
    assert seen == [1]
    assert status.code() is CODE.INTERNAL
    assert "hunter2" not in everything_in(status)


async def test_the_log_of_an_unexpected_error_holds_its_class_only(world: World, transport: str) -> None:
    world.auth.does["Authenticate"] = raising(ValueError(SECRET))
    with structlog.testing.capture_logs() as lines:
        async with world.channel(transport, SHOP) as channel:
            await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))
    (line,) = (line for line in lines if line["event"] == "rpc.internal_error")
    assert (line["method"], line["error_class"]) == ("hauberk.auth.v1.AuthService/Authenticate", "ValueError")
    assert withhold(None, "", dict(line)) == line, "nothing of it is withheld"
    assert "hunter2" not in str(lines)


async def test_a_call_that_was_aborted_is_never_an_answer(world: World, transport: str) -> None:
    """An abort that nobody awaits would be an OK answer with the zero value."""
    world.auth.does["Authenticate"] = raising(errors.Unavailable("redis"))
    async with world.channel(transport) as channel:
        for _ in range(20):
            await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))


async def test_what_is_exhausted_says_which_quota_and_when_to_come_back(world: World, transport: str) -> None:
    world.auth.does["Authenticate"] = raising(errors.Exhausted("too many long texts at once", retry_after=2.0))
    async with world.channel(transport) as channel:
        status = await refused(auth_grpc.AuthServiceStub(channel).Authenticate(login(), timeout=2))
    assert status.code() is CODE.RESOURCE_EXHAUSTED
    (quota,) = details(status, error_details_pb2.QuotaFailure)
    (retry,) = details(status, error_details_pb2.RetryInfo)
    assert [violation.description for violation in quota.violations] == ["too many long texts at once"]
    assert retry.retry_delay.seconds == 2
