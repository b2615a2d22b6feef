"""The facts that tenancy decides on, and its answers. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

OWNER_ROLE = "owner"


class Status(Enum):
    """Lifecycle of an organisation. Whatever is not ACTIVE is refused."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Cause(Enum):
    """Why something was decided."""

    NONE = "none"
    ORGANISATION_SUSPENDED = "organisation_suspended"
    NOT_PERMITTED = "not_permitted"
    STEP_UP_REQUIRED = "step_up_required"
    POLICY_ERROR = "policy_error"


@dataclass(frozen=True, slots=True)
class Organisation:
    """Lifecycle facts; times are unix seconds, `etag` is another one after each change."""

    organisation: str
    display_name: str
    plan: str
    status: Status
    created_at: float
    changed_at: float = 0.0
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand of an organisation; `zone` is an IANA name."""

    brand: str
    display_name: str
    zone: str
    created_at: float = 0.0
    changed_at: float = 0.0
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A membership. `all_brands` is explicit: an empty `brands` alone never means "all"."""

    user: str
    roles: tuple[str, ...]
    brands: frozenset[str]
    all_brands: bool
    joined_at: float = 0.0
    display_name: str = ""
    suspended: bool = False
    changed_at: float = 0.0
    etag: str = ""

    def may_use(self, brand: str) -> bool:
        """Whether the membership reaches a brand that exists."""
        return self.all_brands or brand in self.brands


@dataclass(frozen=True, slots=True)
class Pointers:
    """Which of its own policy versions an organisation has in force, and which one is tried beside it; 0 = none.
    `revision` grows with each change, so that of two such facts the newer one is known."""

    active: int = 0
    candidate: int = 0
    revision: int = 0


DEFAULTS_ONLY = Pointers()


@dataclass(frozen=True, slots=True)
class Standing:
    """What the store knows of a caller in its own organisation; `member` is None for a stranger, and for a member who
    is suspended: nothing tells the two apart."""

    organisation: str
    plan: str
    status: Status
    member: Member | None
    policies: Pointers = DEFAULTS_ONLY


LONG_AGO = 10**12
"""The age of an authentication that nobody vouched for: older than any policy accepts."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a policy may know of a call beside who asks for what. `age` is seconds since the user authenticated."""

    scopes: frozenset[str] = frozenset()
    brand: str = ""
    zone: str = "UTC"
    plan: str = ""
    actor: str = ""
    acr: str = ""
    amr: tuple[str, ...] = ()
    age: int = LONG_AGO

    @classmethod
    def of(cls, given: Circumstances | Iterable[str]) -> Circumstances:
        """Scopes alone are circumstances of which nothing else is known."""
        return given if isinstance(given, Circumstances) else cls(frozenset(given))


@dataclass(frozen=True, slots=True)
class Resource:
    """What an action is on, as resolved by an owner of that type; never as a request describes it.

    `owner` (a user), `brand` and `labels` are facts of everything but organisations and brands; empty = none."""

    type: str
    id: str
    organisation: str
    owner: str = ""
    brand: str = ""
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer. `policies` are the ids of the policies that decided it."""

    allowed: bool
    cause: Cause
    policies: tuple[str, ...] = ()


def deny(cause: Cause, policies: tuple[str, ...] = ()) -> Decision:
    """A refusal."""
    return Decision(allowed=False, cause=cause, policies=policies)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Answer of ResolvePrincipal; the fields say something only when `decision.allowed`."""

    decision: Decision
    brand: str = ""
    zone: str = ""
    plan: str = ""
    joined_at: float = 0.0
    roles: tuple[str, ...] = ()
