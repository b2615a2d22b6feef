"""Issues, redeems and revokes: asks the ports, lets `policy` decide, knows neither gRPC nor Redis."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from services.context_token.policy import decide as rules
from services.context_token.policy import shape
from services.context_token.policy.causes import Cause, IssueCause
from services.context_token.policy.model import Grant, audience, brand_of, claims_of, grant_of
from services.context_token.ports import BodyStore, Permissions, Place, Sealed, Sealer, Signer
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.epochs import grounds_of
from services.kit.errors import NotFound
from services.kit.logs import logger

Heard = Callable[[Cause, str, Grant | None], Awaitable[None]]
"""Is told why a token was not redeemed, for which consumer, and what it says where that is proven."""
_ALPHABET = string.digits + string.ascii_letters


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every token of this deployment."""

    issuer: str
    trust_domain: str
    most_seconds: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to issue, by a proven caller. `seconds` None: as long as is allowed."""

    caller: Caller
    caller_token: str = field(repr=False)
    workload: str
    target_brand: str
    body: bytes = field(repr=False)
    seconds: float | None
    single_use: bool


@dataclass(frozen=True, slots=True)
class Issued:
    """The decision; `token` is there exactly when the cause is NONE."""

    cause: IssueCause
    token: str = field(default="", repr=False)
    expires_at: int = 0


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The decision; everything else is there exactly when the cause is NONE."""

    cause: Cause
    grant: Grant | None = None
    brand: str = ""
    body: bytes = field(default=b"", repr=False)


class Exchange:
    """The life of context tokens."""

    def __init__(
        self,
        terms: Terms,
        *,
        store: BodyStore,
        sealer: Sealer,
        signer: Signer,
        permissions: Permissions,
        clock: Clock,
        refused: Heard | None = None,
    ) -> None:
        """`refused` hears of every token that was presented and not redeemed."""
        self._heard = refused
        self._terms = terms
        self._store = store
        self._sealer = sealer
        self._signer = signer
        self._permissions = permissions
        self._clock = clock

    async def issue(self, asked: Asked) -> Issued:
        """Raises Unavailable when tenancy or the store does not answer; nothing is signed before both did."""
        cause = rules.may_issue(asked.caller, asked.target_brand)
        if cause is IssueCause.NONE:
            cause = await self._permissions.may_use(asked.caller_token, asked.target_brand)
        if cause is not IssueCause.NONE:
            return _not_issued(cause, asked)
        now = self._clock.now()
        grant = self._grant(asked, now)
        sealed = self._sealer.seal(_place(grant, asked.target_brand), asked.body)
        grant = replace(grant, digest=sealed.digest)
        if not await self._store.put(grant, sealed.record, grant.expires_at - now):
            return _not_issued(IssueCause.TOO_MANY, asked)
        return Issued(IssueCause.NONE, await self._signer.sign(claims_of(grant)), grant.expires_at)

    async def redeem(self, token: str, consumer: str, presented_to: str) -> Redeemed:
        """Raises Unavailable when the store does not answer."""
        cause, grant = self._verified(token, presented_to)
        if grant is None or cause is not Cause.NONE:
            return await self._refused(cause, consumer, grant)
        brand = brand_of(grant, self._terms.trust_domain)
        record = await self._store.take(grant, consumer)
        if isinstance(record, Cause):
            return await self._refused(record, consumer, grant)
        body = self._sealer.open(_place(grant, brand), Sealed(record, grant.digest))
        if body is None:
            return await self._refused(Cause.BODY_TAMPERED, consumer, grant)
        return Redeemed(Cause.NONE, grant, brand, body)

    async def revoke(self, token: str, caller: Caller) -> None:
        """Whoever of the organisation holds a token may end it; one that has ended stays so.

        Raises NotFound for what is no token of this organisation, Unavailable when the store does not answer.
        """
        cause, grant = self._verified(token, "")
        if cause is Cause.EXPIRED:
            return
        if grant is None or cause is not Cause.NONE or grant.organisation != caller.organisation:
            why = cause.value if cause is not Cause.NONE else "foreign"
            logger().info("context.revoke_refused", cause=why, organisation=caller.organisation, txn=caller.txn)
            raise NotFound("context token")
        await self._store.revoke(grant)
        logger().info("context.revoked", organisation=caller.organisation, txn=caller.txn)

    async def _refused(self, cause: Cause, consumer: str, grant: Grant | None) -> Redeemed:
        facts = {"organisation": grant.organisation, "txn": grant.txn} if grant else {}
        logger().info("context.redeem_refused", cause=cause.value, consumer=consumer, **facts)
        if self._heard is not None:
            await self._heard(cause, consumer, grant)
        return Redeemed(cause)

    def _verified(self, token: str, presented_to: str) -> tuple[Cause, Grant | None]:
        """The grant is there as soon as its signature is proven, also when it is refused."""
        candidate = shape.inspect(token)
        if isinstance(candidate, Cause):
            return candidate, None
        cause = self._signer.verify(token, candidate)
        if cause is not Cause.NONE:
            return cause, None
        grant = grant_of(candidate.claims)
        if grant is None:
            return Cause.CLAIMS, None
        cause = rules.decide(
            grant,
            issuer=self._terms.issuer,
            trust_domain=self._terms.trust_domain,
            presented_to=presented_to,
            now=self._clock.now(),
        )
        return cause, grant

    def _grant(self, asked: Asked, now: float) -> Grant:
        caller, terms = asked.caller, self._terms
        issued_at, expires_at = rules.life(now, asked.seconds, terms.most_seconds)
        grounds = grounds_of(caller)
        return Grant(
            issuer=terms.issuer,
            audience=audience(asked.target_brand, caller.organisation, terms.trust_domain),
            organisation=caller.organisation,
            subject=caller.subject,
            source_brand=caller.brand,
            scopes=rules.scopes_handed_on(caller.scopes, terms.scopes),
            issued_at=issued_at,
            not_before=issued_at,
            expires_at=expires_at,
            token_id="".join(secrets.choice(_ALPHABET) for _ in range(22)),  # 131 bits
            txn=caller.txn,
            workload=asked.workload,
            handle=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii").rstrip("="),
            digest="",
            epochs=caller.epochs,
            single_use=asked.single_use,
            key_id=grounds.key_id,
            session_id=grounds.session_id,
            origin_token_id=grounds.token_id,
        )


def _place(grant: Grant, brand: str) -> Place:
    return Place(grant.organisation, brand, grant.token_id, grant.expires_at)


def _not_issued(cause: IssueCause, asked: Asked) -> Issued:
    caller = asked.caller
    logger().info(
        "context.issue_refused",
        cause=cause.value,
        organisation=caller.organisation,
        brand=caller.brand,
        target=asked.target_brand,
        txn=caller.txn,
    )
    return Issued(cause)
