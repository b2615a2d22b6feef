"""JSON Schemas of the contract's messages, with the bounds that protovalidate enforces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.http.transcode import kind_of

Json = dict[str, Any]
Comments = Mapping[str, str]
F = FieldDescriptor
_SMALL = {F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32}
_SMALL_UNSIGNED = {F.TYPE_UINT32, F.TYPE_FIXED32}
_LARGE = {F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64, F.TYPE_UINT64, F.TYPE_FIXED64}
_WELL_KNOWN: Mapping[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Empty": {"type": "object"},
}
_FORMATS = {"email": "email", "hostname": "hostname", "uri": "uri", "uuid": "uuid"}


def short(full_name: str) -> str:
    """Name of a message or enum in the document."""
    return full_name.removeprefix("hauberk.")


class Schemas:
    """Collects what is referred to."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self.found: dict[str, Json] = {}

    def reference(self, kind: Descriptor | EnumDescriptor) -> Json:
        """A reference, with the schema in `found`."""
        name = short(kind.full_name)
        if name not in self.found:
            self.found[name] = {}  # a message may hold itself
            self.found[name] = self._enum(kind) if isinstance(kind, EnumDescriptor) else self.object(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def object(self, kind: Descriptor, without: frozenset[str] = frozenset(), *, closed: bool = False) -> Json:
        """The schema of a message, in place; `without` are dotted paths that stand elsewhere."""
        properties: Json = {}
        required: list[str] = []
        for field in kind.fields:
            if field.name in without:
                continue
            inner = frozenset(path.partition(".")[2] for path in without if path.startswith(f"{field.name}."))
            if inner:
                properties[field.json_name] = self.object(kind_of(field), inner, closed=closed)
            else:
                properties[field.json_name] = self.field(field)
            if _is_required(field):
                required.append(field.json_name)
        schema: Json = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if closed:
            schema["additionalProperties"] = False
        return self._described(schema, kind.full_name)

    def field(self, field: FieldDescriptor) -> Json:
        """The schema of a field, with its comment."""
        rules = _rules(field)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            schema = self._map(field, rules)
        elif field.is_repeated:
            schema = {"type": "array", "items": self._value(field, rules.repeated.items)}
            _copy(rules.repeated, schema, {"min_items": "minItems", "max_items": "maxItems"})
            if rules.repeated.unique:
                schema["uniqueItems"] = True
        else:
            schema = self._value(field, rules)
        return self._described(schema, field.full_name)

    def _map(self, field: FieldDescriptor, rules: Any) -> Json:
        entry = kind_of(field)
        schema: Json = {
            "type": "object",
            "additionalProperties": self._value(entry.fields_by_name["value"], rules.map.values),
            "propertyNames": self._value(entry.fields_by_name["key"], rules.map.keys),
        }
        _copy(rules.map, schema, {"min_pairs": "minProperties", "max_pairs": "maxProperties"})
        return schema

    def _value(self, field: FieldDescriptor, rules: Any) -> Json:
        if field.enum_type is not None:
            return self.reference(field.enum_type)
        if field.message_type is not None:
            known = _WELL_KNOWN.get(field.message_type.full_name)
            return dict(known) if known is not None else self.reference(field.message_type)
        return _scalar(field, rules)

    def _enum(self, kind: EnumDescriptor) -> Json:
        beside = kind.full_name.rpartition(".")[0]  # values stand beside their enum, not in it
        lines = [f"- `{v.name}`: {self._comments.get(f'{beside}.{v.name}', '')}" for v in kind.values]
        words = "\n".join([self._comments.get(kind.full_name, ""), "", *lines]).strip()
        return {"type": "string", "enum": [value.name for value in kind.values], "description": words}

    def _described(self, schema: Json, name: str) -> Json:
        words = self._comments.get(name)
        return {**schema, "description": words} if words else schema


def query_fields(kind: Descriptor, prefix: str = "") -> Iterator[tuple[str, FieldDescriptor]]:
    """Fields that a query can carry, by the name they have there."""
    for field in kind.fields:
        message = field.message_type
        if message is None or message.full_name in _WELL_KNOWN:
            yield prefix + field.json_name, field
        elif not field.is_repeated and not message.GetOptions().map_entry:
            yield from query_fields(message, f"{prefix}{field.json_name}.")


def _scalar(field: FieldDescriptor, rules: Any) -> Json:
    kind = field.type
    if kind == F.TYPE_STRING:
        return _string(rules)
    if kind == F.TYPE_BYTES:
        schema: Json = {"type": "string", "contentEncoding": "base64"}
        if rules.bytes.HasField("max_len"):
            schema["maxLength"] = (rules.bytes.max_len + 2) // 3 * 4
        return schema
    if kind == F.TYPE_BOOL:
        return {"type": "boolean"}
    if kind in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
        return {"type": "number", **_bounds(rules)}
    if kind in _LARGE:  # as text, for readers whose numbers end at 2^53; numbers are taken as well
        return {"type": ["string", "integer"], "pattern": "^-?[0-9]{1,20}$", "format": "int64", **_bounds(rules)}
    floor = {"minimum": 0} if kind in _SMALL_UNSIGNED else {}
    assert kind in _SMALL | _SMALL_UNSIGNED, field.full_name  # noqa: S101 - protobuf has no other scalar
    return {"type": "integer", "format": "int32", **floor, **_bounds(rules)}


def _string(rules: Any) -> Json:
    schema: Json = {"type": "string"}
    found = rules.string
    _copy(found, schema, {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern"})
    if found.HasField("len"):
        schema["minLength"] = schema["maxLength"] = found.len
    if found.HasField("const"):
        schema["const"] = found.const
    if getattr(found, "in"):
        schema["enum"] = list(getattr(found, "in"))
    known = found.WhichOneof("well_known")
    if known in _FORMATS:
        schema["format"] = _FORMATS[known]
    if rules.ignore and ("pattern" in schema or "minLength" in schema):
        return {"anyOf": [{"const": ""}, schema]}  # empty means: not given
    return schema


def _bounds(rules: Any) -> Json:
    kind = rules.WhichOneof("type")
    found: Json = {}
    if kind is not None:
        names = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
        _copy(getattr(rules, kind), found, names)
    return found


def _copy(rules: Any, schema: Json, names: Mapping[str, str]) -> None:
    for theirs, ours in names.items():
        if rules.HasField(theirs):
            schema[ours] = getattr(rules, theirs)


def _rules(field: FieldDescriptor) -> Any:
    return field.GetOptions().Extensions[validate_pb2.field]


def _is_required(field: FieldDescriptor) -> bool:
    rules = _rules(field)
    if rules.required:
        return True
    if rules.ignore or field.is_repeated or field.containing_oneof is not None:
        return bool(field.is_repeated and rules.repeated.min_items and not rules.ignore)
    return bool(field.type == F.TYPE_STRING and (rules.string.min_len or _forbids_empty(rules.string.pattern)))


def _forbids_empty(pattern: str) -> bool:
    return bool(pattern) and re.search(pattern, "") is None
