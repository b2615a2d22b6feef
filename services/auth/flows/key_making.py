"""Makes API keys: checks what is wanted of them, draws them by lot, or takes over somebody else's by its hash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from services.auth.flows.memberships import Memberships
from services.auth.policy import addresses, api_keys, key_limits, scopes
from services.auth.policy.addresses import Network
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.causes import Cause
from services.auth.ports import NewKey, Pepper
from services.kit.caller import KeyLimit
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, InvalidArgument, Violation

UNKNOWN_LAST_FOUR = "****"


@dataclass(frozen=True, slots=True)
class Shape:
    """Prefix and environment of this deployment's keys; `imports` are the organisations that may bring other ones."""

    prefix: str
    environment: str
    imports: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to be made; `seconds` of None never expires, `not_before` of None is good at once."""

    subject: str
    brand: str
    scopes: tuple[str, ...]
    display_name: str = ""
    seconds: float | None = None
    not_before: float | None = None
    addresses: tuple[Network, ...] = ()
    limits: tuple[KeyLimit, ...] = ()


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key: the only time that its text exists here."""

    text: str
    record: KeyRecord
    old_ends_at: float = 0.0


class KeyMaker:
    """Makes what is then to be kept."""

    def __init__(self, memberships: Memberships, pepper: Pepper, clock: Clock, shape: Shape) -> None:
        self._memberships = memberships
        self._pepper = pepper
        self._clock = clock
        self._shape = shape

    def may_import(self, organisation: str) -> bool:
        """Whether keys of foreign make are accepted of this organisation."""
        return organisation in self._shape.imports

    def peppers(self) -> list[str]:
        """Versions of the pepper that are held, the active one first."""
        return [digest.pepper for digest in self._pepper.all_digests("")]

    async def require(self, organisation: str, wanted: Wanted, own: frozenset[str]) -> None:
        """Raises InvalidArgument or FailedPrecondition for a key that somebody with the scopes `own` cannot make."""
        require_grantable(wanted.scopes, own)
        place = key_limits.wrong(wanted.limits)
        if place is not None:
            raise InvalidArgument.of(f"limits[{place}]", "one limit per unit and window, small enough to be counted")
        ends_at = float("inf") if wanted.seconds is None else self._clock.now() + wanted.seconds
        if wanted.not_before is not None and wanted.not_before >= ends_at:
            raise InvalidArgument.of("not_before", "before the key expires")
        await self.require_member(organisation, wanted.subject, wanted.brand)

    async def require_member(self, organisation: str, subject: str, brand: str) -> None:
        """Raises FailedPrecondition for who is none."""
        membership = await self._memberships.resolve(organisation, subject, brand)
        if membership.cause is not Cause.NONE:
            raise FailedPrecondition("NOT_A_MEMBER", "the subject is not a member of the organisation and brand")

    def make(self, organisation: str, wanted: Wanted, created_by: str) -> tuple[str, NewKey]:
        """A key of ours: its text and what is kept of it."""
        text = api_keys.compose(self._shape.prefix, self._shape.environment, secrets.token_bytes(api_keys.SECRET_BYTES))
        record = self._record(organisation, wanted, text[-4:], imported=False)
        return text, NewKey(record, self._pepper.digest(text), created_by)

    def take_over(self, organisation: str, wanted: Wanted, sha256: bytes, last_four: str, created_by: str) -> NewKey:
        """A key that was made elsewhere. Only the pepper's digest of its hash is kept: a copy of the database does not
        even hold the hash, against which a weak key could be guessed."""
        record = self._record(organisation, wanted, last_four or UNKNOWN_LAST_FOUR, imported=True)
        return NewKey(record, self._pepper.digest(api_keys.imported_form(sha256)), created_by)

    def _record(self, organisation: str, wanted: Wanted, last_four: str, *, imported: bool) -> KeyRecord:
        now = self._clock.now()
        return KeyRecord(
            key_id=api_keys.key_id(secrets.token_bytes(api_keys.ID_BYTES)),
            organisation=organisation,
            subject=wanted.subject,
            brand=wanted.brand,
            scopes=frozenset(wanted.scopes),
            last_four=last_four,
            created_at=now,
            display_name=wanted.display_name,
            expires_at=None if wanted.seconds is None else now + wanted.seconds,
            not_before=wanted.not_before,
            addresses=wanted.addresses,
            limits=wanted.limits,
            imported=imported,
        )


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of a request; raises InvalidArgument naming the first text that is none."""
    found = addresses.networks(texts)
    if isinstance(found, int):
        raise InvalidArgument.of(
            f"allowed_addresses[{found}]", "a network like 192.0.2.0/24, no bits beyond its prefix"
        )
    return found


def require_grantable(wanted: Sequence[str], own: frozenset[str]) -> None:
    """Raises InvalidArgument naming each scope that is not in `own`, or that no user may hold."""
    refused = scopes.not_grantable(wanted, own)
    if refused:
        places = [index for index, scope in enumerate(wanted) if scope in refused]
        raise InvalidArgument(
            *(Violation(f"scopes[{index}]", "not a scope that the caller can grant") for index in places)
        )
