"""The exchange over ports in memory, and tokens forged in every way."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.context_token.adapters.sealing import KekSealer
from services.context_token.adapters.signing import KeySigner
from services.context_token.exchange import Asked, Exchange, Issued, Redeemed, Terms
from services.context_token.policy.causes import Cause, IssueCause
from services.context_token.policy.model import Grant, audience
from services.kit.caller import Caller, Epochs
from services.kit.errors import Unavailable
from services.kit.keys import VersionedSecret
from services.kit.provision import rsa_key

DOMAIN = "hauberk.local"
ISSUER = f"https://context.{DOMAIN}"
SIGNING = rsa_key()
STRANGER = rsa_key()
ORG, USER, SOURCE, TARGET = "acme", "ada", "shop", "billing"
BODY = b"asked about order 17"


class HandClock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time


class Keys:
    """A key port of one version each; more can be added in front."""

    def __init__(self) -> None:
        self.kept = {
            "ctx-signing": [VersionedSecret("1", SIGNING)],
            "ctx-kek": [VersionedSecret("1", bytes(range(32)))],
        }

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self.kept[name]


@dataclass
class MemoryBodies:
    """BodyStore without time: what expires is the token."""

    most: int = 50
    kept: dict[str, bytes] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    away: bool = False
    asked: int = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise Unavailable("redis")

    async def put(self, grant: Grant, record: bytes, seconds: float) -> bool:
        self._ask()
        if len(self.kept) >= self.most:
            return False
        self.kept[grant.handle] = record
        return True

    async def take(self, grant: Grant, consumer: str) -> bytes | Cause:
        self._ask()
        if grant.handle in self.revoked:
            return Cause.REVOKED
        if grant.handle not in self.kept:
            return Cause.GONE
        if grant.single_use and self.used.setdefault(grant.handle, consumer) != consumer:
            return Cause.REPLAYED
        return self.kept[grant.handle]

    async def revoke(self, grant: Grant) -> None:
        self._ask()
        self.revoked.add(grant.handle)


@dataclass
class Brands:
    """Permissions of one user of one organisation."""

    permitted: frozenset[str] = frozenset({SOURCE, TARGET, "support"})
    suspended: bool = False
    away: bool = False
    tokens: list[str] = field(default_factory=list)

    async def may_use(self, token: str, brand: str) -> IssueCause:
        self.tokens.append(token)
        if self.away:
            raise Unavailable("tenancy")
        if self.suspended:
            return IssueCause.ORGANISATION_SUSPENDED
        return IssueCause.NONE if brand in self.permitted else IssueCause.NOT_PERMITTED


class Desk:
    """One exchange and everything around it."""

    def __init__(self, keys: Keys | None = None) -> None:
        self.keys = keys or Keys()
        self.clock = HandClock()
        self.bodies = MemoryBodies()
        self.brands = Brands()
        self.signer = KeySigner(self.keys)
        self.sealer = KekSealer(self.keys)
        terms = Terms(ISSUER, DOMAIN, 900, ("chat", "decisions.explain"))
        self.exchange = Exchange(
            terms,
            store=self.bodies,
            sealer=self.sealer,
            signer=self.signer,
            permissions=self.brands,
            clock=self.clock,
        )

    async def issue(
        self, target: str = TARGET, seconds: float | None = None, *, single_use: bool = False, **caller: Any
    ) -> Issued:
        return await self.exchange.issue(
            Asked(caller_of(**caller), "txn-token", "backend/shop", target, BODY, seconds, single_use)
        )

    async def token(self, **how: Any) -> str:
        issued = await self.issue(**how)
        assert issued.cause is IssueCause.NONE
        return issued.token

    async def redeem(self, token: str, brand: str = TARGET, consumer: str = "backend/billing") -> Redeemed:
        return await self.exchange.redeem(token, consumer, brand)


def caller_of(**changes: Any) -> Caller:
    values: dict[str, Any] = {
        "organisation": ORG,
        "subject": USER,
        "brand": SOURCE,
        "txn": "txn-1",
        "workload": "backend/shop",
        "org_mac": "mac",
        "expires_at": 1_800_000_060,
        "credential_id": "key_" + "0" * 22,
        "scopes": frozenset({"chat", "keys.manage"}),
        "epochs": Epochs(3, 1, 2, 4),
    }
    return Caller(**{**values, **changes})


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified."""
    header, claims, _ = token.split(".")
    return _json(header), _json(claims)


def signed(header: Mapping[str, Any] | str, claims: Mapping[str, Any] | str, pem: bytes = SIGNING) -> str:
    """A compact JWS over any header and claims, RS256 whatever the header says."""
    text = f"{encode(_text(header))}.{encode(_text(claims))}"
    key = load_pem_private_key(pem, None)
    assert isinstance(key, RSAPrivateKey)
    return f"{text}.{encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def altered(token: str, **changes: Any) -> str:
    """The same token with other claims, signed as well as the real one; a claim of None is left out."""
    header, claims = parts_of(token)
    merged = {**claims, **changes}
    return signed(header, {name: value for name, value in merged.items() if value is not None})


def encode(data: bytes | str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def audience_of(brand: str, organisation: str = ORG) -> str:
    return audience(brand, organisation, DOMAIN)


def _text(value: Mapping[str, Any] | str) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _json(segment: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return value
