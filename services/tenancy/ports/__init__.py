"""What tenancy needs from the outside.

Every method raises `services.kit.errors.Unavailable` when the store does not answer in time, and then has changed
nothing. A method with a `Caller` sees and changes rows of that caller's organisation only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from services.kit.caller import Caller
from services.tenancy.policy import Brand, Organisation, Standing, Status


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a caller, and which of the brands asked for exist in its organisation."""

    standing: Standing | None
    brands: frozenset[str]


class FactsReader(Protocol):
    """Answers from memory when it may; never from facts older than it promises."""

    async def facts(self, caller: Caller, brands: Collection[str] = ()) -> Facts:
        """One store call or none. A stranger, an unknown brand and a foreign brand cost the same."""
        ...

    def forget(self, organisation: str) -> None:
        """The next question about this organisation is asked of the store. Never fails."""
        ...


class TenancyStore(Protocol):
    """The organisation of a caller."""

    async def facts(self, caller: Caller, brands: Collection[str] = ()) -> Facts:
        """One store call, whatever exists."""
        ...

    async def principal(self, caller: Caller, brand: str) -> tuple[Standing | None, Brand | None]:
        """The caller's standing, and the brand: the one asked for, or the first that the membership reaches.
        One store call, whatever exists."""
        ...


class Leavers(Protocol):
    """Who is told that somebody is no member any more, so that nothing issued to them stays good."""

    async def ended(self, token: str, user: str) -> None:
        """Everything issued to the user so far is revoked when this returns; `token` is of whoever removed them.

        Safe to repeat. Raises Unavailable or DeadlineExceeded: the member is gone, the revocation is to be asked again.
        """
        ...

    async def brand_ended(self, token: str, brand: str) -> None:
        """The same for everything that was issued for a brand."""
        ...


class Lifecycle(Protocol):
    """What an operator may do: lifecycle, never tenant data."""

    async def create(
        self, organisation: str, display_name: str, plan: str, first_brand: str, first_admin: str, request_id: str
    ) -> Organisation | None:
        """The new organisation with a first brand and a first owner, or the one that the same request made; None when
        the name is taken."""
        ...

    async def get(self, organisation: str) -> Organisation | None:
        """Its facts; None when there is none."""
        ...

    async def list(self, after: str, limit: int) -> tuple[Organisation, ...]:
        """Up to `limit` by id, past `after`."""
        ...

    async def update(
        self, organisation: str, name: str | None, plan: str | None, status: Status | None, etag: str
    ) -> Organisation | None:
        """Changes what is given; None when there is none. Aborted when `etag` is neither "" nor the one it has."""
        ...


class Use(Enum):
    """What an organisation does with a version of its own policies."""

    KEPT = "kept"
    ENFORCED = "enforced"
    TRIED = "tried"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version of an organisation's own policies, without its text; number 0 is none."""

    number: int
    policies: int = 0
    digest: str = ""
    created_at: float = 0.0
    use: Use = Use.KEPT


@dataclass(frozen=True, slots=True)
class PolicyText:
    """What a version is written and read as: its source, and its policies one by one for the schema `language`."""

    source: str
    compiled: str
    language: str
    digest: str
    policies: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How often a tried version would have answered a kind of question otherwise."""

    action: str
    resource_type: str
    asked: int
    would_refuse: int
    would_allow: int


class PolicyStore(Protocol):
    """The policies that an organisation wrote. `etag` empty = no precondition; else FailedPrecondition when the
    state has another by now. Nothing is changed by a method that raises."""

    async def add(self, caller: Caller, text: PolicyText, use: Use, etag: str) -> tuple[PolicyVersion, str]:
        """The new version, and the etag now. FailedPrecondition when too many are kept."""
        ...

    async def load(self, caller: Caller, number: int) -> PolicyText | None:
        """A version to evaluate; None when there is none."""
        ...

    async def read(self, caller: Caller, number: int) -> tuple[PolicyVersion, str] | None:
        """A version and its source, 0 = the one in force; None when there is none."""
        ...

    async def versions(self, caller: Caller, before: int, limit: int) -> tuple[tuple[PolicyVersion, ...], str]:
        """Up to `limit` versions below `before`, the newest first (0 = from the newest), and the etag."""
        ...

    async def use(self, caller: Caller, number: int, use: Use, etag: str) -> tuple[PolicyVersion, str]:
        """Puts a version in force or tries it; 0 = none. NotFound when there is no such version."""
        ...

    async def delete(self, caller: Caller, number: int) -> bool:
        """False when there was none; FailedPrecondition when it is in force or tried."""
        ...

    async def count(self, caller: Caller, number: int, differences: Collection[Difference]) -> None:
        """Adds to what was counted of a version; nothing when it is gone."""
        ...

    async def differences(self, caller: Caller, number: int) -> tuple[Difference, ...] | None:
        """What was counted; None when there is no such version."""
        ...
