"""Tokens of an organisation's own issuer through the contract, and tokens of ours where they do not belong."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from services.auth import bootstrap
from services.auth.settings import AuthSettings
from services.kit.clock import SystemClock
from services.kit.inprocess import InProcessChannel, InProcessServer
from services.kit.keys import KeyMissingError, VersionedSecret
from services.kit.server import Wiring
from services.kit.settings import SettingsError
from tests.contract.auth.house import ALLOW, DENY, House, TestKeys, opened
from tests.support.stores import DataStores
from tests.unit.auth import issuer
from tests.unit.auth.issuer import claims_at, header, raw


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def federated(data_stores: DataStores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    path = tmp_path_factory.mktemp("issuer") / "keys.json"
    path.write_bytes(issuer.key_set(issuer.jwk()))
    entry: dict[str, Any] = {
        "name": "login",
        "issuer": issuer.ISSUER,
        "audience": issuer.AUDIENCE,
        "organisations": ["federated-org"],
        "jwks_file": str(path),
        "scopes": ["chat"],
    }
    away = {**entry, "name": "away", "issuer": "https://away.test", "jwks_file": None}
    away |= {"jwks_url": "http://127.0.0.1:9/keys", "allow_loopback": True}
    async with opened(data_stores, issuers=[entry, away]) as house:
        await house_of_ann(house)
        yield house


async def house_of_ann(house: House) -> None:

    asked = tenancy_pb.CreateOrganisationRequest(
        organisation="federated-org", plan="free", first_brand="shop", first_admin="ann"
    )
    await house.tenancy("operator").CreateOrganisation(asked)


async def present(house: House, token: str, **fields: Any) -> pb.AuthenticateResponse:
    return await house.authenticate("", credential=pb.Credential(jwt=token), **fields)


def token_of(subject: str = "ann", **changes: Any) -> str:
    return raw(header(), claims_at(time.time(), sub=subject, **changes))


async def test_a_member_is_let_in_with_the_scopes_its_issuer_may_give(federated: House) -> None:
    answer = await present(federated, token_of(scope="keys.manage"))
    assert (answer.outcome, answer.principal.organisation, list(answer.principal.scopes)) == (
        ALLOW,
        "federated-org",
        ["chat"],
    )


async def test_a_stranger_and_a_foreign_brand_are_not_permitted(federated: House) -> None:
    for answer in (
        await present(federated, token_of("eve")),
        await present(federated, token_of(), brand="globex-chat"),
    ):
        assert (answer.outcome, answer.reason) == (DENY, decision_pb2.REASON_NOT_PERMITTED)


async def test_forgeries_are_refused_like_a_forged_key(federated: House) -> None:
    ours = await present(federated, token_of())
    forgeries = [
        token_of(iss="https://login.globex.test"),
        token_of(aud="somebody-else"),
        token_of(exp=int(time.time()) - 60),
        raw(header(), claims_at(time.time(), sub="ann"), issuer.OTHER_RSA_KEY),
        raw(header(alg="none"), claims_at(time.time(), sub="ann")),
        ours.txn_token,
        "hbk_test_" + "0" * 49,
    ]
    expected = pb.AuthenticateResponse(outcome=DENY, reason=decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED)
    for forged in forgeries:
        answer = await present(federated, forged)
        answer.txn = ""
        assert answer == expected


async def test_an_issuer_that_cannot_be_asked_is_no_refusal_and_no_allow(federated: House) -> None:
    with pytest.raises(aio.AioRpcError) as error:
        await present(federated, token_of(iss="https://away.test"))
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (await present(federated, token_of())).outcome == ALLOW


async def test_the_public_keys_need_no_proof(federated: House) -> None:
    answer = await federated.auth("audit").GetJwks(pb.GetJwksRequest())
    assert '"d"' not in answer.jwks
    assert '"kid": "t1"' in answer.jwks


@pytest.mark.parametrize("name", ["txn-signing", "org-mac", "api-key-pepper", "admission"])
async def test_a_missing_key_is_a_start_up_error(data_stores: DataStores, name: str) -> None:
    keys = TestKeys()
    del keys.kept[name]
    with pytest.raises((KeyMissingError, KeyError)):
        await built(data_stores, keys)


async def test_a_signing_key_of_another_kind_is_a_start_up_error(data_stores: DataStores) -> None:
    keys = TestKeys()
    keys.kept["txn-signing"] = [VersionedSecret("t1", b"not a key")]
    with pytest.raises(KeyMissingError) as error:
        await built(data_stores, keys)
    assert "not a key" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [{"redis_url": ""}, {"database_url": ""}, {"jwks_file": "missing.json"}],
    ids=["redis", "postgres", "key set"],
)
async def test_incomplete_settings_are_start_up_errors(
    data_stores: DataStores, tmp_path: Path, change: dict[str, str]
) -> None:
    path = tmp_path / change.pop("jwks_file", "keys.json")
    if path.name == "keys.json":
        path.write_bytes(issuer.key_set(issuer.jwk()))
    entry = {
        "name": "login",
        "issuer": issuer.ISSUER,
        "audience": issuer.AUDIENCE,
        "organisations": ["acme"],
        "jwks_file": str(path),
    }
    with pytest.raises(SettingsError):
        await built(data_stores, TestKeys(), issuers=[entry], **change)


async def built(stores: DataStores, keys: TestKeys, **changes: Any) -> None:
    values = {"redis_url": stores.redis_url, "database_url": stores.service_dsn("auth"), **changes}
    nothing: Any = None
    wiring = Wiring(keys, lambda _: cast(Any, InProcessChannel(InProcessServer(nothing), "")), SystemClock())
    async with wiring.stack:
        await bootstrap.build(AuthSettings.model_validate(values), wiring)
