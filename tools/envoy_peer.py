"""Random messages and their meaning, for two environments: ours, and one with somebody else's generated code.

Run as a file by the other environment's Python (`tools/envoy_wire.py` does): needs protobuf and nothing of ours.
"""

from __future__ import annotations

import base64
import importlib
import json
import random
import sys
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

# Of each contract: the public module, ours, and the messages that go over the wire.
CONTRACTS = {
    "ratelimit": (
        "envoy.service.ratelimit.v3.rls_pb2",
        "hauberk.envoy.ratelimit.v3.rls_pb2",
        ("RateLimitRequest", "RateLimitResponse"),
    ),
    "auth": (
        "envoy.service.auth.v3.external_auth_pb2",
        "hauberk.envoy.auth.v3.external_auth_pb2",
        ("CheckRequest", "CheckResponse"),
    ),
    "ext_proc": (
        "envoy.service.ext_proc.v3.external_processor_pb2",
        "hauberk.envoy.ext_proc.v3.external_processor_pb2",
        ("ProcessingRequest", "ProcessingResponse"),
    ),
}
Shape = dict[str, Any]
_LETTERS = "abcXYZ019 _-:/{}\"'\\\u00e9\u4e2d\U0001f600"


def shape_of(message: Descriptor) -> Shape:
    """Field names, and those within; of an enum the numbers that are known."""
    return {field.name: _within(field) for field in message.fields}


def _within(field: Any) -> Shape:
    if field.enum_type is not None:
        return {"numbers": [value.number for value in field.enum_type.values]}
    return shape_of(field.message_type) if field.message_type is not None and not _known(field) else {}


def fill(message: Any, shape: Shape | None, rng: random.Random, depth: int = 0) -> None:
    """Random values for the fields of the shape, in any combination; without one for every field there is."""
    members = [[f.name for f in one.fields if shape is None or f.name in shape] for one in message.DESCRIPTOR.oneofs]
    chosen = {rng.choice(names) for names in members if names}
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and field.name not in chosen:
            continue
        if (shape is not None and field.name not in shape) or rng.random() < 0.2 or depth > 5:
            continue
        inner = None if shape is None else shape[field.name]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if shape is not None:
                _fill_map(getattr(message, field.name), field.message_type.fields_by_name["value"], rng)
            continue
        if field.message_type is None:
            values = [_value(field, rng, inner) for _ in range(rng.randrange(4) if field.is_repeated else 1)]
            getattr(message, field.name).extend(values) if field.is_repeated else setattr(
                message, field.name, values[0]
            )
        elif field.is_repeated:
            for _ in range(rng.randrange(4)):
                fill(getattr(message, field.name).add(), inner, rng, depth + 1)
        elif field.message_type.full_name == "google.protobuf.Duration":
            part = getattr(message, field.name)
            part.seconds, part.nanos = rng.randrange(10**9), rng.randrange(10**9)
        else:
            part = getattr(message, field.name)
            part.SetInParent()
            fill(part, None if _known(field) else inner, rng, depth + 1)


def _fill_map(values: Any, kind: Any, rng: random.Random) -> None:
    for number in range(rng.randrange(4)):
        if kind.message_type is None:
            values[f"key-{number}"] = _value(kind, rng, None)
        else:  # a Struct: what Envoy hands from filter to filter
            values[f"key-{number}"].update({"text": "\u00e9", "number": rng.randrange(99), "list": [True, None]})


def meaning(message: Message) -> Any:
    """The message as plain data, by the public names of its fields."""
    return MessageToDict(message, preserving_proto_field_name=True)


def line(name: str, message: Message, **more: Any) -> Any:
    """One message for the other side."""
    wire = base64.b64encode(message.SerializeToString(deterministic=True)).decode()
    return {"message": name, "wire": wire, "fields": meaning(message), **more}


def _known(field: Any) -> bool:
    return bool(field.message_type.full_name.startswith("google.protobuf."))


def _value(field: Any, rng: random.Random, inner: Shape | None) -> Any:
    kinds = FieldDescriptor
    if field.type == kinds.TYPE_STRING:
        return "".join(rng.choice(_LETTERS) for _ in range(rng.choice((0, 1, 7, 60))))
    if field.type == kinds.TYPE_BYTES:
        return rng.randbytes(rng.choice((0, 5)))
    if field.type == kinds.TYPE_ENUM:
        known = inner["numbers"] if inner else [value.number for value in field.enum_type.values]
        return rng.choice(known)
    if field.type == kinds.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type in (kinds.TYPE_DOUBLE, kinds.TYPE_FLOAT):
        return float(rng.randrange(1000))
    bits = 32 if field.type in (kinds.TYPE_UINT32, kinds.TYPE_INT32, kinds.TYPE_FIXED32) else 64
    return rng.choice((0, 1, rng.randrange(2**31), 2**31 - 1 if bits == 32 else 2**63 - 1))


def make(module: Any, shapes: dict[str, Shape], seed: int, count: int) -> None:
    """Writes messages of ours' fields, and the same with whatever else the public contract has."""
    rng = random.Random(seed)  # noqa: S311 - the same messages again
    for number in range(count):
        name = list(shapes)[number % len(shapes)]
        message = getattr(module, name)()
        fill(message, shapes[name], rng)
        more = getattr(module, name)()
        fill(more, None, rng)
        whole = base64.b64encode(more.SerializeToString()).decode()
        print(json.dumps(line(name, message, whole=whole)))


def check(module: Any) -> int:
    """Reads messages of the other side; the number that mean something else here."""
    wrong = 0
    for text in sys.stdin:
        asked = json.loads(text)
        message = getattr(module, asked["message"]).FromString(base64.b64decode(asked["wire"]))
        same = "whole" in asked and message != getattr(module, asked["message"]).FromString(
            base64.b64decode(asked["whole"])
        )
        wrong += same or ("fields" in asked and meaning(message) != asked["fields"])
    return wrong


if __name__ == "__main__":
    public = importlib.import_module(CONTRACTS[sys.argv[2]][0])
    if sys.argv[1] == "make":
        make(public, json.loads(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        print(check(public))
