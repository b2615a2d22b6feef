"""Cedar behind one function: whatever is not a clean Allow is a refusal.

Cedar skips a `forbid` that fails to evaluate and may then still say Allow; so any diagnostics error denies here, as do
NoDecision, an exception, a panic of the engine, and an Allow that no policy accounts for. Policies and schema are
parsed and validated once; an invalid set never becomes an engine. Only policies whose heads meet the question are
evaluated; those that an organisation wrote stand beside the defaults, and no permit outweighs a forbid.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass

from cedarpy import AuthzResult, Entities, PolicySet, is_authorized_batch, validate_policies
from cedarpy import Decision as CedarDecision

from services.tenancy.policy.index import Buckets, Index
from services.tenancy.policy.language import (
    RESOURCE_TYPES,
    Language,
    context,
    principal_keys,
    request,
    resource_keys,
)
from services.tenancy.policy.model import Cause, Circumstances, Decision, Member, Resource, deny
from services.tenancy.policy.statement import Policy, UnreadableError, parsed, policy_of, split

__all__ = ["POLICY_ID", "RESOURCE_TYPES", "Engine", "PolicyInvalidError", "Question"]

POLICY_ID = re.compile(r"[a-z][a-z0-9._-]{0,127}")
_ISOLATION = ("isolation.organisation", "isolation.brand")
_SETS = 512  # parsed combinations of policies kept, a few kB each; parsing one anew takes some 50 us

Question = tuple[str, Resource]
"""An action and what it is on."""
_Key = tuple[tuple[int, ...], tuple[int, ...]]
_NOTHING = Index()


class PolicyInvalidError(ValueError):
    """The policy set must not be used; the message names policies, never data of a tenant."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    policies: PolicySet
    reads_context: bool


