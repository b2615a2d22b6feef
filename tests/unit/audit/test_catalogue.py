"""The catalogue against what services really put on record, and what of an event is taken for personal."""

from __future__ import annotations

import re
from pathlib import Path

from services.audit.catalogue import catalogue
from services.audit.policy import Record
from services.audit.policy.personal import is_person, merged, nobody, split
from services.kit.auditing import CRITICAL

ROOT = Path(__file__).resolve().parents[3]
# An event of its own is made where its code stands as a text: `code="..."`, `Subject("...")`, `trail.put(..., "...")`.
_CODE = re.compile(
    r'(?:\bcode=|\bSubject\(\s*|_trail\.put\([^"]*)"((?:auth|tenancy|ratelimit|guardrail|redaction|gateway|audit|kit|'
    r'context_token)\.[a-z_.]+|malicious_[a-z]+)"'
)
# Codes that chains hold for ever: none may go, however the contract changes.
STABLE = {
    "auth.authenticate",
    "auth.create_api_key",
    "auth.create_api_key.asked",
    "auth.revoke_subject",
    "tenancy.put_member",
    "tenancy.authorize",
    "ratelimit.decide",
    "gateway.admit",
    "gateway.complete",
    "gateway.authorize_tool_call",
    "audit.query",
    "audit.export",
    "audit.erase_subject",
    "audit.chain_broken",
    "malicious_cors",
}


def emitted() -> set[str]:
    files = [*(ROOT / "services").rglob("*.py"), *(ROOT / "gateway").rglob("*.py")]
    return {code for file in files for code in _CODE.findall(file.read_text())}


def test_every_event_that_is_made_is_in_the_catalogue() -> None:
    found = emitted()
    assert {"auth.api_key_leaked", "gateway.admit", "ratelimit.limit_granted", "tenancy.conversation_broken"} <= found
    assert found <= catalogue().keys(), "say in services/audit/policy/catalogue.py what these are"


def test_every_change_is_announced_and_no_code_ever_goes() -> None:
    assert catalogue().keys() >= STABLE
    for call in CRITICAL:
        service, _, rpc = call.partition("/")
        code = f"{service.replace('-', '_')}.{re.sub('(?<=[a-z0-9])(?=[A-Z])', '_', rpc).lower()}"
        assert catalogue()[f"{code}.asked"].classes == {"critical"}, call
        assert "critical" in catalogue()[code].classes
    for each in catalogue().values():
        assert re.fullmatch(r"[a-z]+([._][a-z]+)*", each.code)
        assert len(each.code) <= 64
        assert each.classes
        assert each.people <= each.facts


def record(**more: object) -> Record:
    plain = Record("t/tenancy/PutMember/1", "critical", "tenancy.put_member", 1_800_000_000_000_000, "ALLOW", "NONE")
    return Record(**{**{name: getattr(plain, name) for name in Record.__dataclass_fields__}, **more})


def test_whom_a_change_is_about_is_sealed_under_his_own_key() -> None:
    facts = (("about", "bob"), ("fields", "roles"), ("novel", "x"), ("status", "OK"))
    made = record(actor="ada", client_address="192.0.2.1", user_agent="agent/1", facts=facts)
    found = split(made, catalogue()["tenancy.put_member"])
    assert found.subject == "ada"
    assert found.parts == {
        "ada": {"actor": "ada", "client_address": "192.0.2.1", "user_agent": "agent/1", "facts.novel": "x"},
        "bob": {"facts.about": "bob"},
    }
    assert found.public.facts == (("fields", "roles"), ("status", "OK"))
    assert (found.public.actor, found.public.client_address, found.public.user_agent) == ("", "", "")
    whole = merged(found.public, {**found.parts["ada"], **found.parts["bob"]})
    assert whole.facts == facts
    assert (whole.actor, whole.client_address) == ("ada", "192.0.2.1")
    assert merged(found.public, found.parts["ada"]).facts == facts[1:]  # bob was erased, ada was not


def test_a_workload_is_nobodys_personal_data_and_an_address_of_nobody_has_a_key() -> None:
    assert not any(map(is_person, ("", "backend/shop", "operator", "gateway", "context-token", "withheld")))
    assert all(map(is_person, ("ada", "user-17", "audit-fan")))
    found = split(record(actor="backend/shop", client_address="192.0.2.1"), catalogue()["auth.authenticate"])
    assert found.public.actor == "backend/shop"
    assert found.parts == {nobody(found.public.at_us): {"client_address": "192.0.2.1"}}
    assert nobody(found.public.at_us) == "~2027-01"
    assert not split(record(actor="operator", facts=(("status", ""),)), catalogue()["tenancy.put_member"]).parts
