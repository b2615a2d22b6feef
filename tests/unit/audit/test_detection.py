"""Rules over events: who counts, when a rule fires, and that memory stays bounded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.catalogue import catalogue
from services.audit.policy import Record
from services.audit.policy.detection import PARTS, Detection, Detector, Rule, Seen
from services.audit.policy.playbooks import KINDS, Mode, State, Step, incident_id, plan
from services.audit.policy.response import ResponsePolicyError, parse_policy
from services.audit.settings import RESPONSE_POLICY
from services.kit.documents import read_document

START = 1_700_000_000.0
RULE = Rule(
    "failed", frozenset({"gateway.admit"}), {"outcome": frozenset({"DENY"})}, ("address",), 3, 60.0, 120.0, "high"
)


def seen(number: int, at: float = START, **more: Any) -> Seen:
    base = Record(
        event_id=f"t/gateway/Admit/{number}",
        kind="decision",
        code="gateway.admit",
        at_us=int(at * 1e6),
        outcome="DENY",
        reason="CREDENTIAL_NOT_ACCEPTED",
        client_address="203.0.113.7",
        actor="backend/shop",
        facts=(("workload", "backend/shop"),),
    )
    return Seen(number, more.get("organisation", ""), number, bytes(32), replace(base, **more))


def fired(detector: Detector, *events: Seen) -> list[Detection]:
    return [found for each in events for found in detector.observe(each)]


def test_it_fires_past_the_threshold_once_and_not_again_until_it_has_cooled_down() -> None:
    detector = Detector([RULE])
    assert fired(detector, *(seen(n) for n in range(1, 4))) == []
    (found,) = fired(detector, *(seen(n, START + 1) for n in range(4, 30)))
    assert (found.position, found.subject.kind, found.subject.name) == (4, "address", "203.0.113.7")
    assert len(found.evidence) == 4
    assert fired(detector, *(seen(n, START + 100) for n in range(30, 40))) == []
    assert len(fired(detector, *(seen(n, START + 130) for n in range(40, 50)))) == 1


def test_what_is_older_than_the_window_does_not_count() -> None:
    detector = Detector([RULE])
    assert fired(detector, *(seen(n, START + n * 30) for n in range(1, 50))) == []


@pytest.mark.parametrize(
    "other",
    [
        {"outcome": "ALLOW"},
        {"code": "gateway.complete"},
        {"client_address": ""},
    ],
)
def test_what_the_rule_does_not_mean_does_not_count(other: dict[str, Any]) -> None:
    assert fired(Detector([RULE]), *(seen(n, **other) for n in range(1, 50))) == []


def test_each_subject_and_each_organisation_counts_by_itself() -> None:
    rule = replace(RULE, group=("user",))
    detector = Detector([rule])
    events = [
        seen(n, actor="ada", organisation=organisation) for n, organisation in enumerate(["acme", "globex"] * 3, 1)
    ]
    assert fired(detector, *events) == []
    (found,) = fired(detector, seen(7, actor="ada", organisation="acme"))
    assert found.subject.organisation == "acme"


def test_a_name_in_a_refused_credential_is_nobody() -> None:
    """Without a proven principal an event has no organisation: its actor is whoever asked, never who was named."""
    rule = replace(RULE, group=("user", "key", "session"))
    facts = (("key", ""), ("session", "ses_x"), ("workload", "backend/shop"))
    assert fired(Detector([rule]), *(seen(n, actor="victim", facts=facts) for n in range(1, 50))) == []


def test_amounts_are_added_up() -> None:
    rule = replace(RULE, where={}, group=("user",), amount="milli_usd", over=500_000.0, window=3600.0)
    events = [
        seen(n, START + n, actor="ada", organisation="acme", facts=(("milli_usd", "100000"),)) for n in range(1, 7)
    ]
    (found,) = fired(Detector([rule]), *events)
    assert (found.position, found.amount) == (6, 600_000.0)
    odd = [seen(n, actor="ada", organisation="acme", facts=(("milli_usd", "-9"),)) for n in range(1, 9)]
    assert fired(Detector([rule]), *odd) == []


def test_memory_is_bounded_whatever_comes() -> None:
    detector = Detector([RULE], most=100)
    for number in range(1, 2000):
        fired(detector, seen(number, client_address=f"198.51.{number // 250}.{number % 250}"))
    assert len(detector) == 100


@given(st.lists(st.floats(0, 600), min_size=1, max_size=60))
def test_it_never_fires_on_fewer_than_the_threshold_within_the_window(offsets: list[float]) -> None:
    """By counting anew: parts never make a window longer than it says."""
    detector, times = Detector([replace(RULE, cool_down=1.0)]), sorted(START + each for each in offsets)
    for number, at in enumerate(times, 1):
        if fired(detector, seen(number, at)):
            within = sum(1 for other in times[:number] if other > at - RULE.window - 1e-3)
            assert within > RULE.over
    assert PARTS == 12


def found_for(**known: str) -> Detection:
    rule = replace(RULE, group=("user",), over=0.0)
    facts = tuple(sorted({"key": "key_" + "a" * 22, "workload": "backend/shop", **known}.items()))
    event = seen(9, actor="ada", organisation="acme", facts=facts)
    return fired(Detector([rule]), event)[0]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("do", sorted(KINDS))
def test_no_mode_does_what_always_asks(mode: Mode, do: str) -> None:
    for step in plan(found_for(session="ses_" + "b" * 22), [Step(do, 60.0)], mode, 5):
        if KINDS[do].asks or (mode is not Mode.ENFORCE and KINDS[do].capped):
            assert step.state is not State.DOING


def test_the_cap_holds() -> None:
    steps = [Step("block_user", 60.0), Step("notify")]
    over = plan(found_for(), steps, Mode.ENFORCE, 0)
    assert [(each.state, each.why) for each in over] == [(State.WAITING, "cap"), (State.DOING, "")]
    assert plan(found_for(), steps, Mode.ENFORCE, 1)[0].state is State.DOING


def test_what_the_events_did_not_prove_is_not_touched() -> None:
    steps = [Step("step_up"), Step("stop_address", 60.0), Step("hold_key", 60.0)]
    assert [each.do for each in plan(found_for(), steps, Mode.ENFORCE, 5)] == ["hold_key"]


def test_the_same_detection_has_the_same_ids() -> None:
    steps = [Step("block_user", 60.0)]
    assert incident_id(found_for()) == incident_id(found_for())
    assert plan(found_for(), steps, Mode.ENFORCE, 5) == plan(found_for(), steps, Mode.ENFORCE, 5)


def test_the_policy_that_is_shipped_holds() -> None:
    policy = parse_policy(read_document(RESPONSE_POLICY), catalogue())
    found = {rule.id: rule for rule in policy.rules}
    assert (found["failed_authentications"].over, found["failed_authentications"].window) == (100, 300)
    assert (found["cost_spike"].over, found["cost_spike"].window) == (500_000, 3600)
    assert found["personal_data_in_output"].over == found["personal_data_in_logs"].over == 0
    for rule in policy.rules:
        assert not any(KINDS[step.do].asks for step in rule.actions) or rule.mode is not Mode.ENFORCE


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("codes", ["gateway.no_such"]),
        ("group", ["claimed_user"]),
        ("mode", "always"),
        ("actions", [{"do": "delete_organisation"}]),
        ("actions", [{"do": "block_user"}]),
        ("actions", [{"do": "notify", "seconds": 60}]),
        ("where", {"actor": ["ada"]}),
        ("over", -1),
        ("amount", "no_such_fact"),
        ("colour", "red"),
    ],
)
def test_a_policy_that_does_not_hold_is_refused(part: str, value: object) -> None:
    data = read_document(RESPONSE_POLICY)
    data["rules"][0][part] = value
    with pytest.raises(ResponsePolicyError):
        parse_policy(data, catalogue())
