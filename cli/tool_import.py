"""Definitions of tools as other systems write them: MCP `tools/list` and OpenAI's two shapes, read without trust.

What an importer says about itself (a description, a hint that a tool only reads) is taken as what somebody outside
claims: a hint may raise a tool's risk over the one that was asked for, and never lowers it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.errors import CliError

RISKS = ("read", "write", "egress", "destructive", "money")
_NAMED, _LISTS = ("properties", "$defs"), ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")
_MOST_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Found:
    """One definition of a file, and what stands against taking it."""

    name: str
    description: str
    schema: str
    risk: str
    refused: str = ""
    notes: tuple[str, ...] = ()


def read(text: str, risk: str, *, close: bool) -> list[Found]:
    """Every definition of the file, in its order; raises CliError when it holds none of the known shapes."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise CliError("the file is not JSON") from None
    entries = _entries(document)
    if not entries:
        raise CliError("the file holds no tools: MCP tools/list, or OpenAI definitions (chat completions or responses)")
    found = [_found(entry, risk, close) for entry in entries]
    names = [each.name for each in found]
    return [_again(each) if names.index(each.name) < number else each for number, each in enumerate(found)]


def _entries(document: Any) -> list[Any]:
    """Of a bare list, of `{"tools": [...]}`, or of the answer to a JSON-RPC call."""
    if isinstance(document, Mapping) and isinstance(document.get("result"), Mapping):
        document = document["result"]
    if isinstance(document, Mapping):
        document = document.get("tools", [document] if "type" in document or "inputSchema" in document else None)
    return document if isinstance(document, list) else []


def _found(entry: Any, risk: str, close: bool) -> Found:
    if not isinstance(entry, Mapping):
        return Found("", "", "", risk, "not a definition of a tool")
    hints: Any = {}
    if isinstance(entry.get("inputSchema"), Mapping):  # MCP
        said, schema, hints = entry, entry["inputSchema"], entry.get("annotations") or {}
    elif entry.get("type") == "function":  # OpenAI: the facts lie in `function`, or beside `type`
        inner = entry.get("function")
        said = inner if isinstance(inner, Mapping) else entry
        schema = said.get("parameters") or {"type": "object", "properties": {}, "additionalProperties": False}
    else:
        return Found(str(entry.get("name", "")), "", "", risk, "not a function: nothing here describes its arguments")
    name, description = str(said.get("name", "")), str(said.get("description") or "")
    schema = copy.deepcopy(schema)
    open_at = list(_open(schema, "", close, 0))
    refused = ""
    if any(hard for _, hard in open_at):
        refused = f"takes undeclared arguments at {_places(p for p, hard in open_at if hard)}: it says so itself"
    elif open_at:
        refused = f"does not say that it takes only what is declared, at {_places(p for p, _ in open_at)} (see --close)"
    level, notes = _risk(hints if isinstance(hints, Mapping) else {}, risk)
    return Found(name, description, json.dumps(schema), level, refused, notes)


def _again(found: Found) -> Found:
    return Found(found.name, found.description, found.schema, found.risk, "a tool of this name stands before it")


def _places(places: Iterator[str]) -> str:
    return ", ".join([place or "/" for place in places][:5])


def _risk(hints: Mapping[str, Any], least: str) -> tuple[str, tuple[str, ...]]:
    """A hint can only raise it."""
    level, notes = least, []
    claimed = "destructive" if hints.get("destructiveHint") is True else ""
    if not claimed and hints.get("openWorldHint") is True and hints.get("readOnlyHint") is not True:
        claimed = "egress"
    if claimed and RISKS.index(claimed) > RISKS.index(least):
        level = claimed
        notes.append(f"says of itself that it is {claimed}")
    if hints.get("readOnlyHint") is True and least != "read":
        notes.append("says of itself that it only reads, which counts for nothing")
    return level, tuple(notes)


def _open(schema: Any, place: str, close: bool, depth: int) -> Iterator[tuple[str, bool]]:
    """Where objects are open, and whether the schema says so itself; with `close`, what is silent is closed here."""
    if depth > _MOST_DEPTH:
        yield place, True
        return
    if not isinstance(schema, dict):
        if schema is True:
            yield place, True
        return
    if schema.get("additionalProperties") is True:
        yield place, True
    elif _is_object(schema) and "additionalProperties" not in schema:
        if close:
            schema["additionalProperties"] = False
        else:
            yield place, False
    for step, below in _below(schema):
        yield from _open(below, f"{place}/{step}", close, depth + 1)


def _below(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every schema inside; what has another shape than it should is for the service to refuse."""
    for keyword in _NAMED:
        named = schema.get(keyword)
        if isinstance(named, dict):
            yield from ((f"{keyword}/{name}", below) for name, below in named.items())
    for keyword in _LISTS:
        listed = schema.get(keyword)
        if isinstance(listed, list):
            yield from ((f"{keyword}/{number}", below) for number, below in enumerate(listed))
    for keyword in _SINGLE:
        if keyword in schema and schema[keyword] is not True:
            yield keyword, schema[keyword]


def _is_object(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema
