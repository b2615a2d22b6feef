"""Writes the OpenAPI document of the HTTP edge from the contract: python -m tools.openapi [--check]."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hauberk.common.v1 import access_pb2

from gateway.http.resources import OPENAPI
from gateway.http.routes import Route, public_routes
from tools import openapi_fixed as fixed
from tools.openapi_schemas import Comments, Json, Schemas, query_fields
from tools.protogen import write_external, write_image

_ABOUT = """\
Every method of the contract that needs no certificate, as JSON (protobuf's JSON mapping, names in lowerCamelCase).
The organisation comes from the credential; no request names one. A decision, also a denial, is a 200 with its outcome
inside; anything else is a problem (RFC 9457). Unknown fields are refused by name.
"""


def document() -> Json:
    """The whole document."""
    schemas = Schemas(comments())
    paths: Json = {}
    for route in public_routes():
        paths.setdefault(route.template, {})[route.verb.lower()] = _operation(route, schemas, comments())
    paths.update(fixed.paths())
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    retry = {"schema": {"type": "integer"}, "description": "seconds after which it may be tried again"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hauberk",
            "version": "v1",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted({**schemas.found, **fixed.SCHEMAS}.items())),
            "responses": {
                "Problem": {
                    "description": "Not decided, and why",
                    "headers": {"Retry-After": retry},
                    "content": problem,
                }
            },
            "securitySchemes": fixed.SECURITY,
        },
    }


def _operation(route: Route, schemas: Schemas, words: Comments) -> Json:
    method = route.method
    scope = method.GetOptions().Extensions[access_pb2.access].scope
    text = words.get(method.full_name, "")
    operation: Json = {
        "operationId": f"{method.containing_service.name}_{method.name}",
        "tags": [route.peer],
        "summary": text.partition(". ")[0].rstrip(".") or method.name,
        "description": text + (f" Needs the scope `{scope}`." if scope else ""),
        "security": [] if route.anonymous else fixed.CREDENTIALS,
        "responses": {
            "200": {
                "description": "Decided or done",
                "content": {"application/json": {"schema": schemas.reference(method.output_type)}},
            },
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    parameters = [_parameter(name, "path", _field(route, name), schemas) for name in route.variables]
    if route.whole_body:
        schema = schemas.object(method.input_type, frozenset(route.variables), closed=True)
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": "required" in schema, "content": content}
    else:
        parameters += [
            _parameter(name, "query", field, schemas)
            for name, field in query_fields(method.input_type)
            if field.name not in route.variables
        ]
    if parameters:
        operation["parameters"] = parameters
    return operation


def _field(route: Route, path: str) -> FieldDescriptor:
    kind, found = route.method.input_type, None
    for part in path.split("."):
        found = kind.fields_by_name[part]
        kind = found.message_type or kind
    assert found is not None  # noqa: S101 - a path has at least one part
    return found


def _parameter(name: str, place: str, field: FieldDescriptor, schemas: Schemas) -> Json:
    schema = schemas.field(field)
    words = schema.pop("description", "")
    found: Json = {"name": name, "in": place, "required": place == "path", "schema": schema}
    if words:
        found["description"] = words
    return found


_comments: dict[str, str] = {}


def comments() -> Comments:
    """The comments of the contract by full name; read once."""
    if not _comments:
        with tempfile.TemporaryDirectory() as scratch:
            external, image = Path(scratch) / "external.binpb", Path(scratch) / "image.binpb"
            write_external(external)
            write_image(image, external)
            for file in FileDescriptorSet.FromString(image.read_bytes()).file:
                _comments.update(_of_file(file))
    return _comments


def _of_file(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for place in file.source_code_info.location:
        text = " ".join(place.leading_comments.split())
        name = _name(file, place.path) if text else ""
        if name:
            yield name, text


def _name(file: FileDescriptorProto, path: Sequence[int]) -> str:
    """The full name of what a location is about; empty for what has none."""
    node: Any = file
    parts = [file.package]
    for number, index in zip(path[::2], path[1::2], strict=False):
        field = node.DESCRIPTOR.fields_by_number.get(number)
        if field is None or not field.is_repeated or field.message_type is None:
            return ""
        node = getattr(node, field.name)[index]
        parts.append(getattr(node, "name", ""))
    if len(path) % 2 or not all(parts):
        return ""
    if path and len(parts) > 2 and type(node).__name__ == "EnumValueDescriptorProto":
        del parts[-2]  # values stand beside their enum, not in it
    return ".".join(parts)


def text() -> str:
    """As it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Writes, or with --check fails when what is committed differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the document is not up to date")
    options = parser.parse_args()
    fresh = text()
    if options.check:
        if OPENAPI.exists() and OPENAPI.read_text(encoding="utf-8") == fresh:
            return 0
        sys.stderr.write(f"{OPENAPI.name} is not what the contract gives: run make openapi\n")
        return 1
    OPENAPI.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
