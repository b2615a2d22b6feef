"""A policy with everything known but the resource: which rows it is true of, which rows it is false of.

Both answers may be too small, never too large. Where a policy says something that a filter cannot say, it is neither
true nor false of the rows in question; whoever combines the answers then refuses those rows. This is Cedar's own rule
for an error, so that a translation can be narrower than the check and cannot be wider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.tenancy.policy.filters import EVERY, NONE, Always, Field, Filter, Labelled, among, both, either, except_
from services.tenancy.policy.terms import (
    DEEPEST,
    LABELS,
    OPTIONAL,
    RESOURCE,
    EntityFact,
    FailsError,
    Node,
    Question,
    Term,
    Uid,
    UntranslatableError,
    entity,
    is_known,
    known,
    like,
    safe,
    uid_of,
)


@dataclass(frozen=True, slots=True)
class Cond:
    """Rows of which a condition is certainly true, and certainly false."""

    true: Filter
    false: Filter


@dataclass(frozen=True, slots=True)
class Residual:
    """One policy: `exact` = nothing was left out; `safe` = it cannot fail on any row."""

    cond: Cond
    exact: bool
    safe: bool


def residual(policy: Node, question: Question) -> Residual:
    """What is left of a policy in Cedar's JSON form."""
    reader = _Reader(question)
    cond = both_of(
        reader.scope("principal", policy["principal"]),
        reader.scope("action", policy["action"]),
        reader.scope("resource", policy["resource"]),
    )
    if cond.true != NONE:
        for clause in policy["conditions"]:
            found = reader.cond(clause["body"], 0)
            cond = both_of(cond, found if clause["kind"] == "when" else Cond(found.false, found.true))
    return Residual(cond, reader.exact, all(safe(clause["body"]) for clause in policy["conditions"]))


def both_of(*conds: Cond) -> Cond:
    """Cedar's `&&`: what stands behind a false one is never looked at."""
    true: Filter = EVERY
    false: Filter = NONE
    for cond in conds:
        false = either(false, both(true, cond.false))
        true = both(true, cond.true)
    return Cond(true, false)


def _const(value: bool) -> Cond:
    return Cond(Always(value), Always(not value))


def _test(chosen: Filter, present: Filter = EVERY) -> Cond:
    """True of the chosen rows, false of the others that have the fact at all."""
    return Cond(chosen, both(present, except_(chosen)))


