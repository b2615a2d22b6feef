"""Requests for RPCs that nobody wrote a test for: valid by the contract's own rules, made from descriptors alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.kit.validation import violations_of

_DEPTH = 5
_TEXTS = (
    "chat.send",
    "key_" + "0" * 22,
    "ses_" + "0" * 22,
    "inv_" + "0" * 22,
    "adm_" + "0" * 43,
    "apr_" + "0" * 32,
    "inc_" + "0" * 24,
    "act_" + "0" * 24,
    "https://probe.example",
    "203.0.113.7",
    "203.0.113.0/24",
    "UTC",
    "2030-01-01",
    "{}",
    "a" * 64,
    "0" * 32,
    "1." + "0" * 32,
    "GET",
    "connect-src",
    "turnstile",
)
_NUMBERS = (1, 10, 60, 100, 1000, 0)
_BYTES = (b"probe", bytes(32), b"")
Values = Mapping[str, Any]
"""What a field holds, by `Message.field` or by the field's name alone; an empty list leaves the field out. `*` is what
any other text holds, where the contract lets it."""


def valid(message: type[Message], values: Values) -> Message:
    """A request that keeps every rule of the contract, with every field set that can be.

    Raises AssertionError naming the field: then `values` has to say what it holds.
    """
    made = message()
    _fill(made, made, "", values, _DEPTH)
    wrong = violations_of(made)
    assert not wrong, f"{made.DESCRIPTOR.name}: no sample value for {wrong[0].field} ({wrong[0].rule}); name one"
    return made


def texts(message: Message, path: str = "") -> Iterator[tuple[str, Message, Any, int]]:
    """Every text that is set: its path, the message that holds it, the field, its index (-1: not repeated)."""
    for field, value in message.ListFields():
        where = f"{path}{field.name}"
        if field.type == FieldDescriptor.TYPE_STRING and not _is_map(field):
            if _repeated(field):
                yield from ((f"{where}[{index}]", message, field, index) for index in range(len(value)))
            else:
                yield where, message, field, -1
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(field):
            for index, inner in enumerate(value if _repeated(field) else [value]):
                yield from texts(inner, f"{where}[{index}]." if _repeated(field) else f"{where}.")


def put(holder: Message, field: Any, index: int, text: str) -> None:
    """Sets one of `texts`."""
    if index < 0:
        setattr(holder, field.name, text)
    else:
        getattr(holder, field.name)[index] = text


def with_text(request: Message, place: str, text: str) -> Message:
    """A copy of the request that holds this text there."""
    copy = type(request)()
    copy.CopyFrom(request)
    for where, holder, field, index in list(texts(copy)):
        if where == place:
            put(holder, field, index, text)
    return copy


def _fill(root: Message, made: Message, path: str, values: Values, depth: int) -> None:
    for field in made.DESCRIPTOR.fields:
        named = values.get(f"{made.DESCRIPTOR.name}.{field.name}", values.get(field.name))
        oneof = field.containing_oneof
        if _is_map(field) or (oneof and named is None and made.WhichOneof(oneof.name)):
            continue
        if named is not None and field.type != FieldDescriptor.TYPE_MESSAGE:
            _set(made, field, named)
            if _wrong(root, made, field, f"{path}{field.name}"):
                _search(root, made, field, f"{path}{field.name}", values)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            _message(root, made, field, path, values, depth)
        else:
            _search(root, made, field, f"{path}{field.name}", values)


def _message(root: Message, made: Message, field: Any, path: str, values: Values, depth: int) -> None:
    kind = field.message_type.full_name
    if depth == 0 or values.get(f"{made.DESCRIPTOR.name}.{field.name}") == []:
        return
    inner = getattr(made, field.name).add() if _repeated(field) else getattr(made, field.name)
    inner.SetInParent()
    if kind == "google.protobuf.Duration":
        for seconds in (60, 3600, 86_400):
            inner.FromSeconds(seconds)
            if not _wrong(root, made, field, f"{path}{field.name}"):
                break
    elif kind == "google.protobuf.Timestamp":
        inner.FromSeconds(int(time.time()))
    elif kind == "google.protobuf.FieldMask":
        inner.paths.append(values.get(f"{made.DESCRIPTOR.name}.{field.name}", "display_name"))
    else:
        _fill(root, inner, f"{path}{field.name}[0]." if _repeated(field) else f"{path}{field.name}.", values, depth - 1)


def _search(root: Message, made: Message, field: Any, path: str, values: Values) -> None:
    """The first candidate that the contract has nothing against."""
    for candidate in _candidates(field, str(values.get("*", "probe"))):
        _set(made, field, candidate)
        if not _wrong(root, made, field, path):
            return
    made.ClearField(field.name)


def _wrong(root: Message, made: Message, field: Any, path: str) -> bool:
    where = f"{path}[0]" if _repeated(field) else path
    return any(violation.field in (path, where) for violation in violations_of(root))


def _candidates(field: Any, text: str) -> tuple[Any, ...]:
    if field.type == FieldDescriptor.TYPE_ENUM:
        return tuple(value.number for value in field.enum_type.values[1:])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return (False,)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _BYTES
    return (text, *_TEXTS) if field.type == FieldDescriptor.TYPE_STRING else _NUMBERS


def _set(made: Message, field: Any, value: Any) -> None:
    if _repeated(field):
        made.ClearField(field.name)
        getattr(made, field.name).extend(value if isinstance(value, list) else [value])
    else:
        setattr(made, field.name, value)


def _repeated(field: Any) -> bool:
    return bool(field.is_repeated)


def _is_map(field: Any) -> bool:
    return field.type == FieldDescriptor.TYPE_MESSAGE and bool(field.message_type.GetOptions().map_entry)


def message_of(method: Any) -> type[Message]:
    """The request type of a method."""
    kind: type[Message] = GetMessageClass(method.input_type)
    return kind
