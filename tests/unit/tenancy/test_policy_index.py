"""The index never drops a policy that could apply: indexed and whole sets answer alike, to the policy names."""

from __future__ import annotations

import random

import pytest
from cedarpy import Decision as CedarDecision
from cedarpy import PolicySet, is_authorized

from bench.permission_model import ACTIONS, SCOPES, random_rules
from services.tenancy.policy import Cause, Circumstances, Engine, Member, Resource
from services.tenancy.policy.cedar import Question
from services.tenancy.policy.index import Index
from services.tenancy.policy.language import context, request
from services.tenancy.policy.statement import parsed, policy_of
from tests.unit.tenancy.world import engine, policy_text

USERS = ("ann", "bob", "cyd")
BRANDS = ("shop", "club", "b-2")
# Heads and first conditions that a table of rules does not make.
ODD = (
    'permit (principal is User, action == Action::"document.read", resource is Document);',
    'permit (principal is User in Role::"viewer", action, resource == Document::"acme/d1");',
    'forbid (principal, action in [Action::"viewing", Action::"chat.send"], resource) when { resource has owner && '
    "resource.owner != principal };",
    'permit (principal, action == Action::"document.read", resource) when { resource has labels && '
    '(resource.labels.contains("open") || context.plan == "free") };',
    'forbid (principal, action, resource) unless { resource has labels || principal in Role::"owner" };',
    'forbid (principal == User::"acme/bob", action, resource) when { principal.all_brands } '
    "when { resource has brand };",
    'permit (principal, action == Action::"document.read", resource) '
    "when { if resource has owner then true else false };",
)


def world(seed: int) -> tuple[Engine, str, random.Random]:
    chance = random.Random(seed)
    texts = [rule.cedar("acme") for rule in random_rules(chance, USERS, BRANDS, chance.choice((3, 30, 120)))]
    texts += [f'@id("odd-{n}") {odd}' for n, odd in enumerate(ODD) if chance.random() < 0.4]
    index = Index()
    index.add(policy_of(parsed(text), text) for text in texts)
    return engine().with_own(1, index), "\n".join(texts), chance


def question(chance: random.Random) -> tuple[Member, Question, Circumstances]:
    roles = tuple(chance.sample(("viewer", "member", "admin", "owner"), chance.randrange(4)))
    everywhere = chance.random() < 0.6
    brands = frozenset() if everywhere else frozenset(chance.sample(BRANDS, chance.randrange(3)))
    who = Member(chance.choice(USERS), roles, brands, all_brands=everywhere)
    action = chance.choice([*ACTIONS, "document.read", "knowledge.write", "resources.write"])
    resource = chance.choice(
        [
            Resource("Organisation", "acme", "acme"),
            *(Resource("Brand", brand, "acme") for brand in BRANDS),
            Resource("Brand", "shop", "globex"),
            Resource("Document", "d1", "acme", "ann", "shop", frozenset({"open"})),
            Resource("Document", "d2", "acme", "", "", frozenset({"private"})),
        ]
    )
    scopes = frozenset(chance.sample(SCOPES, chance.randrange(len(SCOPES))))
    return (
        who,
        (action, resource),
        Circumstances(scopes, plan=chance.choice(("pro", "free")), age=chance.choice((5, 99999))),
    )


def whole(own: str, who: Member, asked: Question, given: Circumstances) -> tuple[str, tuple[str, ...]]:
    """Cedar over all policies at once, without any of the engine's shortcuts."""
    language = engine().language
    policies = PolicySet.from_str(policy_text() + (own if asked[0] not in language.fixed else ""))
    entities = language.entities("acme", who, [asked[1]])
    answer = is_authorized(request("acme", who, *asked, context(given)), policies, entities, language.schema)
    if answer.decision is CedarDecision.NoDecision:
        return "refused", ()
    if answer.diagnostics.errors:
        return "error", ()
    names = answer.diagnostics.id_annotations_by_reason
    decided = tuple(sorted(names[reason] for reason in answer.diagnostics.reasons))
    return ("allowed" if answer.decision is CedarDecision.Allow else "refused"), decided


@pytest.mark.parametrize("seed", range(12))
def test_indexed_and_whole_answer_alike(seed: int) -> None:
    indexed, own, chance = world(seed)
    for _ in range(60):
        who, asked, given = question(chance)
        found = indexed.evaluate("acme", who, *asked, given)
        said = "error" if found.cause is Cause.POLICY_ERROR else "allowed" if found.allowed else "refused"
        assert (said, found.policies) == whole(own, who, asked, given), (who, asked)


@pytest.mark.parametrize("seed", range(6))
def test_an_answer_does_not_depend_on_what_else_is_asked(seed: int) -> None:
    indexed, _, chance = world(seed)
    who, _, given = question(chance)
    questions = [question(chance)[1] for _ in range(80)]
    together = indexed.evaluate_all("acme", who, questions, given)
    assert together == [indexed.evaluate("acme", who, *asked, given) for asked in questions]


def test_few_of_many_are_looked_at() -> None:
    texts = [
        f'@id("p{n}") permit (principal == User::"acme/u{n}", action == Action::"orders.refund", resource);'
        for n in range(2000)
    ]
    index = Index()
    index.add(policy_of(parsed(text), text) for text in texts)
    many = engine().with_own(1, index)
    who = Member("u7", ("member",), frozenset(), all_brands=True)
    met = many.candidates("acme", who, "orders.refund", Resource("Brand", "shop", "acme"))
    assert [policy.id for policy in met if policy.id.startswith("p")] == ["p7"]
    assert len(met) < 8
    assert index.widest(engine().language.groups) == ("orders.refund", 1)


def test_the_bound_of_what_may_meet_holds() -> None:
    for seed in range(12):
        indexed, _, chance = world(seed)
        _, bound = indexed._own.widest(indexed.language.groups)
        for _ in range(60):
            who, asked, _ = question(chance)
            met = indexed.candidates("acme", who, *asked)
            assert sum(not policy.id.startswith(("role.", "scope.", "isolation.", "label.")) for policy in met) <= bound
