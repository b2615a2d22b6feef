"""One question to a service: its deadline, the few retries that are safe, and what an error means.

A denial is an answer. An error means that nothing could be decided, which is a refusal as well.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

ATTEMPTS = 3
_DETAILS = "grpc-status-details-bin"


class Undecided(Exception):
    """Nothing could be decided: never an allow. Carries no text of the request."""

    def __init__(
        self, code: str, reason: str = "", *, retry_after: float | None = None, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"could not be decided: {code}" + (f" ({reason})" if reason else ""))
        self.code = code
        self.reason = reason
        self.retry_after = retry_after
        self.fields = dict(fields or {})  # of INVALID_ARGUMENT: path of a field to the rule that it broke


def undecided(error: aio.AioRpcError) -> Undecided:
    """What a status says, with its google.rpc details."""
    reason, retry_after, fields = "", None, {}
    info, retry, bad = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    # What is not from Hauberk, or was cut on its way, says nothing.
    with suppress(DecodeError):
        for detail in _details(error):
            if detail.Unpack(info):
                reason = str(info.reason)
            elif detail.Unpack(retry):
                retry_after = retry.retry_delay.ToMilliseconds() / 1000
            elif detail.Unpack(bad):
                fields = {violation.field: violation.description for violation in bad.field_violations}
    return Undecided(error.code().name, reason, retry_after=retry_after, fields=fields)


def _details(error: aio.AioRpcError) -> list[Any]:
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            return list(status_pb2.Status.FromString(value).details)
    return []


async def ask(method: Any, request: Any, *, timeout: float, metadata: Mapping[str, str]) -> Any:
    """The answer within `timeout` seconds, or Undecided.

    Asked again is only what the service itself asks to be asked again: UNAVAILABLE with a time that still fits.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = await method(request, timeout=max(0.0, end - loop.time()), metadata=tuple(metadata.items()))
        except aio.AioRpcError as error:
            known = undecided(error)
            pause = known.retry_after
            again = error.code() is grpc.StatusCode.UNAVAILABLE and attempt < ATTEMPTS
            if pause is None or not again or loop.time() + pause * 1.2 >= end:
                raise known from None
            await asyncio.sleep(pause * random.uniform(1.0, 1.2))  # noqa: S311 - spreads callers, hides nothing
            continue
        if answer is None:  # what grpc hands on when the answer's bytes cannot be decoded
            break
        return answer
    raise Undecided("INTERNAL", "UNREADABLE_ANSWER")
