"""What stands in a policy: values that are known, and the few facts of a resource that are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.tenancy.policy.filters import Field

Node = Mapping[str, Any]

OPTIONAL = {"owner": (Field.OWNER, "User"), "brand": (Field.BRAND, "Brand")}
# Operators that cannot fail on what fits the schema: no arithmetic, no extension, no reading of another entity.
_SAFE = frozenset("&& || ! if-then-else == != < <= > >= in is has like .".split(" "))  # noqa: SIM905 - a word list
_SAFE |= {"contains", "containsAll", "containsAny", "isEmpty", "Set", "Record", "Value", "Var"}
DEEPEST = 60


class Uid(NamedTuple):
    """An entity by type and id."""

    type: str
    id: str


class _Resource:
    """The one thing that is not known."""


class EntityFact(NamedTuple):
    """A fact of the resource that is an entity or missing."""

    field: Field
    type: str


class _Labels:
    """The resource's labels."""


RESOURCE, LABELS = _Resource(), _Labels()
Known = bool | int | str | Uid | frozenset[Any] | Mapping[str, Any]
Term = Any
"""Known, RESOURCE, LABELS or an EntityFact."""


@dataclass(frozen=True, slots=True)
class Question:
    """All that is known: the asking principal with its ancestors and attributes, the action, the context, and the type
    of the rows. `optional` are the facts that rows of this type have besides id and organisation."""

    organisation: str
    principal: Uid
    ancestors: frozenset[Uid]
    attributes: Mapping[str, Any]
    action: Uid
    groups: frozenset[Uid]
    kind: str
    context: Mapping[str, Any]
    described: bool = True


class UntranslatableError(Exception):
    """No filter can say this."""


class FailsError(Exception):
    """What Cedar would report as an error."""


def known(value: Any) -> Known:
    """A value of Cedar's JSON form for entities and context."""
    if isinstance(value, bool | int | str | Uid):
        return value
    if isinstance(value, Mapping):
        if "__entity" in value:
            return Uid(value["__entity"]["type"], value["__entity"]["id"])
        if "__extn" in value:
            raise UntranslatableError
        return dict(value)
    if isinstance(value, list | tuple | set | frozenset):
        return frozenset(known(item) for item in value)
    raise UntranslatableError


def safe(node: Any) -> bool:
    """Whether an expression that fits the schema cannot fail."""
    if isinstance(node, list):
        return all(map(safe, node))
    if not isinstance(node, Mapping) or len(node) != 1:
        return False
    ((name, body),) = node.items()
    if name in ("Value", "Var"):
        return True
    if name not in _SAFE or (name == "." and "Var" not in body["left"]):
        return False
    if name == "Record":
        return all(map(safe, body.values()))
    if name == "Set":
        return safe(body)
    parts = ("left", "right", "arg", "if", "then", "else", "in")
    return all(safe(body[part]) for part in parts if part in body and isinstance(body[part], Mapping))


def is_known(term: Term) -> bool:
    """Whether nothing of the resource is in it."""
    return not (term is RESOURCE or term is LABELS or isinstance(term, EntityFact))


def uid_of(node: Node) -> Uid:
    """The entity of a policy's head."""
    return Uid(node["type"], node["id"])


def entity(term: Term) -> Uid:
    """The entity that a term is; raises UntranslatableError when it is none, or not known."""
    if not isinstance(term, Uid):
        raise UntranslatableError
    return term


def like(term: Term, pattern: list[Any]) -> bool:
    """Cedar's `like`, of a known text."""
    if not isinstance(term, str):
        raise UntranslatableError
    reach = {0}
    for part in pattern:
        if part == "Wildcard":
            reach = set(range(min(reach), len(term) + 1)) if reach else set()
        else:
            letter = part["Literal"]
            reach = {place + 1 for place in reach if term[place : place + 1] == letter}
    return len(term) in reach
