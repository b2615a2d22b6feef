"""Reading the trail: pages, time, other organisations, scope, the record of reading, an export that stands alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hauberk.audit.v1 import audit_service_pb2 as pb
from psycopg import sql

from tests.contract.audit.house import House, event
from tests.support.stores import ORG_KEY, ORG_KID
from tests.unit.kit.world import refused

START = 1_700_000_000


def at(seconds: int) -> Timestamp:
    return Timestamp(seconds=START + seconds)


async def all_pages(house: House, org: str, **asked: Any) -> tuple[list[pb.Event], list[int]]:
    events: list[pb.Event] = []
    sizes: list[int] = []
    token = ""
    while True:
        request = pb.QueryRequest(page_token=token, **asked)
        page = await house.stub().Query(request, metadata=house.bearer(org))
        events += page.events
        sizes.append(len(page.events))
        token = page.next_page_token
        if not token:
            return events, sizes


async def test_pages_by_time(house: House) -> None:
    org = house.organisation()
    ids = await house.fill(org, 25)
    events, sizes = await all_pages(house, org, from_time=at(5), to_time=at(15), page_size=4)
    assert [each.event_id for each in events] == ids[5:15]
    assert sizes == [4, 4, 2]
    events, _ = await all_pages(house, org, page_size=7)  # ends, although every page adds an event
    assert [each.event_id for each in events][:25] == ids
    assert [each.sequence for each in events][:25] == list(range(1, 26))


async def test_reading_is_on_record(house: House) -> None:
    org = house.organisation()
    await house.fill(org, 3)
    await all_pages(house, org)
    await house.verify(org)
    await house.stub().Export(pb.ExportRequest(), metadata=house.bearer(org))
    events, _ = await all_pages(house, org)
    read = [each for each in events if each.code.startswith("audit.")]
    assert [each.code for each in read] == ["audit.query", "audit.verify", "audit.export"]
    assert {(each.actor, each.facts["workload"]) for each in read} == {("ada", "backend/shop")}


async def test_other_organisations_are_invisible(house: House) -> None:
    own, other = house.organisation(), house.organisation()
    await house.fill(own, 5)
    events, _ = await all_pages(house, other)
    assert not [each for each in events if "/audit/" not in each.event_id]
    first = await house.stub().Query(pb.QueryRequest(page_size=2), metadata=house.bearer(own))
    stolen = await house.stub().Query(pb.QueryRequest(page_token=first.next_page_token), metadata=house.bearer(other))
    assert not [each for each in stolen.events if "/audit/" not in each.event_id]
    forged = house.mint.token(scopes=("audit.read",), tenant=own, org_mac=house.stores.proof(other))
    answer = await house.stub().Query(pb.QueryRequest(), metadata=[("txn-token", forged)])
    assert not answer.events  # the database believes the proof, not the name


async def test_the_chain_of_the_platform_is_nobodys_to_read(house: House) -> None:
    await house.append(event(""))
    org = house.organisation()
    claim = f".{int(time.time()) + 60}.{ORG_KID}"  # even a true proof of the empty name is none
    signed = f"{claim}.{hmac.new(ORG_KEY, claim.encode(), hashlib.sha256).hexdigest()}"
    for proof in ("", house.stores.proof(org), signed):
        async with await psycopg.AsyncConnection.connect(house.stores.service_dsn("audit")) as connection:
            await connection.execute("SELECT set_config('hauberk.org', %s, true)", [proof])
            for table in (sql.Identifier("audit", "events"), sql.Identifier("audit", "heads")):
                counted = await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
                assert await counted.fetchone() == (0,)


@pytest.mark.parametrize(("method", "request_type"), [("Query", pb.QueryRequest), ("Verify", pb.VerifyRequest),
                                                      ("Export", pb.ExportRequest)])  # fmt: skip
async def test_the_scope_is_needed(house: House, method: str, request_type: Any) -> None:
    call = getattr(house.stub(), method)
    error = await refused(call(request_type(), metadata=house.bearer(house.organisation(), ("chat",))))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert (await refused(call(request_type()))).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_wrong_arguments(house: House) -> None:
    metadata = house.bearer(house.organisation())
    for request in (
        pb.QueryRequest(page_token="abc"),
        pb.QueryRequest(page_token="ZToxOjI"),  # of an export
        pb.QueryRequest(from_time=at(2), to_time=at(1)),
        pb.QueryRequest(from_time=Timestamp(seconds=-5)),
        pb.QueryRequest(to_time=Timestamp(seconds=2**60)),
    ):
        error = await refused(house.stub().Query(request, metadata=metadata))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_export_can_be_verified_by_itself(house: House) -> None:
    org = house.organisation()
    ids = await house.fill(org, 1203)
    lines: list[dict[str, Any]] = []
    token = ""
    while True:
        asked = pb.ExportRequest(from_time=at(100), to_time=at(1203), page_token=token)
        page = await house.stub().Export(asked, metadata=house.bearer(org))
        lines += [found for line in page.chunk.splitlines() if "canonical" in (found := json.loads(line))]
        token = page.next_page_token
        if not token:
            break
    assert [json.loads(line["canonical"])["event_id"] for line in lines] == ids[100:]
    tip = lines[0]["prev"]
    for number, line in enumerate(lines, 101):
        assert (line["sequence"], line["prev"]) == (number, tip)
        tip = hashlib.sha256(bytes.fromhex(tip) + line["canonical"].encode()).hexdigest()
        assert line["hash"] == tip
