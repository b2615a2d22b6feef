"""Who may hand context over, and which token may be redeemed where."""

from __future__ import annotations

import math
from collections.abc import Iterable

from services.context_token.policy.causes import Cause, IssueCause
from services.context_token.policy.model import Grant, audience, brand_of
from services.kit.caller import Caller

MOST_SECONDS = 900
# How far the clock of the process that issued a token may be ahead of ours. None at the other end: a token that has
# expired anywhere has expired here.
LEEWAY_SECONDS = 5
CREDENTIAL_PREFIX = "ctx_"


def may_issue(caller: Caller, target_brand: str) -> IssueCause:
    """Whether it makes sense to ask for permission at all.

    Not to the brand one is on: that would only turn a token of a minute into a credential of a quarter of an hour.
    Not with a context token for a credential: its holder could renew it for ever.
    """
    if not caller.brand:
        return IssueCause.NOT_PERMITTED
    if caller.brand == target_brand:
        return IssueCause.OWN_BRAND
    if caller.credential_id.startswith(CREDENTIAL_PREFIX):
        return IssueCause.HANDED_OVER
    return IssueCause.NONE


def scopes_handed_on(own: frozenset[str], most: Iterable[str]) -> frozenset[str]:
    """Never wider than the issuer's, and never what administers: a hand-over carries a conversation, not an office."""
    return own & frozenset(most)


def life(now: float, asked: float | None, most: int) -> tuple[int, int]:
    """Issued at, expires at: whole seconds, never more than `most` apart."""
    issued_at = int(now)
    seconds = most if asked is None else min(asked, most)
    return issued_at, min(math.ceil(now + seconds), issued_at + most)


def decide(grant: Grant, *, issuer: str, trust_domain: str, presented_to: str, now: float) -> Cause:
    """Whether a grant whose signature is good counts for this brand now (empty: for its own target)."""
    if grant.issuer != issuer:
        return Cause.ISSUER
    target = brand_of(grant, trust_domain)
    if not target or target == grant.source_brand:
        return Cause.AUDIENCE
    if grant.audience != audience(presented_to or target, grant.organisation, trust_domain):
        return Cause.AUDIENCE
    if not 0 < grant.expires_at - grant.issued_at <= MOST_SECONDS:
        return Cause.LIFETIME
    if max(grant.issued_at, grant.not_before) > now + LEEWAY_SECONDS:
        return Cause.NOT_YET_VALID
    if grant.expires_at <= now:
        return Cause.EXPIRED
    return Cause.NONE
