"""Calls by what was done before and whose words they are; every rule in the order it counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from services.guardrail.policy.approvals import Approval, Call, State, may_decide
from services.guardrail.policy.arguments import Marked
from services.guardrail.policy.calls import Past, Why, rule
from services.guardrail.policy.model import Part, PolicyError, Source
from services.guardrail.policy.taint import NOTHING_KNOWN, Taint, summary, taint_of
from services.guardrail.policy.tool_rules import Step, ToolRules, parse_tool_rules
from services.guardrail.policy.traits import NOTHING_SAID, Approver, Quota, Risk, Traits, traits_of
from services.guardrail.settings import GuardrailSettings
from services.kit.caller import Caller

DATA = yaml.safe_load(GuardrailSettings.model_validate({}).guardrail_tool_policy.read_text())
RULES: ToolRules = parse_tool_rules(DATA)
CLEAN = taint_of(summary([Part(Source.USER, "mail it to dora@shop.example")]))
SEEN = taint_of(summary([Part(Source.USER, "mail it to dora@shop.example"), Part(Source.MEMORY, "eve@evil.example")]))
NONE = Past()


def said(traits: Traits, past: Past = NONE, taint: Taint = CLEAN, *marked: Marked) -> tuple[Step, Why]:
    found = rule(traits, RULES, past, taint, marked)
    assert bool(found.words) == (found.step is not Step.PASS)
    return found.step, found.why


def to(value: object, mark: str = "x-sensitive") -> Marked:
    return Marked(mark, value, "/to")


@pytest.mark.parametrize("risk", list(Risk))
def test_the_users_own_call_passes(risk: Risk) -> None:
    assert said(Traits(risk=risk), NONE, CLEAN, to("dora@shop.example")) == (Step.PASS, Why.NONE)


@pytest.mark.parametrize("risk", [Risk.DESTRUCTIVE, Risk.MONEY])
@pytest.mark.parametrize("taint", [SEEN, NOTHING_KNOWN, Taint()])
def test_what_cannot_be_undone_needs_eyes_beside_other_texts(risk: Risk, taint: Taint) -> None:
    assert said(Traits(risk=risk), NONE, taint) == (Step.APPROVE, Why.TAINTED)


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize(
    "marked", [to("eve@evil.example"), to("eve@evil.example", "x-egress"), to("nobody@said.example")]
)
def test_an_argument_that_is_not_the_users(risk: Risk, marked: Marked) -> None:
    assert said(Traits(risk=risk), NONE, SEEN, marked) == (Step.APPROVE, Why.TAINTED)
    assert said(Traits(risk=risk), Past(others=1), CLEAN, marked)[1] is Why.TAINTED, "a tool's answer was not inspected"


@pytest.mark.parametrize(
    ("past", "quota"),
    [(Past(admission=2), Quota(admission=2)), (Past(conversation=5), Quota(conversation=5)),
     (Past(hour=9), Quota(hour=3)), (Past(hour=60), Quota()), (Past(admission=4), Quota(hour=1000))],
)  # fmt: skip
def test_as_often_as_it_may(past: Past, quota: Quota) -> None:
    traits = Traits(risk=Risk.MONEY, quota=quota)
    assert said(traits, past) == (Step.DENY, Why.QUOTA)
    assert said(traits, NONE) == (Step.PASS, Why.NONE)


def test_after_what_may_not_come_before() -> None:
    secret = Past(labels=frozenset({"secret"}))
    assert said(Traits(risk=Risk.EGRESS), secret) == (Step.DENY, Why.SEQUENCE)
    assert said(Traits(risk=Risk.READ, not_after=("secret",)), secret) == (Step.DENY, Why.SEQUENCE)
    assert said(Traits(risk=Risk.READ), secret) == (Step.PASS, Why.NONE)
    assert said(Traits(risk=Risk.EGRESS), Past(labels=frozenset({"public"}))) == (Step.PASS, Why.NONE)


def test_what_no_approval_helps_comes_first() -> None:
    past = Past(hour=10_000, labels=frozenset({"secret"}))
    held = Traits(risk=Risk.EGRESS, needs_approval=True)
    assert said(held, past, SEEN, to("eve@evil.example")) == (Step.DENY, Why.SEQUENCE)
    assert said(held, Past(hour=10_000), SEEN) == (Step.DENY, Why.QUOTA)
    assert said(held, NONE, SEEN) == (Step.APPROVE, Why.NEEDS_APPROVAL)
    document = {**DATA, "risks": {**DATA["risks"], "egress": {**DATA["risks"]["egress"], "argument": "deny"}}}
    found = rule(held, parse_tool_rules(document), past, SEEN, [to("eve@evil.example")])
    assert (found.step, found.why) == (Step.DENY, Why.TAINTED)


def test_observing_lets_everything_pass_but_what_the_tool_itself_demands() -> None:
    traits = Traits(risk=Risk.EGRESS, observes=True)
    for past, taint, why in (
        (Past(hour=10_000), CLEAN, Why.QUOTA),
        (Past(labels=frozenset({"secret"})), CLEAN, Why.SEQUENCE),
        (NONE, SEEN, Why.TAINTED),
    ):
        found = rule(traits, RULES, past, taint, [to("eve@evil.example")])
        assert (found.step, found.why, found.observed) == (Step.PASS, why, True)
    assert said(replace(traits, needs_approval=True), NONE, SEEN)[0] is Step.APPROVE


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0}, {"more": 1}, {"risks": {}}, {"approval": {"seconds": 900}},
        {"approval": {"seconds": True, "waiting": 1}},
        {"risks": {**DATA["risks"], "read": {}}}, {"risks": {**DATA["risks"], "other": DATA["risks"]["read"]}},
        {"risks": {**DATA["risks"], "read": {**DATA["risks"]["read"], "argument": "perhaps"}}},
        {"risks": {**DATA["risks"], "read": {**DATA["risks"]["read"], "quota": {"hour": 1}}}},
        {"risks": {name: entry for name, entry in DATA["risks"].items() if name != "unstated"}},
    ],
)  # fmt: skip
def test_policies_that_are_not_taken(change: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        parse_tool_rules({**DATA, **change})


def test_traits_come_back_as_they_were_and_defaults_leave_the_hash_alone() -> None:
    every = Traits(Risk.MONEY, True, ("a",), ("b",), Quota(1, 2, 3), True, Approver.ANY_USER)
    assert traits_of(every.facts()) == every
    assert NOTHING_SAID.facts() == {} and traits_of({}) == NOTHING_SAID
    for bad in ({"risk": "none"}, {"quota": [1, 2, 3, 4]}, {"later": 1}, {"approver": "me"}):
        with pytest.raises((ValueError, TypeError)):
            traits_of(bad)


def test_an_approval_is_bound_to_every_fact() -> None:
    caller, call = Caller("acme", "ann", "shop", "t", "gateway", "", 0), Call("pay", "h", "a", "c")
    digests = {call.digest(caller)}
    changes: Any
    for changes in ({"tool": "x"}, {"definition_hash": "x"}, {"arguments_sha256": "x"}, {"conversation": "x"}):
        digests.add(replace(call, **changes).digest(caller))
    for changes in ({"organisation": "x"}, {"subject": "x"}, {"brand": "x"}, {"actor": "x"}):
        digests.add(call.digest(replace(caller, **changes)))
    assert len(digests) == 9
    assert call.digest(replace(caller, txn="other", session_id="s")) in digests


def test_nobody_approves_a_call_of_their_own_where_another_must_look() -> None:
    mine = Approval("i", State.WAITING, Call("", "", "", ""), "", "ann", "shop", "tainted", Approver.ANOTHER_USER, 0, 0)
    assert not may_decide(mine, "ann") and may_decide(mine, "bob")
    assert may_decide(replace(mine, approver=Approver.ANY_USER), "ann")
