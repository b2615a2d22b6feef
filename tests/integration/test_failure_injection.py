"""Every stage, every peer and every store is broken in every way, under the real chains: the declared policy is what
happens, nothing is allowed in silence, and no word of what went wrong gets out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import patch

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from hauberk.audit.v1 import audit_service_pb2 as audit
from hauberk.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.common.v1 import decision_pb2 as common
from hauberk.envoy.auth.v3.external_auth_pb2_grpc import AuthorizationStub
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from gateway.edge.authz_answers import TXN
from gateway.stages import CHAINS, OnFailure
from tests.support.backend import DEADLINE, FREE, allowed, fresh, refusing_stage, user
from tests.support.checking import question
from tests.support.fault_cases import (
    CHECK_HOPS,
    HOPS,
    INNER,
    PEER_FAULTS,
    STORE_FAULTS,
    STORES,
    STREAM_HOPS,
    Fault,
    Hop,
    Inner,
    Store,
)
from tests.support.lab import SSN, Lab, Ready, running_lab
from tests.support.waiting import eventually

ALL_HOPS = HOPS + CHECK_HOPS
UNDECIDED = (common.REASON_STAGE_UNAVAILABLE, common.REASON_DEADLINE_SPENT)
ARGUMENTS = json.dumps({"brand": "acme-chat"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    # What is settled later would ask again in the middle of the next case.
    with patch("gateway.settling.PAUSES", ()):
        async with running_lab() as made:
            yield made


async def ask(lab: Lab, chain: str, ready: Ready, credential: auth.Credential | None = None) -> Any:
    """One request of the chain that goes through every stage; the answer, or the status when there was none."""
    backend, gateway = lab.backend, lab.backend.gateway
    try:
        if chain == "Admit":
            request = pb.AdmitRequest(
                credential=credential or ready.newcomer,
                conversation=fresh("talk"),
                messages=[user(f"My SSN is {SSN}")],
                estimate=FREE,
                client_address="192.0.2.77",
            )
            if credential is None:
                request.handoff.CopyFrom(pb.ContextHandoff(target_brand=lab.brands[0], body=b"context"))
            return await gateway.Admit(request, timeout=DEADLINE)
        if chain == "Complete":
            return await backend.complete(ready.admission, "You are <US_SSN>.", output_tokens=5)
        return await backend.call_tool(ready.admission, ready.tool, ARGUMENTS)
    except aio.AioRpcError as error:
        return error


def nothing_given(answer: Any) -> bool:
    """No text, no admission, no arguments: a refusal shows nothing."""
    names = ("admission", "messages", "text", "arguments_json", "context_token", "canary", "context")
    return not any(getattr(answer, name, None) for name in names)


def expect_refusal(answer: Any, stage: str, fault: Fault) -> None:
    assert not isinstance(answer, aio.AioRpcError), f"{answer.code()} {answer.details()}"
    assert answer.outcome != common.OUTCOME_ALLOW
    assert refusing_stage(answer.verdicts) == stage
    assert nothing_given(answer)
    assert answer.safe_reply.text
    if fault is Fault.EMPTY:
        return  # a decision without an outcome is a refusal
    assert answer.degraded
    assert answer.reason in UNDECIDED
    if fault in (Fault.SLOW, Fault.TIMEOUT):
        assert answer.reason == common.REASON_DEADLINE_SPENT


def expect_no_words(answer: Any) -> None:
    text = str(answer)
    for word in ("10.1.2.3", "password", "on fire", "Traceback", SSN):
        assert word not in text


def test_every_stage_of_every_chain_is_broken() -> None:
    assert {(hop.chain, hop.stage) for hop in ALL_HOPS} == {(c, s.name) for c, stages in CHAINS.items() for s in stages}
    services = {(c, s.name): s.service for c, stages in CHAINS.items() for s in stages}
    assert {services[hop.chain, hop.stage] for hop in ALL_HOPS} <= {hop.peer for hop in ALL_HOPS}
    assert len(ALL_HOPS) * len(PEER_FAULTS) + len(STORES) * len(STORE_FAULTS) >= 40


def policy_of(chain: str, name: str) -> OnFailure:
    (stage,) = [stage for stage in CHAINS[chain] if stage.name == name]
    return stage.on_failure


@pytest.mark.parametrize("fault", PEER_FAULTS)
@pytest.mark.parametrize("hop", HOPS, ids=str)
async def test_a_stage(lab: Lab, hop: Hop, fault: Fault) -> None:
    ready = await lab.ready(hop.chain)
    with lab.faults.inject("gateway", hop.peer, hop.method, fault) as place:
        answer = await ask(lab, hop.chain, ready)
        asked = lab.faults.hits[place]
    # The admission is tried once more for a token to settle with; nothing else is ever repeated.
    assert 1 <= asked <= (2 if hop.method == "Continue" else 1)
    expect_no_words(answer if hop.chain == "Admit" else answer.verdicts)
    if policy_of(hop.chain, hop.stage) is OnFailure.CLOSED or fault is Fault.EMPTY:
        expect_refusal(answer, hop.stage, fault)
        return
    assert allowed(answer)
    assert answer.degraded, "an open stage is never passed in silence"
    (verdict,) = [verdict for verdict in answer.verdicts if verdict.stage == hop.stage]
    assert (verdict.reason, verdict.degraded) == (common.REASON_STAGE_UNAVAILABLE, True)


@pytest.mark.parametrize("fault", PEER_FAULTS)
@pytest.mark.parametrize("hop", CHECK_HOPS, ids=str)
async def test_a_stage_before_a_proxy(lab: Lab, hop: Hop, fault: Fault) -> None:
    ready = await lab.ready("Admit")
    check = AuthorizationStub(lab.backend.stack.channel("gateway", "envoy/edge")).Check
    with lab.faults.inject("gateway", hop.peer, hop.method, fault) as place:
        answer = await check(question(ready.newcomer), timeout=DEADLINE)
        assert lab.faults.hits[place] == 1
    expect_no_words(answer)
    kind, txn = answer.WhichOneof("http_response"), str(answer.dynamic_metadata[TXN] if answer.dynamic_metadata else "")
    if policy_of(hop.chain, hop.stage) is OnFailure.OPEN and fault is not Fault.EMPTY:
        assert kind == "ok_response"
        assert await eventually(lambda: on_record(lab, txn, "gateway.check", degraded="yes"), 8.0), "not in silence"
        return
    assert kind == ("denied_response" if fault is Fault.EMPTY else "error_response")
    assert not answer.dynamic_metadata
    if fault is not Fault.EMPTY:
        assert answer.error_response.status.code == 503
        slow = fault in (Fault.SLOW, Fault.TIMEOUT)
        assert json.loads(answer.error_response.body)["code"] == ("deadline_spent" if slow else "stage_unavailable")


@pytest.mark.parametrize("fault", PEER_FAULTS)
@pytest.mark.parametrize("hop", STREAM_HOPS, ids=str)
async def test_a_stage_of_a_stream(lab: Lab, hop: Hop, fault: Fault) -> None:
    ready = await lab.ready(hop.chain)
    shown, result, status = "", pb.CompleteResponse(), grpc.StatusCode.OK
    with lab.faults.inject("gateway", hop.peer, hop.method, fault) as place:
        pieces = [pb.CompleteStreamRequest(admission=ready.admission), pb.CompleteStreamRequest(chunk="<US_SSN> " * 40)]

        async def sent() -> AsyncIterator[pb.CompleteStreamRequest]:
            for piece in pieces:
                yield piece

        try:
            async for answer in lab.backend.gateway.CompleteStream(sent(), timeout=2.0):
                shown += answer.chunk
                result = answer.result if answer.HasField("result") else result
        except aio.AioRpcError as error:
            status = error.code()
        assert 1 <= lab.faults.hits[place] <= (2 if hop.method == "Continue" else 1)
    assert SSN not in shown
    assert shown == ""
    assert result.outcome != common.OUTCOME_ALLOW or (hop.stage == "restore" and fault is Fault.EMPTY)
    assert result.outcome != common.OUTCOME_UNSPECIFIED or status is grpc.StatusCode.DEADLINE_EXCEEDED
    expect_no_words(result)


@pytest.mark.parametrize("fault", PEER_FAULTS)
@pytest.mark.parametrize("inner", INNER, ids=str)
async def test_what_a_service_needs_of_another(lab: Lab, inner: Inner, fault: Fault) -> None:
    ready = await lab.ready(inner.chain)
    credential = await lab.handed() if inner.method == "Redeem" else None
    with lab.faults.inject(inner.service, inner.peer, inner.method, fault) as place:
        answer = await ask(lab, inner.chain, ready, credential)
        assert lab.faults.hits[place] == 1
    assert not allowed(answer)
    assert refusing_stage(answer.verdicts) == inner.stage
    assert nothing_given(answer)
    if fault is not Fault.EMPTY:
        assert answer.reason in UNDECIDED, common.Reason.Name(answer.reason)
    expect_no_words(answer.verdicts)


@pytest.mark.parametrize("fault", STORE_FAULTS)
@pytest.mark.parametrize("case", STORES, ids=str)
async def test_a_store(lab: Lab, case: Store, fault: Fault) -> None:
    await lab.healthy()
    ready = await lab.ready(case.chain)
    credential = await lab.new_key() if (case.service, case.store) == ("auth", "postgres") else None
    if case.lost:
        await lab.lose_budgets()
    with lab.proxies[case.service, case.store].broken(fault):
        answer = await ask(lab, case.chain, ready, credential)
    if not case.stage:
        assert allowed(answer)
        written = written_down if case.service == "ratelimit" else on_record
        assert await eventually(lambda: written(lab, answer.txn), 8.0), "it waited, and arrived"
        return
    assert not allowed(answer)
    assert refusing_stage(answer.verdicts) == case.stage
    assert nothing_given(answer)
    assert answer.reason in UNDECIDED, common.Reason.Name(answer.reason)
    expect_no_words(answer)


async def on_record(lab: Lab, txn: str, code: str = "gateway.admit", **facts: str) -> bool:
    """Whether the gateway's event of this transaction is in the organisation's chain."""
    stub, own, page = AuditServiceStub(lab.backend.channel("audit")), await lab.backend.administer(), ""
    while True:
        asked = audit.QueryRequest(page_size=200, page_token=page)
        try:
            got = await stub.Query(asked, timeout=DEADLINE, metadata=own)
        except aio.AioRpcError:  # its store is only just back
            return False
        found = (event for event in got.events if event.txn == txn and event.code == code)
        if any(facts.items() <= dict(event.facts).items() for event in found):
            return True
        page = got.next_page_token
        if not page:
            return False


async def written_down(lab: Lab, txn: str) -> bool:
    """Whether the ledger has the reservation of this transaction."""
    return bool(lab.rows("SELECT 1 FROM ratelimit.holds WHERE request_id = %s", txn))


@pytest.mark.parametrize("fault", PEER_FAULTS)
async def test_settling_that_fails_takes_no_answer_back(lab: Lab, fault: Fault) -> None:
    ready = await lab.ready("Complete")
    with lab.faults.inject("gateway", "ratelimit", "Commit", fault):
        answer = await ask(lab, "Complete", ready)
    assert allowed(answer)
    assert answer.text == f"You are {SSN}."
    assert answer.degraded or fault is Fault.EMPTY, "the hold then ends by its own rule, and that is said"


@pytest.mark.parametrize("fault", PEER_FAULTS)
async def test_giving_back_that_fails_makes_no_allow(lab: Lab, fault: Fault) -> None:
    ready = await lab.ready("Admit")
    with (
        lab.faults.inject("gateway", "ratelimit", "Release", fault),
        lab.faults.inject("gateway", "redaction", "Redact", Fault.ERROR),
    ):
        answer = await ask(lab, "Admit", ready)
    expect_refusal(answer, "redaction", Fault.ERROR)


@pytest.mark.parametrize("fault", PEER_FAULTS)
async def test_without_audit_decisions_wait_on_disk_and_changes_are_not_made(lab: Lab, fault: Fault) -> None:
    ready = await lab.ready("Complete")
    own = await lab.backend.administer()
    with (
        lab.faults.inject("auth", "audit", "Append", fault),
        lab.faults.inject("gateway", "audit", "Append", fault),
    ):
        assert allowed(await ask(lab, "Complete", ready))
        create = auth.CreateApiKeyRequest(subject=lab.backend.stack.admin, scopes=["chat"])
        call = AuthServiceStub(lab.backend.channel("auth")).CreateApiKey(create, timeout=DEADLINE, metadata=own)
        if fault is not Fault.EMPTY:  # an answer to Append without a word still says that it was stored
            with pytest.raises(aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            expect_no_words(caught.value.details())
        else:
            await call
