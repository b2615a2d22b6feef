"""The methods about API keys over the wire: translated, bounded, for their own organisation alone."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import grpc
import pytest
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from tests.contract.auth.house import ALLOW, DENY, OPERATOR, House, opened
from tests.support.stores import DataStores

KEY = "vendor-key-0123456789-" + secrets.token_hex(8)


async def status_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as error:
        await call
    return error.value.code()


async def test_a_key_shows_what_was_asked_of_it(house: House) -> None:
    _, key = await house.organisation()
    request = pb.CreateApiKeyRequest(
        subject="ann",
        scopes=["chat"],
        allowed_addresses=["::ffff:192.0.2.0/120", "2001:DB8::/32"],
        limits=[pb.KeyLimit(unit=pb.KEY_LIMIT_UNIT_TOKENS, amount=500, seconds=60)],
    )
    request.not_before.FromSeconds(2_000_000_000)
    made = await house.call("CreateApiKey", await house.token(key), request)
    assert list(made.key.allowed_addresses) == ["192.0.2.0/24", "2001:db8::/32"]
    assert made.key.limits == request.limits
    assert made.key.not_before == request.not_before
    assert (await house.authenticate(made.api_key, client_address="192.0.2.1")).outcome == DENY


@pytest.mark.parametrize("network", ["192.0.2.1/24", "x.y", "192.0.2.0/33", "10.0.0.0/8%0"])
async def test_what_is_no_network_makes_no_key(house: House, network: str) -> None:
    _, key = await house.organisation()
    request = pb.CreateApiKeyRequest(subject="ann", scopes=["chat"], allowed_addresses=[network])
    call = house.call("CreateApiKey", await house.token(key), request)
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_imported_key_over_the_wire(data_stores: DataStores) -> None:
    name = f"org-{secrets.token_hex(6)}"
    async with opened(data_stores, imported_keys=[name]) as house:
        await house.tenancy(OPERATOR).CreateOrganisation(
            tenancy_pb.CreateOrganisationRequest(organisation=name, plan="pro", first_brand="shop", first_admin="ann")
        )
        asked = pb.BootstrapApiKeyRequest(organisation=name, subject="ann", brand="shop")
        token = await house.token((await house.auth(OPERATOR).BootstrapApiKey(asked)).api_key)
        request = pb.ImportApiKeyRequest(subject="ann", scopes=["chat"], sha256=hashlib.sha256(KEY.encode()).digest())
        made = await house.call("ImportApiKey", token, request)
        assert (made.key.imported, made.key.last_four) == (True, "****")
        answer = await house.authenticate(KEY)
        assert (answer.outcome, list(answer.principal.scopes)) == (ALLOW, ["chat"])
        assert await status_of(house.call("ImportApiKey", token, request)) is grpc.StatusCode.ALREADY_EXISTS
        await house.call("RevokeApiKey", token, pb.RevokeApiKeyRequest(key_id=made.key.key_id))
        assert (await house.authenticate(KEY)).outcome == DENY
        request.sha256 = b"short"
        assert await status_of(house.call("ImportApiKey", token, request)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_a_leak_does_is_the_organisations_own_choice(house: House) -> None:
    _, ours = await house.organisation()
    _, theirs = await house.organisation()
    token, other = await house.token(ours), await house.token(theirs)
    assert (await house.call("GetKeySettings", token, pb.GetKeySettingsRequest())).on_leak == pb.LEAK_ACTION_REVOKE
    await house.call("PutKeySettings", token, pb.PutKeySettingsRequest(on_leak=pb.LEAK_ACTION_ALERT))
    assert (await house.call("GetKeySettings", token, pb.GetKeySettingsRequest())).on_leak == pb.LEAK_ACTION_ALERT
    assert (await house.call("GetKeySettings", other, pb.GetKeySettingsRequest())).on_leak == pb.LEAK_ACTION_REVOKE
    for text in (ours, theirs):
        await house.auth(OPERATOR).ReportLeakedKey(pb.ReportLeakedKeyRequest(api_key=text, source="github"))
    assert (await house.authenticate(ours)).outcome == ALLOW
    assert (await house.authenticate(theirs)).outcome == DENY


async def test_the_operator_counts_by_pepper_and_nobody_else(house: House) -> None:
    _, key = await house.organisation()
    answer = await house.auth(OPERATOR).CountKeysByPepper(pb.CountKeysByPepperRequest())
    active = [version for version in answer.versions if version.active]
    assert [version.version for version in active] == ["p1"]
    assert active[0].kept >= active[0].usable >= 1
    call = house.call("CountKeysByPepper", await house.token(key), pb.CountKeysByPepperRequest())
    assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_the_use_of_another_organisations_key_is_not_told(house: House) -> None:
    _, ours = await house.organisation()
    _, theirs = await house.organisation()
    token, other = await house.token(ours), await house.token(theirs)
    foreign = (await house.call("ListApiKeys", other, pb.ListApiKeysRequest())).keys[0].key_id
    call = house.call("ListApiKeyUse", token, pb.ListApiKeyUseRequest(key_id=foreign))
    assert await status_of(call) is grpc.StatusCode.NOT_FOUND
    assert list((await house.call("ListApiKeyUse", other, pb.ListApiKeyUseRequest(key_id=foreign))).uses) == []


async def test_a_revoked_caller_decides_nothing_more(house: House) -> None:
    _, key = await house.organisation()
    token = await house.token(key)
    await house.call("RevokeSubject", token, pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_USER, id="ann"))
    for method, request in (
        ("PutKeyWebhook", pb.PutKeyWebhookRequest(url="https://hooks.example.com/")),
        ("PutKeySettings", pb.PutKeySettingsRequest(on_leak=pb.LEAK_ACTION_ALERT)),
        ("DeleteKeyWebhook", pb.DeleteKeyWebhookRequest()),
    ):
        assert await status_of(house.call(method, token, request)) is grpc.StatusCode.UNAUTHENTICATED
