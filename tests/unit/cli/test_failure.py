"""A status as one plain line: our own words, never the transport's."""

from __future__ import annotations

import grpc
from grpc import aio

from cli.failure import Failure
from services.kit.boundary import status_of
from services.kit.errors import InvalidArgument, KitError, Unavailable, Violation


def error_of(error: KitError) -> aio.AioRpcError:
    details = (("grpc-status-details-bin", status_of(error).SerializeToString()),)
    return aio.AioRpcError(error.code, aio.Metadata(), aio.Metadata(*details), error.message)


def test_each_wrong_field_is_named() -> None:
    failure = Failure.of(error_of(InvalidArgument(Violation("brand", "is odd"), Violation("messages", "is empty"))))
    assert failure.fields == (("brand", "is odd"), ("messages", "is empty"))
    assert failure.line() == "the request is malformed: brand: is odd; messages: is empty"


def test_our_own_message_is_shown() -> None:
    failure = Failure.of(error_of(Unavailable("redis")))
    assert (failure.code, failure.reason) == ("UNAVAILABLE", "DEPENDENCY_UNAVAILABLE")
    assert failure.line() == "redis is unavailable (UNAVAILABLE)"
    assert failure.as_dict()["fields"] == []


def test_the_transport_s_text_is_not_shown() -> None:
    plain = aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata(), "failed to connect to ipv4:10.0.0.7:7443"
    )
    line = Failure.of(plain).line()
    assert line == "the stack cannot be reached (UNAVAILABLE)"
