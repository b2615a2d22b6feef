"""The validation layer: every request is checked against the contract's rules, after authentication."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import protovalidate
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.kit.call import MALFORMED, Call, Proceed
from services.kit.errors import InvalidArgument, Violation


class Validation:
    """Refuses a request that breaks the contract and names every wrong field, never its value."""

    name = "validation"
    after: tuple[str, ...] = ("boundary", "telemetry", "deadline", "identity")

    def __init__(self, services: Iterable[ServiceDescriptor] = ()) -> None:
        for service in services:  # the first call of each type compiles its rules (ms): not on a request
            for method in service.methods:
                violations_of(GetMessageClass(method.input_type)())

    async def __call__(self, call: Call, proceed: Proceed) -> Any:
        """Checks one request, or each message of a stream as it comes."""
        if isinstance(call.request, Message) or call.request is MALFORMED:
            check(call.request)
        else:
            call.request = _checked(call.request)
        return await proceed()


async def _checked(requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for request in requests:
        check(request)
        yield request


def check(message: Any) -> None:
    """Raises InvalidArgument with every violation."""
    if message is MALFORMED:
        raise InvalidArgument.of("request", "must be a message of this method")
    violations = violations_of(message)
    if violations:
        raise InvalidArgument(*violations)


def violations_of(message: Message) -> list[Violation]:
    """What breaks the contract's rules: field path and rule."""
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        return [
            Violation(_path(v.proto.field), v.proto.message or v.proto.rule_id or "invalid") for v in error.violations
        ]
    return []


def _path(path: Any) -> str:
    parts = []
    for element in getattr(path, "elements", ()):
        name = element.field_name
        subscript = getattr(element, "subscript", None)
        if subscript is not None:
            # A map key is the caller's text and stays out; a list index is only a number.
            name += f"[{subscript.value}]" if getattr(subscript, "field", "") == "index" else "[]"
        parts.append(name)
    return ".".join(parts) or "request"
