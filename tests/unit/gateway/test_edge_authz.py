"""What Envoy is told: identity overwritten, nothing secret in a header, refusals in words of HTTP, a short memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from google.rpc import code_pb2
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.common.v1 import decision_pb2 as common
from hauberk.envoy.auth.v3 import external_auth_pb2 as pb
from hauberk.envoy.core.v3.base_pb2 import HeaderValueOption

from gateway.answers import Decision
from gateway.edge.authz import asked
from gateway.edge.authz_answers import TOKEN, TXN, allowed, denied, identity_fields, undecided
from gateway.edge.authz_memory import Memory
from gateway.edge.headers import read
from gateway.edge.problem import problem_of
from gateway.edge.rules import EdgeRules, load_edges
from gateway.settings import DEFAULT_POLICY
from services.kit.errors import PermissionDenied, Unavailable
from services.kit.settings import SettingsError

RULES = EdgeRules.model_validate({})
ADA = auth.Principal(organisation="acme", subject="ada", brand="acme-chat", plan="pro", scopes=["chat", "audit.read"])
FIELDS = identity_fields(ADA, "txn-1")
OVERWRITE, IF_ABSENT = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD, HeaderValueOption.ADD_IF_ABSENT


def answer(*sent: tuple[str, str], rules: EdgeRules = RULES, token: str = "") -> pb.CheckResponse:
    return allowed(FIELDS, read(sent), rules, {"RateLimit": "x"}, token, "txn-1")


def test_every_field_of_ours_overwrites() -> None:
    ok = answer(("cookie", "a=b; __Host-hauberk-session=s")).ok_response
    assert {each.header.key: each.header.value for each in ok.headers} == {**FIELDS, "cookie": "a=b"}
    assert {each.append_action for each in ok.headers} == {OVERWRITE}
    how = {each.header.key: each.append_action for each in ok.response_headers_to_add}
    assert how == {"ratelimit": OVERWRITE, **dict.fromkeys(RULES.answer_headers, IF_ABSENT)}


def test_what_is_set_is_never_named_for_removal() -> None:
    """Envoy removes after it has set."""
    sent = (("X-Hauberk-User", "root"), ("x-hauberk-admin", "yes"), ("x_hauberk_user", "root"), ("authorization", "x"))
    assert list(answer(*sent).ok_response.headers_to_remove) == ["x-hauberk-admin", "x_hauberk_user", "authorization"]


def test_the_credential_stays_only_where_that_is_said() -> None:
    sent = (("x-api-key", "k"), ("cookie", "__Host-hauberk-session=s"))
    assert set(answer(*sent).ok_response.headers_to_remove) == {"x-api-key", "cookie"}
    assert not answer(*sent, rules=EdgeRules.model_validate({"credential": "keep"})).ok_response.headers_to_remove


def test_the_token_is_in_the_metadata_alone() -> None:
    with_token, without = answer(token="eyJ.token.sig"), answer()
    assert dict(with_token.dynamic_metadata) == {TOKEN: "eyJ.token.sig", TXN: "txn-1"}
    assert dict(without.dynamic_metadata) == {TXN: "txn-1"}
    with_token.ClearField("dynamic_metadata")
    assert "eyJ.token.sig" not in str(with_token)


@pytest.mark.parametrize("subject", ["a b", "a\r\nx-hauberk-scopes: all", "caf\u00e9", "x" * 600])
def test_a_value_that_no_header_carries_is_no_answer(subject: str) -> None:
    with pytest.raises(Unavailable):
        identity_fields(auth.Principal(organisation="acme", subject=subject), "txn-1")


@pytest.mark.parametrize(
    ("outcome", "reason", "status", "code"),
    [
        (common.OUTCOME_DENY, common.REASON_CREDENTIAL_NOT_ACCEPTED, 401, code_pb2.UNAUTHENTICATED),
        (common.OUTCOME_DENY, common.REASON_STEP_UP_REQUIRED, 401, code_pb2.UNAUTHENTICATED),
        (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED, 403, code_pb2.PERMISSION_DENIED),
        (common.OUTCOME_DENY, common.REASON_UNSPECIFIED, 403, code_pb2.PERMISSION_DENIED),
        (common.OUTCOME_CHALLENGE, common.REASON_CHALLENGE_REQUIRED, 403, code_pb2.PERMISSION_DENIED),
        (common.OUTCOME_THROTTLE, common.REASON_RATE_LIMITED, 429, code_pb2.RESOURCE_EXHAUSTED),
        (common.OUTCOME_DENY, common.REASON_NEVER_FITS, 413, code_pb2.PERMISSION_DENIED),
        (common.OUTCOME_UNSPECIFIED, common.REASON_NONE, 403, code_pb2.PERMISSION_DENIED),
    ],
)
def test_a_refusal_has_its_status(
    outcome: common.Outcome.ValueType, reason: common.Reason.ValueType, status: int, code: int
) -> None:
    said = denied(problem_of(Decision(outcome, reason, "auth", 1.2, degraded=False), "No.", "txn-1"), RULES, {})
    assert said.status.code == code
    assert said.denied_response.status.code == status
    fields = {each.header.key: each.header.value for each in said.denied_response.headers}
    assert fields["content-type"] == "application/problem+json"
    assert fields["retry-after"] == "2"
    assert ("www-authenticate" in fields) is (status == 401)
    assert {each.append_action for each in said.denied_response.headers} == {OVERWRITE}


def test_an_error_is_no_refusal_and_no_allow() -> None:
    made = Decision(common.OUTCOME_DENY, common.REASON_DEADLINE_SPENT, "auth", 0.0, degraded=True)
    said = undecided(problem_of(made, "Later.", "txn-1"))
    assert said.WhichOneof("http_response") == "error_response"
    assert said.status.code == code_pb2.UNAVAILABLE
    assert said.error_response.status.code == 503


def test_the_brand_comes_from_the_route_or_the_host_and_only_from_this_envoys() -> None:
    rules = EdgeRules.model_validate({"hosts": {"chat.example.com": "acme-chat"}, "brands": ["acme-shop"]})
    assert rules.brand_of("chat.example.com", "") == "acme-chat"
    assert rules.brand_of("anything", "acme-shop") == "acme-shop"
    assert rules.brand_of("evil.example.com", "") is None
    assert EdgeRules.model_validate({"brand": "acme-chat"}).brand_of("any", "") == "acme-chat"
    assert RULES.brand_of("any", "") == ""
    for other in ("globex-chat", "chat.example.com"):
        with pytest.raises(PermissionDenied):
            rules.brand_of("chat.example.com", other)


@pytest.mark.parametrize("workload", ["envoy/other", "envoy", "envoy/", "backend/edge", "gateway", "envoy/edge/x"])
def test_a_certificate_that_the_policy_does_not_name_is_refused(workload: str) -> None:
    edges = load_edges(DEFAULT_POLICY)
    assert edges.of("envoy/edge").limit == "request"
    assert edges.of("envoy/identity").limit == "none"
    with pytest.raises(PermissionDenied):
        edges.of(workload)


@pytest.mark.parametrize(
    "text",
    [
        "envoy: {edge: {limits: none}}",
        "envoy: {edge: {limit: all}}",
        "envoy: {edge: {hosts: {'A.example': acme}}}",
        'envoy: {edge: {answer_headers: {x-a: "b\\r\\nc: d"}}}',
        "envoy: {edge: {cookie: 'a; b'}}",
        "envoy: [edge]",
        "[]",
    ],
)
def test_a_wrong_policy_is_a_start_up_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="gateway_policy"):
        load_edges(path)


def test_memory_is_short_and_knows_everything_that_was_looked_at() -> None:
    memory = Memory(0.5, most=2)
    request = asked(auth.Credential(api_key="k"), "", "", "192.0.2.1", "agent")
    name = memory.name(request, "envoy/edge", "chat.send")
    memory.keep(name, "token", ADA, 100.0)
    found = memory.find(name, 100.49)
    assert found is not None
    assert found.principal.subject == "ada"
    others = [
        memory.name(asked(auth.Credential(session="k"), "", "", "192.0.2.1", "agent"), "envoy/edge", "chat.send"),
        memory.name(asked(auth.Credential(api_key="k"), "b", "", "192.0.2.1", "agent"), "envoy/edge", "chat.send"),
        memory.name(asked(auth.Credential(api_key="k"), "", "o", "192.0.2.1", "agent"), "envoy/edge", "chat.send"),
        memory.name(asked(auth.Credential(api_key="k"), "", "", "192.0.2.2", "agent"), "envoy/edge", "chat.send"),
        memory.name(asked(auth.Credential(api_key="k"), "", "", "192.0.2.1", "other"), "envoy/edge", "chat.send"),
        memory.name(request, "envoy/other", "chat.send"),
        memory.name(request, "envoy/edge", "chat.read"),
        Memory(0.5).name(request, "envoy/edge", "chat.send"),
    ]
    assert all(memory.find(other, 100.0) is None for other in others)
    assert memory.find(name, 100.5) is None
    assert memory.find(name, 100.0) is None, "gone for good"
    assert Memory(0.0).find(name, 0.0) is None


def test_memory_is_bounded_and_can_be_emptied() -> None:
    memory = Memory(0.5, most=2)
    for name in (b"a", b"b", b"c"):
        memory.keep(name, "token", ADA, 0.0)
    assert memory.find(b"a", 0.0) is None
    assert memory.find(b"c", 0.0) is not None
    memory.forget()
    assert memory.find(b"c", 0.0) is None


async def test_who_asks_the_same_at_once_waits_for_the_first_and_no_longer_than_may_be() -> None:
    memory, order = Memory(0.5), []

    async def ask(name: bytes, number: int, *, keeps: bool, seconds: float = 1.0) -> None:
        async with memory.turn(name, seconds):
            if memory.find(name, 0.0) is None:
                order.append(number)
                await asyncio.sleep(0.05)
                if keeps:
                    memory.keep(name, "token", ADA, 0.0)

    await asyncio.gather(*(ask(b"a", number, keeps=True) for number in range(20)))
    assert order == [0]
    await asyncio.gather(*(ask(b"b", number, keeps=False) for number in range(3)))
    assert sorted(order[1:]) == [0, 1, 2], "what was refused is looked up by each"
    order.clear()
    await asyncio.gather(*(ask(b"c", number, keeps=True, seconds=0.01) for number in range(3)))
    assert sorted(order) == [0, 1, 2], "a slow first holds nobody up"
    order.clear()
    await asyncio.gather(ask(b"", 0, keeps=False), ask(b"", 1, keeps=False))
    assert order == [0, 1]


async def test_a_first_that_fails_lets_the_others_go_on() -> None:
    memory = Memory(0.5)

    async def fails() -> None:
        async with memory.turn(b"a", 1.0):
            await asyncio.sleep(0.02)
            raise Unavailable("auth")

    async def waits() -> str:
        async with memory.turn(b"a", 1.0):
            return "asked"

    failed, asked = await asyncio.gather(fails(), waits(), return_exceptions=True)
    assert isinstance(failed, Unavailable)
    assert asked == "asked"
