"""The platform's chain: operators read, verify and export it; nobody else does, and their reading is on record."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from hauberk.audit.v1 import audit_service_pb2 as pb

from tests.contract.audit.house import House, event
from tests.unit.kit.world import refused


async def query(house: House, **asked: Any) -> list[pb.Event]:
    found, token = list[pb.Event](), ""
    while True:
        request = pb.QueryPlatformRequest(page_size=200, page_token=token, **asked)
        page = await house.stub("operator").QueryPlatform(request, timeout=10)
        found, token = found + list(page.events), page.next_page_token
        if not token:
            return found


async def test_an_operator_finds_what_has_no_organisation(house: House) -> None:
    mine = event("", actor="operator", client_address="192.0.2.9", trace_id="ab" * 16, outcome=2)
    await house.append(mine, event(house.organisation()))
    by_trace = await query(house, trace_id="ab" * 16)
    assert mine.event_id in {each.event_id for each in by_trace}
    assert {each.organisation for each in await query(house)} == {""}
    (found,) = [each for each in by_trace if each.event_id == mine.event_id]
    assert (found.client_address, found.actor, found.erased) == ("192.0.2.9", "operator", False)
    assert mine.event_id in {each.event_id for each in await query(house, actor="operator", outcome=2)}
    assert mine.event_id not in {each.event_id for each in await query(house, actor="backend/shop")}
    assert mine.event_id not in {each.event_id for each in await query(house, outcome=1)}
    assert mine.event_id not in {each.event_id for each in await query(house, code="audit.query")}
    read = await query(house, code="audit.query_platform")
    assert {(each.actor, each.facts["workload"]) for each in read} == {("operator", "operator")}


async def test_it_is_verified_and_exported_whole(house: House) -> None:
    await house.append(event(""))
    await house.sign("")
    answer = await house.stub("operator").VerifyPlatform(pb.VerifyPlatformRequest(), timeout=10)
    assert answer.intact, answer.problem
    data, token = bytearray(), ""
    while True:
        page = await house.stub("operator").ExportPlatform(pb.ExportPlatformRequest(page_token=token), timeout=10)
        data += page.chunk
        token = page.next_page_token
        if not token:
            break
    lines = [json.loads(line) for line in bytes(data).splitlines()]
    assert lines[0]["organisation"] == ""
    assert [line["sequence"] for line in lines if "sequence" in line] == list(range(1, answer.verified + 2))
    assert "manifest" in lines[-1]
    assert any("checkpoint" in line for line in lines)


@pytest.mark.parametrize("method", ["QueryPlatform", "VerifyPlatform", "ExportPlatform"])
@pytest.mark.parametrize("workload", ["backend/shop", "gateway", "auth"])
async def test_nobody_else_does(house: House, method: str, workload: str) -> None:
    request = getattr(pb, f"{method}Request")()
    metadata = house.bearer(house.organisation(), ("audit.read", "audit.erase"))
    error = await refused(getattr(house.stub(workload), method)(request, metadata=metadata))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_operator_reads_no_organisations_trail(house: House) -> None:
    for call in (
        house.stub("operator").Query(pb.QueryRequest()),
        house.stub("operator").Export(pb.ExportRequest()),
        house.stub("operator").EraseSubject(pb.EraseSubjectRequest(user="eve")),
    ):
        assert (await refused(call)).code() in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}


async def test_events_are_found_by_what_they_say(house: House) -> None:
    org = house.organisation()
    events = [event(org, actor=f"u{n % 2}", outcome=1 + n % 2, trace_id=f"{n:032x}") for n in range(6)]
    await house.append(*events)
    ids = [each.event_id for each in events]

    async def found(**asked: Any) -> list[int]:
        page = await house.stub().Query(pb.QueryRequest(**asked), metadata=house.bearer(org))
        return [ids.index(each.event_id) for each in page.events if each.event_id in ids]

    assert sorted(await found(actor="u1")) == [1, 3, 5]
    assert sorted(await found(outcome=1)) == [0, 2, 4]
    assert await found(trace_id=f"{3:032x}") == [3]
    assert await found(actor="u0", outcome=2) == []
    assert await found(actor="nobody") == []
    assert await found(code="auth.continue") == []
    assert len(await found(code="auth.authenticate")) == 6


async def test_the_public_keys_are_there_for_whoever_verifies(house: House) -> None:
    answer = await house.stub().GetCheckpointKeys(pb.GetCheckpointKeysRequest())
    (key,) = json.loads(answer.jwks)["keys"]
    assert (key["kty"], key["crv"], key["kid"]) == ("EC", "P-256", "1")
    assert "d" not in key
