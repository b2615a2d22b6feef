"""One policy as data: its text, and what its head says about whom and what it can apply to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cedarpy import policies_to_json_str

ANY = ""
"""In a head: no restriction."""

_TOKEN = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;', re.DOTALL)
_COMMENT = re.compile(r"//[^\n]*")


class UnreadableError(ValueError):
    """Not one policy; says nothing of its text."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`principal` and `resource` are `Type::id`, a resource type alone, or ANY; `actions` are names, none = any.
    `resource` may also be `?attribute`: the first thing that the policy asks is whether the resource has it."""

    id: str
    effect: str
    principal: str
    actions: tuple[str, ...]
    resource: str
    text: str
    step_up: bool = False

    def dumped(self) -> str:
        """One line that `loaded` reads."""
        return json.dumps(asdict(self), separators=(",", ":"))


def loaded(line: str) -> Policy:
    """What `dumped` wrote."""
    fields = json.loads(line)
    return Policy(**{**fields, "actions": tuple(fields["actions"])})


def split(source: str) -> Iterator[str]:
    """The text of each policy; what follows the last `;` comes too, unless it is white space or comment.

    Cedar has no `;` but the one that ends a policy, outside of strings and comments.
    """
    start = 0
    for token in _TOKEN.finditer(source):
        if token.group() == ";":
            yield source[start : token.end()].strip()
            start = token.end()
    if _COMMENT.sub("", source[start:]).strip():
        yield source[start:].strip()


def parsed(text: str) -> dict[str, Any]:
    """Cedar's own syntax tree of one policy; raises UnreadableError when the text is anything else."""
    try:
        found = json.loads(policies_to_json_str(text))
    except ValueError as error:
        raise UnreadableError("does not parse") from error
    if found.get("templates") or found.get("templateLinks"):
        raise UnreadableError("templates are not used here")
    if len(found["staticPolicies"]) != 1:
        raise UnreadableError("is not one policy")
    (tree,) = found["staticPolicies"].values()
    return dict(tree)


def policy_of(tree: dict[str, Any], text: str) -> Policy:
    """The policy of a syntax tree. A form of head that is not known here counts as no restriction."""
    annotations = tree.get("annotations", {})
    return Policy(
        annotations.get("id") or "",
        tree["effect"],
        _entity(tree["principal"]) or ANY,
        _actions(tree["action"]),
        _entity(tree["resource"]) or tree["resource"].get("entity_type") or _first_asked(tree) or ANY,
        text,
        "step_up" in annotations,
    )


def _entity(head: dict[str, Any]) -> str:
    named = head.get("entity") or (head.get("in") or {}).get("entity")
    return f"{named['type']}::{named['id']}" if named else ""


def _first_asked(tree: dict[str, Any]) -> str:
    """What comes first of a `when` and is false ends it, before anything else is looked at or can fail."""
    first: dict[str, Any] = next(iter(tree["conditions"]), {})
    node = first.get("body", {}) if first.get("kind") == "when" else {}
    while isinstance(node, dict) and "&&" in node:
        node = node["&&"]["left"]
    asked = node.get("has", {}) if isinstance(node, dict) else {}
    return f"?{asked['attr']}" if asked.get("left") == {"Var": "resource"} and isinstance(asked["attr"], str) else ""


def _actions(head: dict[str, Any]) -> tuple[str, ...]:
    if head["op"] not in ("==", "in"):
        return ()
    named = head["entities"] if "entities" in head else [head["entity"]]
    return tuple(dict.fromkeys(entity["id"] for entity in named))