class _Reader:
    def __init__(self, question: Question) -> None:
        self._q = question
        self.exact = True
        self._compare: dict[str, Callable[[Any, Any], bool]] = {
            "<": lambda a, b: bool(a < b), "<=": lambda a, b: bool(a <= b),
            ">": lambda a, b: bool(a > b), ">=": lambda a, b: bool(a >= b),
        }  # fmt: skip

    def scope(self, name: str, rule: Node) -> Cond:
        """The head of a policy: it never fails."""
        term: Term = {"principal": self._q.principal, "action": self._q.action, "resource": RESOURCE}[name]
        op = rule["op"]
        if op == "All":
            return _const(value=True)
        if op == "==":
            return self._equal(term, uid_of(rule["entity"]))
        if op == "in":
            return self._within(term, frozenset(map(uid_of, rule.get("entities") or [rule["entity"]])))
        if op == "is":
            found = _const(self._type(term) == rule["entity_type"])
            inside = rule.get("in")
            return both_of(found, self._within(term, frozenset({uid_of(inside["entity"])}))) if inside else found
        self.exact = False
        return Cond(NONE, NONE)

    def cond(self, node: Node, depth: int) -> Cond:
        """A condition. What cannot be said, and what would fail, is neither true nor false of any row."""
        try:
            if depth <= DEEPEST:
                return self._cond(node, depth + 1)
            self.exact = False
        except UntranslatableError:
            self.exact = False
        except FailsError:
            pass
        return Cond(NONE, NONE)

    def _cond(self, node: Node, depth: int) -> Cond:
        ((name, body),) = node.items()
        if name == "&&":
            return both_of(self.cond(body["left"], depth), self.cond(body["right"], depth))
        if name == "||":
            left, right = self.cond(body["left"], depth), self.cond(body["right"], depth)
            found = both_of(Cond(left.false, left.true), Cond(right.false, right.true))
            return Cond(found.false, found.true)
        if name == "!":
            found = self.cond(body["arg"], depth)
            return Cond(found.false, found.true)
        if name == "if-then-else":
            return self._choice(body, depth)
        if name == "has":
            return self._has(self._term(body["left"]), body["attr"])
        if name == "is":
            term = self._term(body["left"])
            found = _const(self._type(term) == body["entity_type"])
            return both_of(found, self._within(term, self._set(self._term(body["in"])))) if "in" in body else found
        if name == "like":
            return _const(like(self._term(body["left"]), body["pattern"]))
        if name in ("==", "!=", "in", "contains", "containsAll", "containsAny", *self._compare):
            return self._relation(name, self._term(body["left"]), self._term(body["right"]))
        value = self._term(node)
        if isinstance(value, bool):
            return _const(value)
        raise UntranslatableError

    def _choice(self, body: Node, depth: int) -> Cond:
        test, then, other = (self.cond(body[part], depth) for part in ("if", "then", "else"))
        return Cond(
            either(both(test.true, then.true), both(test.false, other.true)),
            either(both(test.true, then.false), both(test.false, other.false)),
        )

    def _relation(self, name: str, left: Term, right: Term) -> Cond:
        if name == "==":
            return self._equal(left, right)
        if name == "!=":
            found = self._equal(left, right)
            return Cond(found.false, found.true)
        if name == "in":
            return self._within(left, self._set(right) if isinstance(right, frozenset) else frozenset({entity(right)}))
        if name == "contains":
            return self._contains(left, right)
        if name in ("containsAll", "containsAny"):
            return self._contains_many(name, left, right)
        if type(left) is not int or type(right) is not int:  # extension values compare as well, but are never known
            raise UntranslatableError
        return _const(self._compare[name](left, right))

    def _equal(self, left: Term, right: Term) -> Cond:
        if is_known(left) and is_known(right):
            return _const(type(left) is type(right) and left == right)
        if is_known(left):
            left, right = right, left
        if left is LABELS or not isinstance(right, Uid):
            raise UntranslatableError
        return self._among(left, frozenset({right}))

    def _among(self, term: Term, uids: frozenset[Any]) -> Cond:
        """The unknown entity is one of these."""
        if term is RESOURCE:
            return _test(among(Field.ID, self._names(uids, self._q.kind)))
        if isinstance(term, EntityFact):
            present = except_(among(term.field, [""]))
            return _test(among(term.field, self._names(uids, term.type)), present)
        raise UntranslatableError

    def _names(self, uids: frozenset[Any], kind: str) -> list[str]:
        """The ids within the organisation. An entity of another type or organisation is none of them."""
        if kind == "Organisation":
            return [uid.id for uid in uids if isinstance(uid, Uid) and uid.type == kind and uid.id]
        start = self._q.organisation + "/"
        found = [uid.id.removeprefix(start) for uid in uids if isinstance(uid, Uid) and uid.type == kind
                 and uid.id.startswith(start)]  # fmt: skip
        return [name for name in found if name]

    def _within(self, term: Term, uids: frozenset[Any]) -> Cond:
        if isinstance(term, Uid):
            if term == self._q.principal:
                return _const(bool(uids & (self._q.ancestors | {term})))
            if term == self._q.action:
                return _const(bool(uids & (self._q.groups | {term})))
            raise UntranslatableError
        if term is RESOURCE:  # nothing is above a resource
            return self._among(term, uids)
        raise UntranslatableError

    def _contains(self, left: Term, right: Term) -> Cond:
        if left is LABELS:
            if isinstance(right, str):
                return _test(Labelled(right))
            raise UntranslatableError
        if not isinstance(left, frozenset):
            raise UntranslatableError
        return _const(right in left) if is_known(right) else self._among(right, left)

    def _contains_many(self, name: str, left: Term, right: Term) -> Cond:
        if isinstance(left, frozenset) and isinstance(right, frozenset):
            return _const(right <= left if name == "containsAll" else bool(right & left))
        if name == "containsAny" and right is LABELS:
            left, right = right, left
        if left is not LABELS or not isinstance(right, frozenset) or not all(isinstance(v, str) for v in right):
            raise UntranslatableError
        tests = [Labelled(label) for label in sorted(right)]
        return _test(both(*tests) if name == "containsAll" else either(*tests))

    def _has(self, term: Term, attribute: str) -> Cond:
        if term is RESOURCE:
            if attribute == "organisation":
                return _const(value=True)
            if not self._q.described:
                return _const(value=False)
            if attribute in OPTIONAL:
                return _test(except_(among(OPTIONAL[attribute][0], [""])))
            return _const(attribute == "labels")
        if term == self._q.principal:
            return _const(attribute in self._q.attributes)
        if isinstance(term, Mapping):
            return _const(attribute in term)
        raise UntranslatableError

    def _type(self, term: Term) -> str:
        if term is RESOURCE:
            return self._q.kind
        if isinstance(term, Uid | EntityFact):
            return term.type
        raise UntranslatableError

    def _set(self, term: Term) -> frozenset[Any]:
        return term if isinstance(term, frozenset) else frozenset({entity(term)})

    def _term(self, node: Node) -> Term:
        ((name, body),) = node.items()
        if name == "Var":
            known_names = {"principal": self._q.principal, "action": self._q.action, "resource": RESOURCE}
            return known_names[body] if body in known_names else dict(self._q.context)
        if name == "Value":
            return known(body)
        if name == "Set":
            items = [self._term(item) for item in body]
            if not all(map(is_known, items)):
                raise UntranslatableError
            return frozenset(items)
        if name == ".":
            return self._attribute(self._term(body["left"]), body["attr"])
        found = self._cond(node, DEEPEST) if name in ("==", "!=", "contains", "has", "in") else None
        if found is not None and found in (_const(value=True), _const(value=False)):
            return found.true == EVERY
        raise UntranslatableError

    def _attribute(self, term: Term, attribute: str) -> Term:
        if term is RESOURCE:
            if attribute == "organisation":  # rows of any other are refused before this is asked
                return Uid("Organisation", self._q.organisation)
            if not self._q.described:
                raise FailsError
            if attribute in OPTIONAL:
                return EntityFact(*OPTIONAL[attribute])
            if attribute == "labels":
                return LABELS
            raise FailsError
        if term == self._q.principal:
            term = self._q.attributes
        if not isinstance(term, Mapping):
            raise UntranslatableError
        if attribute not in term:
            raise FailsError
        return known(term[attribute])