class Engine:
    """An immutable, validated policy set: the defaults, and with `with_own` what one organisation adds."""

    def __init__(self, policies: str, schema: str) -> None:
        """Raises PolicyInvalidError when the text does not parse, fit the schema, or forbid what isolation needs."""
        try:
            self.language = Language(schema)
            checked = validate_policies(policies, schema)
            found = [policy_of(parsed(text), text) for text in split(policies)]
        except UnreadableError as error:
            raise PolicyInvalidError(f"a policy {error}") from error
        except ValueError as error:
            raise PolicyInvalidError("policies or schema do not parse") from error
        if not checked.validation_passed:
            raise PolicyInvalidError(
                "; ".join(error.error for error in checked.errors[:3]) or "policies do not validate"
            )
        _check_names(found)
        self.version = hashlib.sha256(f"{schema}\0{policies}".encode()).hexdigest()[:32]
        self._defaults = Index()
        self._defaults.add(found)
        self._own = _NOTHING
        self._sets: OrderedDict[_Key, _Prepared] = OrderedDict()
        self._most_sets = _SETS

    def with_own(self, number: int, own: Index) -> Engine:
        """This engine and version `number` of an organisation's policies; they must have passed `own.review`."""
        made = copy(self)
        made.version = f"{self.version}.{number}"
        made._own = own
        made._most_sets = min(_SETS, 32 + len(own.policies))
        made._sets = OrderedDict()
        return made

    @property
    def weight(self) -> int:
        """How much memory it may come to take, in kB or so: a policy takes one, a parsed combination about four."""
        return len(self._own.policies) + 4 * self._most_sets

    def knows_roles(self, roles: Iterable[str]) -> bool:
        """Whether the schema has every one of these roles."""
        return self.language.knows_roles(roles)

    def evaluate(
        self,
        organisation: str,
        member: Member,
        action: str,
        resource: Resource,
        given: Circumstances | Iterable[str],
    ) -> Decision:
        """May `member` of `organisation` do `action` on `resource`? Never raises."""
        return self.evaluate_all(organisation, member, [(action, resource)], given)[0]

    def evaluate_all(
        self,
        organisation: str,
        member: Member,
        questions: Sequence[Question],
        given: Circumstances | Iterable[str],
    ) -> list[Decision]:
        """The same for several questions; an answer never depends on what else is asked. Never raises."""
        distinct = list(dict.fromkeys(questions))
        given = Circumstances.of(given)
        try:
            found = self._evaluate(organisation, member, distinct, given)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a panic of the engine is no Exception, and must deny as well
            if len(distinct) == 1:
                return [deny(Cause.POLICY_ERROR)] * len(questions)
            found = {asked: self.evaluate(organisation, member, *asked, given) for asked in distinct}
        return [found[asked] for asked in questions]

    def candidates(self, organisation: str, member: Member, action: str, resource: Resource) -> tuple[Policy, ...]:
        """The policies whose heads meet a question, in order."""
        heads = self._heads(organisation, member, action)
        kinds, names = resource_keys(resource)
        return self._policies(_key(heads, (*kinds, *names)))

    def concerning(self, organisation: str, member: Member, action: str, kind: str) -> tuple[Policy, ...]:
        """At least the policies that can meet a question about some resource of a type, in order."""
        defaults, own = self._heads(organisation, member, action)
        others = self.language.types - {kind}
        return self._policies((Index.without(defaults, others), Index.without(own, others)))

    def satisfied(
        self, organisation: str, member: Member, question: Question, given: Circumstances | Iterable[str]
    ) -> list[tuple[Policy, bool | None]]:
        """Each candidate with whether its conditions hold; None = it cannot be evaluated."""
        entities = self.language.entities(organisation, member, [question[1]])
        asked = request(organisation, member, *question, context(Circumstances.of(given)))
        found = []
        for policy in self.candidates(organisation, member, *question):
            (answer,) = is_authorized_batch([asked], PolicySet.from_str(policy.text), entities, self.language.schema)
            broken = bool(answer.diagnostics.errors) or answer.decision is CedarDecision.NoDecision
            found.append((policy, None if broken else bool(answer.diagnostics.reasons)))
        return found

    def _evaluate(
        self, organisation: str, member: Member, questions: Sequence[Question], given: Circumstances
    ) -> dict[Question, Decision]:
        asked = [question for question in questions if (question[0], question[1].type) in self.language.asked]
        found = {question: deny(Cause.NOT_PERMITTED) for question in questions}  # the schema has no such question
        if not asked:
            return found
        said = context(given)
        known = self._entities(organisation, member, asked)
        for (kind, key), group in self._grouped(organisation, member, asked).items():
            prepared = self._set(key)
            requests = [
                request(organisation, member, *question, said if prepared.reads_context else "{}") for question in group
            ]
            # Without the schema: the question is one of it, the context is ours, and the entities were checked.
            answers = is_authorized_batch(requests, prepared.policies, known[kind])
            for question, plain, answer in zip(group, requests, answers, strict=True):
                decision = _decision(answer)
                found[question] = self._stepped(key, decision, plain, known[kind]) if decision.policies else decision
        return found

    def _entities(self, organisation: str, member: Member, asked: Sequence[Question]) -> dict[str, Entities]:
        """By type: a document may name a brand, and what is known of that brand must not depend on whether somebody
        asks about it in the same breath."""
        kinds: dict[str, dict[Resource, None]] = {}
        for _, resource in asked:
            kinds.setdefault(resource.type, {})[resource] = None
        return {kind: self.language.entities(organisation, member, resources) for kind, resources in kinds.items()}

    def _grouped(
        self, organisation: str, member: Member, asked: Sequence[Question]
    ) -> dict[tuple[str, _Key], list[Question]]:
        heads: dict[str, _Heads] = {}
        common: dict[tuple[str, tuple[str, ...]], _Key] = {}
        groups: dict[tuple[str, _Key], list[Question]] = {}
        for question in asked:
            action, resource = question
            if action not in heads:
                heads[action] = self._heads(organisation, member, action)
            kinds, names = resource_keys(resource)
            if _named(heads[action], names):
                key = _key(heads[action], (*kinds, *names))
            elif (action, kinds) in common:
                key = common[action, kinds]
            else:
                key = common[action, kinds] = _key(heads[action], kinds)
            groups.setdefault((resource.type, key), []).append(question)
        return groups

    def _heads(self, organisation: str, member: Member, action: str) -> _Heads:
        own = _NOTHING if action in self.language.fixed else self._own
        principals = principal_keys(organisation, member)
        actions = (action, *self.language.groups.get(action, ()))
        return self._defaults.heads(principals, actions), own.heads(principals, actions)

    def _policies(self, key: _Key) -> tuple[Policy, ...]:
        defaults, own = key
        return (*(self._defaults.policies[n] for n in defaults), *(self._own.policies[n] for n in own))

    def _set(self, key: _Key) -> _Prepared:
        kept = self._sets.get(key)
        if kept is None:
            text = "\n".join(policy.text for policy in self._policies(key))
            # Parsing a context costs as much as an evaluation; without this word nothing can depend on it.
            kept = self._sets[key] = _Prepared(PolicySet.from_str(text), "context" in text)
            if len(self._sets) > self._most_sets:
                self._sets.popitem(last=False)
        else:
            self._sets.move_to_end(key)
        return kept

    def _stepped(self, key: _Key, decision: Decision, asked: dict[str, object], entities: Entities) -> Decision:
        """A refusal that only a stronger authentication stands between: by policies that say so, and by no other."""
        if decision.allowed:
            return decision
        policies = self._policies(key)
        liftable = {policy.id for policy in policies if policy.step_up}
        if not liftable.issuperset(decision.policies):
            return decision
        others = PolicySet.from_str("\n".join(policy.text for policy in policies if policy.id not in liftable))
        (answer,) = is_authorized_batch([asked], others, entities)
        return deny(Cause.STEP_UP_REQUIRED, decision.policies) if _decision(answer).allowed else decision


_Heads = tuple[tuple[Buckets, ...], tuple[Buckets, ...]]


def _named(heads: _Heads, names: Sequence[str]) -> bool:
    return any(name in buckets for part in heads for buckets in part for name in names)


def _key(heads: _Heads, keys: Sequence[str]) -> _Key:
    return Index.candidates(heads[0], keys), Index.candidates(heads[1], keys)


def _decision(answer: AuthzResult) -> Decision:
    outcome, diagnostics = answer.decision, answer.diagnostics
    if diagnostics.errors or outcome not in (CedarDecision.Allow, CedarDecision.Deny):
        return deny(Cause.POLICY_ERROR)
    names = diagnostics.id_annotations_by_reason
    policies = tuple(sorted(names[reason] for reason in diagnostics.reasons))
    if outcome is not CedarDecision.Allow:
        return deny(Cause.NOT_PERMITTED, policies)
    if not policies:
        return deny(Cause.POLICY_ERROR)
    return Decision(allowed=True, cause=Cause.NONE, policies=policies)


def _check_names(policies: Iterable[Policy]) -> None:
    effects: dict[str, str] = {}
    for policy in policies:
        if not POLICY_ID.fullmatch(policy.id) or policy.id in effects:
            raise PolicyInvalidError("every policy needs an @id of its own")
        effects[policy.id] = policy.effect
    missing = [name for name in _ISOLATION if effects.get(name) != "forbid"]
    if missing:
        raise PolicyInvalidError(f"the policy set must forbid: {', '.join(missing)}")
