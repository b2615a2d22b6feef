"""Verifies a context token: the service that issued it redeems it, and everything it stood on must still stand."""

from __future__ import annotations

from services.auth.flows.api_keys import BrandOf
from services.auth.flows.epochs import EpochBook
from services.auth.policy import epochs, scopes
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Marks
from services.auth.policy.identity import Presented, Verified
from services.auth.ports import ContextTokens, Handover
from services.kit import epochs as naming
from services.kit.epochs import Grounds

PREFIX = "ctx_"


class ContextTokenVerifier:
    """Redeemed first, because only a redeemed token says whose epochs count."""

    def __init__(self, tokens: ContextTokens, book: EpochBook) -> None:
        self._tokens = tokens
        self._book = book

    async def verify(self, presented: Presented, brand_of: BrandOf) -> tuple[Verified, Marks] | Cause:  # noqa: ARG002
        """The handed-over identity, for the target brand. The epochs of user, organisation, source brand and key are
        those of the issue, or it is refused; nothing may have happened to the target brand since."""
        found = await self._tokens.redeem(presented)
        if found is None:
            return Cause.CONTEXT_REFUSED
        target = naming.brand(found.brand)
        grounds = Grounds(found.subject, found.source_brand, found.key_id, found.session_id, found.origin_token_id)
        names = [*grounds.names(), target]
        marks = await self._book.read(found.organisation, names)
        if epochs.snapshot(marks, grounds) != found.epochs:
            return Cause.EPOCH_OVERTAKEN
        if epochs.overtaken(found.issued_at, {target: marks[target]}):
            return Cause.EPOCH_OVERTAKEN
        return _verified(found), marks


def _verified(found: Handover) -> Verified:
    """The credential is the token itself, not the key it was issued with: that key's limits are not its own."""
    return Verified(
        organisation=found.organisation,
        subject=found.subject,
        brand=found.brand,
        credential_id=PREFIX + found.token_id,
        scopes=frozenset(scope for scope in found.scopes if scopes.may_hold(scope)),
        issued_at=found.issued_at,
        context=found.context,
    )
