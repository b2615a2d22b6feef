"""What an organisation may write into policies of its own. Reading and judging never raise over what somebody wrote.

Within these rules a policy can widen or narrow roles in that organisation, and reach nothing else: it is evaluated for
its own organisation's callers only, beside the defaults whose forbids outweigh any permit, and never for what belongs
to owners. See docs/decisions/0021-policies-of-an-organisation.md.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from cedarpy import validate_policies

from services.tenancy.policy.cedar import POLICY_ID
from services.tenancy.policy.index import Index
from services.tenancy.policy.language import Language
from services.tenancy.policy.statement import Policy, UnreadableError, parsed, policy_of, split

MOST_POLICIES = 10_000
MOST_CHARACTERS = 4096
MOST_TOGETHER = 100
"""Policies that one question may meet: what keeps a question cheap, however many policies there are."""
MOST_NAMED = 100
RESERVED = ("isolation", "role", "scope", "label", "hauberk")
ANNOTATIONS = frozenset({"id", "description", "step_up"})

_AT_ONCE = 8  # policies read between two pauses: half a millisecond
_SHARED = frozenset({"Role", "Action"})  # names of the schema, the same in every organisation
_POSITION = re.compile(r"for policy `policy\d+`,? ?")
_PLAIN = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a policy breaks; `policy` is its @id, or `policies[3]` when it has none."""

    policy: str
    rule: str


@dataclass(frozen=True, slots=True)
class Read:
    """What was read; use `policies` only when there are no violations, and `validated` found none either."""

    policies: tuple[Policy, ...]
    violations: tuple[Violation, ...]


def read(language: Language, organisation: str, source: str) -> Generator[None, None, Read]:
    """Reads a text, pausing often: the caller decides what else runs meanwhile."""
    policies: list[Policy] = []
    broken: list[Violation] = []
    seen: set[str] = set()
    for number, text in enumerate(split(source)):
        if number >= MOST_POLICIES:
            broken.append(Violation("policies", f"at most {MOST_POLICIES}"))
            break
        if number % _AT_ONCE == 0:
            yield
        policy, found = _one(number, text, organisation, seen)
        broken += found
        if policy:
            policies.append(policy)
        if len(broken) >= MOST_NAMED:
            break
    if not broken:
        broken += _crowded(language, policies)
    return Read(tuple(policies), tuple(broken[:MOST_NAMED]))


def validated(language: Language, policies: tuple[Policy, ...]) -> tuple[Violation, ...]:
    """Against the schema. Takes 50 us for each policy without holding the interpreter: call it in a thread."""
    if not policies:
        return ()
    result = validate_policies("\n".join(policy.text for policy in policies), language.text, release_gil=True)
    if result.validation_passed:
        return ()
    found = [
        Violation(policies[int(error.policy_id.removeprefix("policy"))].id, _rule(error.error))
        for error in result.errors[:MOST_NAMED]
    ]
    return tuple(found) or (Violation("policies", "must fit the schema"),)


def finished(reading: Generator[None, None, Read]) -> Read:
    """Reads without a pause: for the command line and tests."""
    while True:
        try:
            next(reading)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # what the generator returns


def _one(number: int, text: str, organisation: str, seen: set[str]) -> tuple[Policy | None, list[Violation]]:
    place = f"policies[{number}]"
    if len(text) > MOST_CHARACTERS:
        return None, [Violation(place, f"at most {MOST_CHARACTERS} characters")]
    try:
        tree = parsed(text)
    except UnreadableError as error:
        return None, [Violation(place, str(error))]
    policy = policy_of(tree, text)
    rules = [*_name(policy.id, seen), *_annotations(tree), *_literals(tree, organisation)]
    seen.add(policy.id)
    shown = policy.id if POLICY_ID.fullmatch(policy.id) else place
    return policy, [Violation(shown, rule) for rule in rules]


def _name(name: str, seen: set[str]) -> Iterator[str]:
    if not POLICY_ID.fullmatch(name):
        yield f"needs an @id like {POLICY_ID.pattern}"
    elif name.split(".", maxsplit=1)[0] in RESERVED:
        yield f"an @id must not begin with {', '.join(RESERVED)}: those are the defaults'"
    elif name in seen:
        yield "its @id is taken by another policy"


def _annotations(tree: dict[str, Any]) -> Iterator[str]:
    given = tree.get("annotations", {})
    if not ANNOTATIONS.issuperset(given):
        yield f"annotations are {', '.join(sorted(ANNOTATIONS))}"
    if "step_up" in given and tree["effect"] != "forbid":
        yield "@step_up is for a forbid"


def _literals(tree: dict[str, Any], organisation: str) -> Iterator[str]:
    for kind, name in _entities(tree):
        own = name == organisation if kind == "Organisation" else name.startswith(f"{organisation}/")
        if kind not in _SHARED and not own:
            yield f"an id of {_PLAIN.sub('?', kind[:64])} begins with the name of the organisation and a slash"
            return


def _entities(node: Any) -> Iterator[tuple[str, str]]:
    """Every entity that a syntax tree names, in its head or anywhere below."""
    if isinstance(node, dict):
        if set(node) == {"type", "id"}:
            yield str(node["type"]), str(node["id"])
        for part in node.values():
            yield from _entities(part)
    elif isinstance(node, list):
        for part in node:
            yield from _entities(part)


def _crowded(language: Language, policies: list[Policy]) -> Iterator[Violation]:
    index = Index()
    index.add(policies)
    action, most = index.widest(language.groups)
    if most > MOST_TOGETHER:
        rule = f"up to {most} policies meet in one question about {action}, at most {MOST_TOGETHER} may"
        yield Violation("policies", f"{rule}: name a user, a role, an action or a resource in their heads")


def _rule(said: str) -> str:
    return _PLAIN.sub("?", _POSITION.sub("", said))[:200]
