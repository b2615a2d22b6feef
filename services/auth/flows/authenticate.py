"""From a presented credential to a transaction token."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from services.auth.flows.api_keys import BrandOf
from services.auth.flows.epochs import EpochBook
from services.auth.flows.memberships import Memberships
from services.auth.flows.minting import Minted, Minter
from services.auth.policy import epochs, sessions
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Marks
from services.auth.policy.identity import Circumstances, Membership, Presented, Verified, select_brand
from services.kit import epochs as naming
from services.kit.caller import Caller
from services.kit.epochs import Grounds
from services.kit.logs import logger
from services.kit.permissions import Answer, Permissions, Question

CHAT = "chat.send"


class Kind(Enum):
    """What kind of credential is presented."""

    API_KEY = "api_key"
    JWT = "jwt"
    SESSION = "session"
    CONTEXT_TOKEN = "context_token"  # noqa: S105 - a kind, not a token


class Verifier(Protocol):
    """Verifies one kind of credential. Raises Unavailable when it cannot be decided."""

    async def verify(self, presented: Presented, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:
        """Who it proves, with the epochs read; or why not."""
        ...


def _no_challenge(_organisation: str, _brand: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to authenticate. `workload` is who will use the token."""

    kind: Kind
    presented: str
    brand: str
    workload: str
    txn: str
    circumstances: Circumstances
    # The provider of a verified challenge of this organisation's brand; empty when there is none.
    challenge_of: Callable[[str, str], str] = _no_challenge


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The decision; `minted` is there exactly when the cause is NONE; `context` is what a context token carried."""

    cause: Cause
    txn: str
    minted: Minted | None = None
    context: bytes = field(default=b"", repr=False)
    challenge: str = ""


class Authenticator:
    """Credential, epochs, membership, token."""

    def __init__(
        self,
        verifiers: dict[Kind, Verifier],
        book: EpochBook,
        memberships: Memberships,
        minter: Minter,
        permissions: Permissions,
    ) -> None:
        self._verifiers = verifiers
        self._book = book
        self._memberships = memberships
        self._minter = minter
        self._permissions = permissions

    async def authenticate(self, asked: Asked) -> Authenticated:
        """Raises Unavailable when a store, the issuer's keys or tenancy cannot be asked; nobody is let in then."""
        txn = asked.txn or secrets.token_hex(16)
        verifier = self._verifiers.get(asked.kind)
        if verifier is None:
            return _refused(asked, txn, Cause.KIND_NOT_SERVED)

        def brand_of(organisation: str, subject: str, bound: str) -> str:
            chosen = select_brand(bound, asked.brand)
            return self._memberships.expected_brand(organisation, subject, chosen or bound)

        presented = Presented(asked.presented, asked.workload, asked.brand, asked.circumstances.client_address)
        found = await verifier.verify(presented, brand_of)
        if isinstance(found, Cause):
            return _refused(asked, txn, found)
        verified, marks = found
        if epochs.held(marks):
            return _refused(asked, txn, Cause.HELD)
        brand = select_brand(verified.brand, asked.brand)
        if brand is None:
            return _refused(asked, txn, Cause.WRONG_BRAND)
        membership = await self._memberships.resolve(
            verified.organisation, verified.subject, brand, max(mark.raised_at for mark in marks.values())
        )
        if membership.cause is not Cause.NONE:
            return _refused(asked, txn, membership.cause)
        if sessions.must_rotate(verified.roles, membership.roles):
            return _refused(asked, txn, Cause.SESSION_MUST_ROTATE)
        current = await self._with_brand(verified, membership.brand, marks)
        if current is None:
            return _refused(asked, txn, Cause.EPOCH_OVERTAKEN)
        caller = _caller(verified, membership, current, asked.workload, txn)
        challenge = asked.challenge_of(caller.organisation, caller.brand)
        minted = self._minter.mint(caller, replace(asked.circumstances, challenge=challenge))
        if asked.kind is Kind.CONTEXT_TOKEN:  # it brings words of another brand along: not for who may not chat here
            said = await self._permissions.ask(minted.token, [Question(CHAT, "Brand", caller.brand)])
            if said != [Answer.ALLOWED]:
                return _refused(asked, txn, Cause.NOT_PERMITTED)
        return Authenticated(Cause.NONE, txn, minted, verified.context, challenge)

    async def _with_brand(self, verified: Verified, brand: str, marks: Marks) -> Marks | None:
        """The marks with that of the brand, which tenancy may just have named; None when it was revoked since."""
        name = naming.brand(brand)
        if name in marks:
            return marks
        more = await self._book.read(verified.organisation, [name])
        return None if epochs.overtaken(verified.issued_at, more, verified.slack) else {**marks, **more}


def _caller(verified: Verified, membership: Membership, marks: Marks, workload: str, txn: str) -> Caller:
    grounds = Grounds(verified.subject, membership.brand, verified.key_id, verified.session_id, verified.token_id)
    return Caller(
        organisation=verified.organisation,
        subject=verified.subject,
        brand=membership.brand,
        txn=txn,
        workload=workload,
        org_mac="",
        expires_at=0,
        credential_id=verified.credential_id,
        scopes=verified.scopes,
        session_id=verified.session_id,
        token_id=verified.token_id,
        epochs=epochs.snapshot(marks, grounds),
        plan=membership.plan,
        zone=membership.zone,
        account_created=membership.account_created,
        authentication=verified.authentication,
        limits=verified.limits,
        credential_ends_at=math.floor(verified.ends_at),
    )


def _refused(asked: Asked, txn: str, cause: Cause) -> Authenticated:
    logger().info("auth.credential_refused", kind=asked.kind.value, cause=cause.value, txn=txn, workload=asked.workload)
    return Authenticated(cause, txn)
