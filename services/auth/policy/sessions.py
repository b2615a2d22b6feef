"""Sessions: their shape, how long they live, and whether a kept session may be used now.

A session is `<prefix>s_<environment>_<43 base62><6 base62 CRC32>`: made as an API key is, and never taken for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.auth.policy import api_keys
from services.auth.policy.addresses import Network, allowed
from services.auth.policy.causes import Cause
from services.auth.policy.epochs import Marks
from services.kit import epochs as naming
from services.kit.caller import UNSAID, Authentication, Caller, KeyLimit

MARK = "s"
TOUCH_SECONDS = 60.0
_KEY, _JWT = "key_", "jwt_"
_SHAPE = {
    Cause.NONE: Cause.NONE,
    Cause.KEY_CHECKSUM: Cause.SESSION_CHECKSUM,
    Cause.KEY_WRONG_ENVIRONMENT: Cause.SESSION_WRONG_ENVIRONMENT,
}


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What a plan allows. With `outlive_token` a session does not end with the user's token that opened it."""

    life_seconds: int
    idle_seconds: int
    most_live: int
    outlive_token: bool = False


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What is kept of a session (times are unix seconds).

    `credential_id` and `token_id` are those of the credential that opened it; `epochs` are all that it stands on, by
    name and as they were then; `roles` are its user's at that moment. `key_ends_at` is the end of the API key that
    opened it, as it is now; None: no end, or no key.
    """

    session_id: str
    organisation: str
    subject: str
    brand: str
    scopes: frozenset[str]
    credential_id: str
    epochs: Mapping[str, int]
    created_at: float
    expires_at: float
    last_seen_at: float
    idle_seconds: int
    roles: frozenset[str] = frozenset()
    token_id: str = ""
    authentication: Authentication = UNSAID
    limits: tuple[KeyLimit, ...] = ()
    addresses: tuple[Network, ...] = ()
    network: str = ""
    agent: str = field(default="", repr=False)
    revoked_at: float | None = None
    rotated_to: str = ""
    key_ends_at: float | None = None


def compose(prefix: str, environment: str, secret: bytes) -> str:
    """The session made of 32 random bytes."""
    return api_keys.compose(prefix + MARK, environment, secret)


def inspect(text: str, prefix: str, environment: str) -> Cause:
    """NONE when the text has the shape of a session of this deployment; costs no lookup."""
    return _SHAPE.get(api_keys.inspect(text, prefix + MARK, environment), Cause.SESSION_MALFORMED)


def session_id(random: bytes) -> str:
    """The public id of a session: what lists, logs and audit know it by."""
    return "ses_" + api_keys.base62(int.from_bytes(random[: api_keys.ID_BYTES], "big"), api_keys.ID_LENGTH)


def decide(record: SessionRecord | None, marks: Marks, now: float) -> Cause:
    """Whether the session found (or not) by its digest may be used at `now`; every mark it stands on must be given."""
    if record is None:
        return Cause.SESSION_UNKNOWN
    if record.rotated_to:
        return Cause.SESSION_ROTATED
    if record.revoked_at is not None:
        return Cause.SESSION_REVOKED
    if record.expires_at <= now:
        return Cause.SESSION_EXPIRED
    if record.last_seen_at + record.idle_seconds <= now:
        return Cause.SESSION_IDLE
    if record.key_ends_at is not None and record.key_ends_at <= now:
        return Cause.SESSION_CREDENTIAL_ENDED
    # Compared as numbers, with those of the token that opened it: no clock decides what came first.
    if any(marks[name].epoch != epoch for name, epoch in record.epochs.items()):
        return Cause.EPOCH_OVERTAKEN
    return Cause.NONE


def decide_place(record: SessionRecord, address: str, brand: str) -> Cause:
    """Whether a good session may be used from here, for this brand (empty: its own). What the API key that opened it
    may not do, the session may not either."""
    if not allowed(record.addresses, address):
        return Cause.SESSION_ADDRESS
    return Cause.SESSION_WRONG_BRAND if brand and brand != record.brand else Cause.NONE


def must_rotate(remembered: frozenset[str] | None, roles: frozenset[str]) -> bool:
    """Whether the user can do more than when the session was opened. What was lost needs no rotation: permissions are
    read afresh on every request. None: not a session."""
    return remembered is not None and not roles <= remembered


def may_open(caller: Caller) -> bool:
    """Whether this caller's credential may open a session: an API key or a user's token of an issuer.

    A session that opens sessions would outlive its own end, its limit and its revocation; a context token is meant
    for one handover; and who acts for somebody holds no session of theirs.
    """
    own = caller.credential_id.startswith((_KEY, _JWT))
    return own and not caller.session_id and not caller.actor


def end_of(
    caller: Caller, limits: SessionLimits, asked: float | None, key_ends_at: float | None, now: float
) -> float | None:
    """The absolute end of a session opened now; None when its credential has no life left to give.

    Never beyond the plan, never beyond the API key; beyond a user's token only where the policy says so. A token whose
    end is not known has none to give.
    """
    ends = [now + limits.life_seconds]
    if asked is not None:
        ends.append(now + asked)
    if key_ends_at is not None:
        ends.append(key_ends_at)
    if not caller.credential_id.startswith(_KEY) and not limits.outlive_token:
        ends.append(float(caller.credential_ends_at))
    return min(ends) if min(ends) > now else None


def stands_on(caller: Caller, own_id: str) -> dict[str, int]:
    """The epochs of a new session: those of the token it is opened with, and its own."""
    return {**naming.grounds_of(caller).carried(caller.epochs), naming.session(own_id): 0}


def successor_stands_on(record: SessionRecord, own_id: str) -> dict[str, int]:
    """The same for the session that replaces `record`."""
    kept = {name: epoch for name, epoch in record.epochs.items() if name != naming.session(record.session_id)}
    return {**kept, naming.session(own_id): 0}


def touch_after(idle_seconds: int) -> float:
    """How much a session's last use may be behind in the store. It may end that much early, never late."""
    return min(TOUCH_SECONDS, idle_seconds / 10)
