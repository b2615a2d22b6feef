"""The whole corpus of forged tokens against the service as it runs, behind every layer and over real stores.

Outside there is one answer: whoever probes learns nothing of what was wrong, nor of how far a forgery came.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as pb
from hauberk.common.v1 import decision_pb2
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy_pb

from tests.contract.auth.house import ALLOW, DENY, House, opened
from tests.support.stores import DataStores
from tests.unit.auth import issuer, jwt_forging
from tests.unit.auth.issuer import claims_at, header, hmac_with, raw
from tests.unit.auth.jwt_cases import EVERY
from tests.unit.auth.jwt_forging import ES_ISSUER

ORG = "forgers-org"
WEAK = rsa.generate_private_key(65537, 1024)
# Refused by the contract, before anybody looks at what it is: that says no more than how long the text was.
BY_CONTRACT = {"empty", "oversize", "header of 100 kB"}
REFUSED = pb.AuthenticateResponse(outcome=DENY, reason=decision_pb2.REASON_CREDENTIAL_NOT_ACCEPTED)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def target(data_stores: DataStores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    path = tmp_path_factory.mktemp("issuers") / "keys.json"
    secret = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256"}
    wrong_curve = issuer.jwk(jwt_forging.P384_KEY, kid="p384")
    path.write_bytes(json.dumps({"keys": [issuer.jwk(), issuer.jwk(WEAK, kid="weak"), secret, wrong_curve]}).encode())
    curve = path.with_name("curve.json")
    curve.write_bytes(issuer.key_set(issuer.jwk(issuer.EC_KEY), wrong_curve, secret))
    entry: dict[str, Any] = {"audience": issuer.AUDIENCE, "organisations": [ORG], "types": ["at+jwt", "jwt"]}
    login = {**entry, "name": "login", "issuer": issuer.ISSUER, "jwks_file": str(path)}
    curved = {**entry, "name": "curve", "issuer": ES_ISSUER, "jwks_file": str(curve), "algorithms": ["ES256"]}
    stepped = {**login, "name": "stepped", "issuer": "https://stepped.test", "required_amr": ["otp"]}
    stepped |= {"max_auth_age": 60, "required_acr": ["gold"], "require_jti": True}
    async with opened(data_stores, issuers=[login, curved, stepped]) as house:
        first = tenancy_pb.CreateOrganisationRequest(
            organisation=ORG, plan="free", first_brand="shop", first_admin="ada"
        )
        await house.tenancy("operator").CreateOrganisation(first)
        yield house


async def present(house: House, token: str) -> pb.AuthenticateResponse:
    return await house.authenticate("", credential=pb.Credential(jwt=token))


async def refused(house: House, token: str) -> bool:
    answer = await present(house, token)
    assert answer.txn  # whoever is refused can ask us about it
    answer.txn = ""
    return answer == REFUSED


@pytest.mark.parametrize("name", sorted(EVERY.keys() - BY_CONTRACT))
async def test_every_forgery_gets_one_answer(target: House, name: str) -> None:
    assert await refused(target, EVERY[name](time.time()))


@pytest.mark.parametrize("name", sorted(BY_CONTRACT))
async def test_a_text_of_no_possible_length_is_refused_without_a_look(target: House, name: str) -> None:
    token = EVERY[name](time.time())
    with pytest.raises(aio.AioRpcError) as error:
        await present(target, token)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert token[:40] not in (error.value.details() or "x") or not token


async def test_keys_that_are_too_weak_or_of_another_kind_verify_nothing(target: House) -> None:
    now = time.time()
    secret = b"secretsecretsecretsecret"
    assert await refused(target, raw(header(kid="weak"), claims_at(now), WEAK))
    assert await refused(target, hmac_with(secret, header(alg="HS256", kid="secret"), claims_at(now)))
    assert await refused(target, hmac_with(secret, header(kid="secret"), claims_at(now)))
    for algorithm in ("ES256", "ES384"):
        head = header(alg=algorithm, kid="p384")
        forged = jwt_forging.of_curve(jwt_forging.P384_KEY, now).split(".")
        forged[0] = issuer.encoded(head)
        assert await refused(target, ".".join(forged))


async def test_our_own_tokens_are_no_issuers(target: House) -> None:
    ours = (await present(target, jwt_forging.good(time.time()))).txn_token
    assert ours
    assert await refused(target, ours)
    signing = target.keys.kept["txn-signing"][0].value
    claims = jwt.decode(ours, options={"verify_signature": False})
    for typ in ("txntoken+jwt", "ctx+jwt", "at+jwt", "JWT"):
        for iss in (claims["iss"], issuer.ISSUER, ES_ISSUER):
            head = {"typ": typ, "kid": "t1"}
            body = claims | {"iss": iss, "aud": issuer.AUDIENCE}
            assert await refused(target, jwt.encode(body, signing, "ES256", headers=head))


async def test_an_issuers_token_is_none_of_ours(target: House) -> None:
    now = time.time()
    for token in (jwt_forging.good(now), jwt_forging.curved(now), raw(header(typ="txntoken+jwt"), claims_at(now))):
        with pytest.raises(aio.AioRpcError) as error:
            await target.call("ListApiKeys", token, pb.ListApiKeysRequest())
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
        for credential in (pb.Credential(api_key=token[:256]), pb.Credential(session=token[:256])):
            answer = await target.authenticate("", credential=credential)
            assert (answer.outcome, answer.reason) == (DENY, REFUSED.reason)


async def test_a_sign_in_that_is_not_enough_gets_the_same_answer(target: House) -> None:
    now = time.time()
    enough = {"iss": "https://stepped.test", "jti": "j", "amr": ["pwd", "otp"], "acr": "gold", "auth_time": int(now)}
    assert (await present(target, raw(header(), claims_at(now, **enough)))).outcome == ALLOW
    for change in ({"jti": None}, {"amr": ["pwd"]}, {"acr": "silver"}, {"auth_time": int(now) - 61}):
        assert await refused(target, raw(header(), claims_at(now, **(enough | change))))


async def test_good_tokens_are_accepted_also_the_second_time_and_carry_their_facts(target: House) -> None:
    now = time.time()
    facts = {"jti": "known", "acr": "gold", "amr": ["otp"], "auth_time": int(now) - 9}
    for token in (raw(header(), claims_at(now, **facts)), jwt_forging.curved(now, **facts)):
        for _ in range(2):
            answer = await present(target, token)
            assert answer.outcome == ALLOW
            claims = jwt.decode(answer.txn_token, options={"verify_signature": False})
            assert (claims["acr"], claims["amr"], claims["auth_time"]) == ("gold", ["otp"], int(now) - 9)
            assert len(claims["oti"]) == 22


async def test_one_token_can_be_revoked_and_only_that_one(target: House) -> None:
    """On real stores, through everything that remembers: the next presentation is refused."""
    now = time.time()
    one, other, later = (raw(header(), claims_at(now, jti=name)) for name in ("one", "other", "later"))
    assert [(await present(target, token)).outcome for token in (one, other)] == [ALLOW, ALLOW]
    first = pb.BootstrapApiKeyRequest(organisation=ORG, subject="ada", brand="shop")
    key = str((await target.auth("operator").BootstrapApiKey(first)).api_key)
    revocation = pb.RevokeSubjectRequest(kind=pb.SUBJECT_KIND_TOKEN, issuer=issuer.ISSUER, token_id="one")
    await target.call("RevokeSubject", await target.token(key), revocation)
    assert await refused(target, one)
    assert (await present(target, other)).outcome == ALLOW
    assert (await present(target, later)).outcome == ALLOW
