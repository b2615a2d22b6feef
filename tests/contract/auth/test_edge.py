"""A brand's edge end to end: kept by its organisation alone, answered before any credential, sealed at rest."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2 as common

from services.kit.postgres import Database
from tests.contract.auth.edges import GATEWAY, ORIGIN, Street, edge, street, widget
from tests.support.siteverify import NEXT_SECRET, SECRET
from tests.support.stores import DataStores, Holder

LIVE = {
    "environment": "production",
    "turnstile_url": "https://siteverify.test/",
    "hcaptcha_url": "https://siteverify.test/",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lane(data_stores: DataStores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    async with street(data_stores, tmp_path_factory.mktemp("edge")) as made:
        yield made


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return caught.value.code(), str(caught.value.details())


async def test_what_is_put_is_answered_in_one_spelling(lane: Street) -> None:
    sources = [pb.ContentSource(directive="connect-src", values=["wss://LIVE.example.com"])]
    put = await lane.put(edge(widget(), brand="words", origins=["HTTPS://Bücher.Example:443"], sources=sources))
    assert put.edge.origins == ["https://xn--bcher-kva.example"]
    got = await lane.get("words")
    assert got == pb.GetBrandEdgeResponse(edge=put.edge, version=1)
    assert not got.edge.challenge.secret
    answer = await lane.resolve("https://xn--bcher-kva.example", brand="words", method="POST")
    assert answer.outcome == common.OUTCOME_ALLOW
    assert answer.headers["Access-Control-Allow-Origin"] == "https://xn--bcher-kva.example"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert "wss://live.example.com" in answer.headers["Content-Security-Policy"]
    assert answer.widget.site_key == put.edge.challenge.site_key


async def test_a_change_counts_at_once_here_and_versions_rise(lane: Street) -> None:
    assert (await lane.resolve(brand="fast")).outcome == common.OUTCOME_DENY  # remembered as unknown
    assert (await lane.put(edge(brand="fast"))).version == 1
    assert (await lane.resolve(brand="fast")).outcome == common.OUTCOME_ALLOW
    assert (await lane.put(edge(brand="fast", origins=[]))).version == 2
    assert (await lane.resolve(brand="fast")).outcome == common.OUTCOME_DENY


async def test_nonces_never_repeat(lane: Street) -> None:
    answers = [await lane.resolve() for _ in range(300)]
    nonces = {answer.nonce for answer in answers}
    assert len(nonces) == 300
    for answer in answers:
        assert len(answer.nonce) == 24  # 144 bits
        assert f"'nonce-{answer.nonce}'" in answer.headers["Content-Security-Policy"]


async def test_unknown_foreign_and_unlisted_are_one_answer(lane: Street) -> None:
    other, _ = await lane.house.organisation()
    answers = [
        await lane.resolve(**fields)
        for fields in (
            {"origin": "https://evil.example"},
            {"brand": "nowhere"},
            {"organisation": "nobody-here"},
            {"organisation": other},
            {"origin": "null"},
        )
    ]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].outcome == common.OUTCOME_DENY
    assert dict(answers[0].headers) == {"Vary": "Origin"}
    assert not answers[0].nonce


async def test_the_gateway_may_ask_and_nobody_names_an_organisation_to_change_it(lane: Street) -> None:
    assert (await lane.resolve(workload=GATEWAY)).outcome == common.OUTCOME_ALLOW
    _, key = await lane.house.organisation()
    stranger = Street(lane.house, lane.provider, lane.organisation, key)
    code, _ = await refused(stranger.get())
    assert code is grpc.StatusCode.NOT_FOUND
    await stranger.put(edge(origins=["https://evil.example"]))  # their own brand of that name, not ours
    assert (await lane.resolve("https://evil.example")).outcome == common.OUTCOME_DENY
    assert (await lane.resolve()).outcome == common.OUTCOME_ALLOW


async def test_without_the_scope_nothing_is_changed(lane: Street) -> None:
    token = await lane.house.token(lane.key)
    made = await lane.house.call("CreateApiKey", token, pb.CreateApiKeyRequest(subject="ann", scopes=["chat"]))
    weak = Street(lane.house, lane.provider, lane.organisation, made.api_key)
    for call in (weak.put(edge()), weak.get()):
        code, _ = await refused(call)
        assert code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    "fields",
    [
        {"origins": ["null"]},
        {"origins": ["https://*.example.com"]},
        {"origins": ["http://app.example.com"]},
        {"methods": ["TRACE"]},
        {"headers": ["cookie"]},
        {"sources": [pb.ContentSource(directive="script-src", values=["'unsafe-inline'"])]},
        {"sources": [pb.ContentSource(directive="script-src", values=["*"])]},
        {"report_endpoint": "http://example.com/csp"},
        {"challenge": widget(hostnames=["*.example.com"])},
        {"challenge": widget(provider="hcaptcha")},
        {"challenge": widget(secret="")},
        {"challenge": widget(environment="staging")},
        {"challenge": widget(provider="mine")},
    ],
    ids=str,
)
async def test_what_does_not_hold_is_not_kept(lane: Street, fields: dict[str, Any]) -> None:
    code, words = await refused(lane.put(edge(**({"brand": "never"} | fields))))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert SECRET not in words
    code, _ = await refused(lane.get("never"))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_an_empty_secret_keeps_the_one_before_but_not_of_another_provider(lane: Street) -> None:
    await lane.put(edge(widget(), brand="calm"))
    await lane.put(edge(widget(secret="", hostnames=["app.example.com"]), brand="calm"))
    assert (await lane.verify(lane.provider.solve(), brand="calm")).outcome == common.OUTCOME_ALLOW
    code, _ = await refused(lane.put(edge(widget(secret="", provider="hcaptcha", actions=[]), brand="calm")))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_secrets_are_sealed_and_open_at_their_own_place_alone(lane: Street, data_stores: DataStores) -> None:
    await lane.put(edge(widget(), brand="from"))
    await lane.put(edge(widget(secret=NEXT_SECRET), brand="onto"))
    async with await psycopg.AsyncConnection.connect(data_stores.admin_dsn, autocommit=True) as admin:
        rows = await (await admin.execute("SELECT brand_edges::text FROM auth.brand_edges")).fetchall()
        stored = "".join(row[0] for row in rows)
        for secret in (SECRET, NEXT_SECRET):
            assert secret not in stored
            assert secret.encode().hex() not in stored
        await admin.execute(
            "UPDATE auth.brand_edges AS o SET secret = f.secret FROM auth.brand_edges AS f"
            " WHERE f.org_id = %s AND f.brand = 'from' AND o.org_id = f.org_id AND o.brand = 'onto'",
            [lane.organisation],
        )
    lane.provider.asked.clear()
    answer = await lane.verify(lane.provider.solve(), brand="onto")
    assert (answer.outcome, answer.reason) == (common.OUTCOME_DENY, common.REASON_CHALLENGE_UNAVAILABLE)
    assert not lane.provider.asked


async def test_the_door_takes_an_exact_name_and_the_table_none_without_a_proof(
    lane: Street, data_stores: DataStores
) -> None:
    database = Database(data_stores.service_dsn("auth"))
    await database.open()
    try:
        async with database.anonymous() as connection:
            assert not await (await connection.execute("SELECT * FROM auth.brand_edges")).fetchall()
            for organisation, brand in ((lane.organisation, "%"), ("%", "shop"), (lane.organisation, ""), ("", "")):
                asked = await connection.execute("SELECT * FROM auth.edge_of_brand(%s, %s)", [organisation, brand])
                assert not await asked.fetchall()
        foreign = Holder(data_stores.proof(f"org-{secrets.token_hex(6)}"))
        async with database.tenant(foreign) as connection:
            assert not await (await connection.execute("SELECT * FROM auth.brand_edges")).fetchall()
    finally:
        await database.close()


async def test_production_refuses_what_is_for_testing(
    data_stores: DataStores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    test_secret = "1x0000000000000000000000000000000AA"
    async with street(data_stores, tmp_path_factory.mktemp("edge"), **LIVE, api_key_environment="test") as live:
        for challenge, field in (
            (widget(secret=test_secret), "edge.challenge.secret"),
            (widget(site_key="1x00000000000000000000AA"), "edge.challenge.site_key"),
            (widget(hostnames=[]), "edge.challenge.hostnames"),
            (widget(environment="test"), "edge.challenge.environment"),
        ):
            code, words = await refused(live.put(edge(challenge)))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert field in words
        code, words = await refused(live.put(edge(origins=["http://localhost:5173"])))
        assert (code, "edge.origins" in words) == (grpc.StatusCode.INVALID_ARGUMENT, True)
        assert (await live.resolve(ORIGIN)).outcome == common.OUTCOME_ALLOW


async def test_a_test_secret_that_was_kept_before_production_lets_nobody_on(
    lane: Street, data_stores: DataStores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = "1x0000000000000000000000000000000AA"
    await lane.put(edge(widget(secret=kept), brand="copied"))
    lane.provider.secrets.add(kept)
    assert (await lane.verify(lane.provider.solve(), brand="copied")).outcome == common.OUTCOME_ALLOW
    async with street(data_stores, tmp_path_factory.mktemp("edge"), **LIVE, api_key_environment="test") as live:
        live.house.keys.kept["edge-kek"] = list(lane.house.keys.kept["edge-kek"])
        answer = await live.verify("any-token", organisation=lane.organisation, brand="copied")
        assert (answer.outcome, answer.reason) == (common.OUTCOME_DENY, common.REASON_CHALLENGE_UNAVAILABLE)


async def test_a_good_credential_from_a_page_that_is_not_the_brands(lane: Street) -> None:
    for origin in ("https://evil.example", "null", f"{ORIGIN}.evil.example"):
        answer = await lane.house.authenticate(lane.key, origin=origin)
        assert (answer.outcome, answer.reason) == (common.OUTCOME_DENY, common.REASON_NOT_PERMITTED)
        assert not (answer.txn_token or answer.principal.organisation)
    for origin in (ORIGIN, ""):
        assert (await lane.house.authenticate(lane.key, origin=origin)).outcome == common.OUTCOME_ALLOW
    _, key = await lane.house.organisation()  # has not said which pages are its own
    assert (await lane.house.authenticate(key, origin="https://evil.example")).outcome == common.OUTCOME_ALLOW
