"""Between JSON and the messages of the contract, by protobuf's JSON mapping, strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.http.routes import Match
from services.kit.errors import InvalidArgument, Violation

Json = dict[str, Any]
_WELL_KNOWN = "google.protobuf."
_WRONG = (json_format.ParseError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
_NO_FIELD = "no such field"
_WRONG_TYPE = "a value of the field's type"
_ONCE = "given once"


def request_of(match: Match, query: Sequence[tuple[str, str]], body: Json | None) -> Any:
    """The request message. Raises InvalidArgument naming each field that is unknown, twice there or of a wrong type."""
    route = match.route
    if route.whole_body:
        data = dict(body or {})
        if query:
            raise InvalidArgument(*(Violation(name[:64], "not read from the query here") for name, _ in query))
    else:
        if body is not None:
            raise InvalidArgument.of("body", "empty")
        data = _of_query(route.method.input_type, query)
    for name, value in match.values.items():
        _place(data, route.method.input_type, name, value)
    return parsed(data, route.method.input_type)


def parsed(data: Json, kind: Descriptor) -> Any:
    """A message of this kind; raises InvalidArgument."""
    if doubled := list(_doubled(data, kind, "")):
        raise InvalidArgument(*doubled)
    try:
        return json_format.ParseDict(data, GetMessageClass(kind)(), max_recursion_depth=64)
    except _WRONG:
        raise InvalidArgument(*_wrong_fields(data, kind, "")) from None


def answer_of(message: Any) -> bytes:
    """JSON of an answer. Fields without a value are written, too: nobody has to guess that a missing one means deny."""
    return json.dumps(
        json_format.MessageToDict(message, always_print_fields_with_no_presence=True), ensure_ascii=False
    ).encode()


def json_path(path: str) -> str:
    """A field's path in the names of JSON."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), path)


def field_of(kind: Descriptor, name: str) -> FieldDescriptor | None:
    """By either of its names."""
    found = kind.fields_by_name.get(name) or kind.fields_by_camelcase_name.get(name)
    return found or next((field for field in kind.fields if field.json_name == name), None)


def kind_of(field: FieldDescriptor) -> Descriptor:
    """The message type of a field that has one."""
    assert field.message_type is not None  # noqa: S101 - asked for messages alone
    return field.message_type


def is_message(field: FieldDescriptor) -> bool:
    """A message with fields of its own: no map, and none that JSON writes as one value."""
    kind = field.message_type
    return kind is not None and not kind.full_name.startswith(_WELL_KNOWN) and not kind.GetOptions().map_entry


def _of_query(kind: Descriptor, query: Sequence[tuple[str, str]]) -> Json:
    data: Json = {}
    for name, text in query:
        place, owner = data, kind
        *parents, leaf = name.split(".")
        for part in parents:
            field = field_of(owner, part)
            if field is None or not is_message(field) or field.is_repeated:
                raise InvalidArgument.of(name[:64], _NO_FIELD)
            place, owner = place.setdefault(field.name, {}), kind_of(field)
        field = field_of(owner, leaf)
        if field is None or (field.message_type is not None and not _one_value(field)):
            raise InvalidArgument.of(name[:64], _NO_FIELD)
        value: Any = text
        if field.type == FieldDescriptor.TYPE_BOOL:
            value = {"true": True, "false": False}.get(text, text)
        if field.is_repeated:
            place.setdefault(field.name, []).append(value)
        elif field.name in place:
            raise InvalidArgument.of(name[:64], _ONCE)
        else:
            place[field.name] = value
    return data


def _one_value(field: FieldDescriptor) -> bool:
    """Messages that JSON writes as one string."""
    return kind_of(field).full_name in {f"{_WELL_KNOWN}{name}" for name in ("Timestamp", "Duration", "FieldMask")}


def _place(data: Json, kind: Descriptor, path: str, value: str) -> None:
    """Puts a value of the path where it belongs; the body must not name it as well."""
    *parents, leaf = path.split(".")
    for part in parents:
        field = kind.fields_by_name[part]
        inner = data.setdefault(field.json_name if field.json_name in data else field.name, {})
        if not isinstance(inner, dict):
            raise InvalidArgument.of(part, _WRONG_TYPE)
        data, kind = inner, kind_of(field)
    field = kind.fields_by_name[leaf]
    if field.name in data or field.json_name in data:
        raise InvalidArgument.of(path, "named by the path, and there alone")
    data[field.name] = value


def _doubled(data: Mapping[str, Any], kind: Descriptor, prefix: str) -> Iterator[Violation]:
    """Fields given under both of their names: the parser takes the last, another reader may take the first."""
    named: set[str] = set()
    for key, value in data.items():
        field = field_of(kind, key)
        if field is None:
            continue
        if field.name in named:
            yield Violation(f"{prefix}{key}", _ONCE)
        named.add(field.name)
        if is_message(field):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    yield from _doubled(one, kind_of(field), f"{prefix}{key}.")


def _wrong_fields(data: Mapping[str, Any], kind: Descriptor, prefix: str) -> list[Violation]:
    """Each field that does not fit, by trying them one by one."""
    found: list[Violation] = []
    for key, value in data.items():
        path = f"{prefix}{key[:64]}"
        field = field_of(kind, key)
        if field is None:
            found.append(Violation(path, _NO_FIELD))
        elif not _fits({key: value}, kind):
            found += _inside(value, field, path) or [Violation(path, _WRONG_TYPE)]
    return found or [Violation(prefix.rstrip(".") or "body", "a combination of fields that the message has")]


def _inside(value: Any, field: FieldDescriptor, path: str) -> list[Violation]:
    if not is_message(field):
        return []
    if isinstance(value, dict) and not field.is_repeated:
        return _wrong_fields(value, kind_of(field), f"{path}.")
    found: list[Violation] = []
    if isinstance(value, list) and field.is_repeated:
        for index, one in enumerate(value):
            if isinstance(one, dict) and not _fits(one, kind_of(field)):
                found += _wrong_fields(one, kind_of(field), f"{path}[{index}].")
    return found


def _fits(data: Json, kind: Descriptor) -> bool:
    try:
        json_format.ParseDict(data, GetMessageClass(kind)(), max_recursion_depth=64)
    except _WRONG:
        return False
    return True
