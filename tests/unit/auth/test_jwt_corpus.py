"""Tokens that must not be accepted: every known class, refused with one outer answer and without an exception."""

from __future__ import annotations

from dataclasses import replace

import jwt
import pytest

from services.auth import messages
from services.auth.flows.authenticate import Kind
from services.auth.policy import jwt_claims, jwt_shape
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Mark
from services.kit import epochs as naming
from services.kit.errors import Unavailable
from tests.unit.auth import issuer, jwt_forging
from tests.unit.auth.fakes import BRAND, ORG, USER, Desk
from tests.unit.auth.issuer import claims_at, header, raw
from tests.unit.auth.jwt_cases import CLAIMS, EVERY, FORGED, NUMBERS
from tests.unit.auth.jwt_forging import ES_ISSUER, ES_RULES, ORDER, at, good

_BEFORE_CRYPTOGRAPHY = [name for name, (_, cause) in FORGED.items() if cause is not Cause.JWT_SIGNATURE]


def desk_with(*keys: issuer.FixedIssuerKeys) -> Desk:
    curve = issuer.FixedIssuerKeys({"k1": issuer.EC_KEY.public_key()})
    return Desk([(issuer.RULES, keys[0] if keys else issuer.FixedIssuerKeys()), (ES_RULES, curve)])


async def refuse(token: str, desk: Desk | None = None, asked: int = 0) -> Cause:
    desk = desk or desk_with()
    found = await desk.present(token, Kind.JWT)
    assert found.minted is None
    assert messages.credential_reason(found.cause) == messages.credential_reason(Cause.KEY_UNKNOWN)
    assert (desk.keys.lookups, desk.directory.asked) == (0, asked)
    return found.cause


@pytest.mark.parametrize("name", FORGED)
async def test_forged(name: str) -> None:
    forge, cause = FORGED[name]
    desk = desk_with()
    assert await refuse(forge(desk.clock.now()), desk) is cause


@pytest.mark.parametrize("name", CLAIMS)
async def test_signed_but_not_acceptable(name: str) -> None:
    changes, cause = CLAIMS[name]
    desk = desk_with()
    found = await refuse(at(desk.clock.now(), changes), desk)
    assert found in {cause, Cause.JWT_SIGNATURE}  # the library may stop at a value it cannot read


@pytest.mark.parametrize("name", NUMBERS)
async def test_numbers_that_are_no_times(name: str) -> None:
    desk = desk_with()
    assert await refuse(jwt_forging.literally(desk.clock.now(), *NUMBERS[name]), desk) is not Cause.UNSPECIFIED


@pytest.mark.parametrize("name", _BEFORE_CRYPTOGRAPHY)
def test_most_are_refused_before_any_cryptography(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "decode", None)
    forge, cause = FORGED[name]
    found = jwt_shape.inspect(forge(1.8e9), {issuer.ISSUER: issuer.RULES, ES_ISSUER: ES_RULES})
    assert found is cause or (cause is Cause.JWT_UNKNOWN_KEY and not isinstance(found, Cause))


async def test_a_signature_spelled_anew_is_the_same_token() -> None:
    """ECDSA has two signatures for each: both are good, as with every verifier; what is revoked is revoked for both."""
    desk = desk_with()
    now = desk.clock.now()
    token = jwt_forging.curved(now, jti="one")
    message, _, signature = token.rpartition(".")
    data = jwt.utils.base64url_decode(signature)
    twin = f"{message}.{issuer.encoded(data[:32] + (ORDER - int.from_bytes(data[32:], 'big')).to_bytes(32, 'big'))}"
    assert twin != token
    found = [(await desk.present(text, Kind.JWT)).minted for text in (token, twin)]
    assert found[0] is not None and found[1] is not None
    assert found[0].caller.token_id == found[1].caller.token_id == jwt_claims.token_id(ES_ISSUER, "one")
    await desk.book.rise(found[0].caller, naming.token(found[0].caller.token_id))
    assert [await refuse(text, desk, asked=1) for text in (token, twin)] == [Cause.EPOCH_OVERTAKEN] * 2


async def test_a_good_token_is_accepted_with_no_more_than_its_issuer_may_give() -> None:
    desk = desk_with()
    body = claims_at(desk.clock.now(), scope="chat keys.manage settle", org="globex", tenant="globex")
    found = await desk.present(raw(header(), body), Kind.JWT)
    assert found.minted is not None
    caller = found.minted.caller
    assert (caller.organisation, caller.subject, caller.brand) == (ORG, USER, BRAND)
    assert caller.scopes == {"chat"}
    assert caller.credential_id.startswith("jwt_")


@pytest.mark.parametrize("claimed", ["globex", "", None, ["acme"], "ACME", "acme "])
async def test_an_issuer_speaks_only_for_its_organisations(claimed: object) -> None:
    rules = replace(issuer.RULES, organisations=("acme", "acme-labs"), organisation_claim="org")
    desk = Desk([(rules, issuer.FixedIssuerKeys())])
    assert await refuse(raw(header(), claims_at(desk.clock.now(), org=claimed)), desk) is Cause.JWT_ORGANISATION


@pytest.mark.parametrize("issued", [-50, -40, -11])
async def test_a_token_from_before_a_revocation_is_refused(issued: int) -> None:
    desk = desk_with()
    now = desk.clock.now()
    desk.epochs.ledger[ORG, f"u:{USER}"] = Mark(1, now - 40)
    assert await refuse(good(now + issued), desk) is Cause.EPOCH_OVERTAKEN  # -11: the issuer's clock may run ahead


async def test_a_token_from_after_a_revocation_is_accepted() -> None:
    desk = desk_with()
    now = desk.clock.now()
    desk.epochs.ledger[ORG, f"u:{USER}"] = Mark(1, now - 40)
    fresh = await desk.present(good(now - 5), Kind.JWT)
    assert fresh.minted is not None
    assert fresh.minted.caller.epochs.user == 1


async def test_unknown_keys_of_an_issuer_are_no_refusal() -> None:
    keys = issuer.FixedIssuerKeys()
    keys.away = True
    desk = desk_with(keys)
    with pytest.raises(Unavailable):
        await desk.present(good(desk.clock.now()), Kind.JWT)


async def test_a_curve_or_family_that_does_not_fit_is_refused() -> None:
    keys = issuer.FixedIssuerKeys({"k1": issuer.EC_KEY.public_key()})
    desk = desk_with(keys)
    assert await refuse(good(desk.clock.now()), desk) is Cause.JWT_SIGNATURE


async def test_a_short_key_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    short = rsa.generate_private_key(65537, 1024)
    desk = desk_with(issuer.FixedIssuerKeys({"k1": short.public_key()}))
    assert await refuse(raw(header(), claims_at(desk.clock.now()), short), desk) is Cause.JWT_SIGNATURE


def test_the_corpus_is_large() -> None:
    assert len(EVERY) >= 150
