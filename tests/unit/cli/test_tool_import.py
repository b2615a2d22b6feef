"""Definitions of tools from elsewhere: taken as they are, or refused with the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.errors import CliError
from cli.main import main
from cli.tool_import import Found, read

CLOSED = {"type": "object", "properties": {"q": {"type": "string"}}, "additionalProperties": False}
OPEN = {"type": "object", "properties": {"q": {"type": "object", "properties": {}}}}


def mcp(schema: Any = None, name: str = "look", **hints: Any) -> dict[str, Any]:
    return {"name": name, "description": "d", "inputSchema": CLOSED if schema is None else schema, "annotations": hints}


def one(entry: Any, risk: str = "write", *, close: bool = False) -> Found:
    (found,) = read(json.dumps([entry]), risk, close=close)
    return found


@pytest.mark.parametrize(
    "document",
    [
        {"jsonrpc": "2.0", "id": 1, "result": {"tools": [mcp()]}}, {"tools": [mcp()]}, [mcp()], mcp(),
        [{"type": "function", "function": {"name": "look", "description": "d", "parameters": CLOSED}}],
        [{"type": "function", "name": "look", "description": "d", "parameters": CLOSED, "strict": True}],
        {"tools": [{"type": "function", "name": "look", "description": "d", "parameters": CLOSED}]},
    ],
)  # fmt: skip
def test_every_shape_is_one_tool(document: Any) -> None:
    (found,) = read(json.dumps(document), "egress", close=False)
    assert (found.name, found.description, found.risk, found.refused) == ("look", "d", "egress", "")
    assert json.loads(found.schema) == CLOSED


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "7", '{"tools": {}}', '{"result": []}', "[" * 5000])
def test_a_file_of_something_else(text: str) -> None:
    with pytest.raises(CliError):
        read(text, "read", close=False)


@pytest.mark.parametrize(
    ("schema", "closing", "word"),
    [
        (OPEN, False, "/, /properties/q"),
        ({**CLOSED, "properties": {"q": {"type": ["object", "null"]}}}, False, "/properties/q"),
        ({**CLOSED, "$defs": {"a": {"properties": {}}}}, False, "/$defs/a"),
        ({**CLOSED, "properties": {"q": {"anyOf": [{"type": "object"}]}}}, False, "/properties/q/anyOf/0"),
        ({"type": "object", "additionalProperties": True}, True, "says so itself"),
        ({**CLOSED, "properties": {"q": True}}, True, "/properties/q"),
    ],
)
def test_open_schemas_are_refused_with_their_place(schema: Any, closing: bool, word: str) -> None:
    assert word in one(mcp(schema), close=closing).refused


def test_closing_closes_what_is_silent_only() -> None:
    found = one(mcp(OPEN), close=True)
    schema = json.loads(found.schema)
    assert not found.refused
    assert schema["additionalProperties"] is False and schema["properties"]["q"]["additionalProperties"] is False
    by_name = {"type": "object", "additionalProperties": {"type": "string"}}
    assert json.loads(one(mcp(by_name), close=True).schema) == by_name


@pytest.mark.parametrize(
    ("hints", "least", "risk"),
    [
        ({"readOnlyHint": True}, "write", "write"), ({"readOnlyHint": True}, "destructive", "destructive"),
        ({"destructiveHint": True}, "read", "destructive"), ({"destructiveHint": True}, "money", "money"),
        ({"openWorldHint": True}, "read", "egress"), ({"destructiveHint": "yes"}, "write", "write"),
        ({}, "read", "read"),
    ],
)  # fmt: skip
def test_a_hint_raises_and_never_lowers(hints: dict[str, Any], least: str, risk: str) -> None:
    assert one(mcp(None, **hints), least).risk == risk


def test_a_name_twice_and_what_is_no_function() -> None:
    first, second = read(json.dumps([mcp(), mcp()]), "read", close=False)
    assert not first.refused and "stands before" in second.refused
    assert one({"type": "web_search"}).refused and one("look").refused and not one({"type": "function"}).refused


def test_a_dry_run_says_what_the_service_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tools.json"
    bad = {**CLOSED, "properties": {"q": {"type": "string", "pattern": "(a+)+"}}}
    path.write_text(json.dumps([mcp(name="fine"), mcp(bad, name="slow"), mcp(name="no name")]))
    assert main(["tools", "import", str(path), "--dry-run", "--json"]) == 1
    rows = {row["tool"]: row["result"] for row in json.loads(capsys.readouterr().out)["tools"]}
    assert rows == {"fine": "taken", "slow": "refused", "no name": "refused"}
    assert main(["tools", "import", str(tmp_path / "none.json"), "--dry-run"]) == 2
