"""Who calls: the workload proven by mTLS, and the caller proven by the transaction token.

Handlers read these from the current call; no request field can set them.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.kit.errors import Unauthenticated

if TYPE_CHECKING:
    from services.kit.call import Call

current: ContextVar[Call | None] = ContextVar("hauberk_call", default=None)


@dataclass(frozen=True, slots=True)
class Workload:
    """A process with a certificate: `name` is the path of its SPIFFE id, e.g. `backend/shop`."""

    trust_domain: str
    name: str

    @property
    def kind(self) -> str:
        """First path segment, what the access matrix speaks of."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Epochs:
    """Revocation counters at the time of minting; a token with a lower one than the store's is refused."""

    user: int = 0
    organisation: int = 0
    brand: int = 0
    key: int = 0
    session: int = 0
    token: int = 0


@dataclass(frozen=True, slots=True)
class Authentication:
    """How the user proved to be the user: the issuer's assurance class, RFC 8176 methods, when (unix s; 0 = unsaid).

    Facts for policies that demand a step-up; only what a credential's issuer asserted, so empty for API keys.
    """

    acr: str = ""
    amr: tuple[str, ...] = ()
    auth_time: int = 0


UNSAID = Authentication()


@dataclass(frozen=True, slots=True)
class KeyLimit:
    """A limit of an API key's own: at most `amount` of a unit (`requests`, `tokens`, `micro_usd`) in `seconds`."""

    unit: str
    amount: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Caller:
    """A proven caller. Every field comes from a verified transaction token (times are unix seconds).

    `credential_ends_at` is the end that a user's token of an issuer has; 0 = unsaid.
    """

    organisation: str
    subject: str
    brand: str
    txn: str
    workload: str
    org_mac: str
    expires_at: int
    credential_id: str = ""
    session_id: str = ""
    token_id: str = ""
    scopes: frozenset[str] = frozenset()
    epochs: Epochs = Epochs()
    plan: str = ""
    zone: str = "UTC"
    account_created: int = 0
    actor: str = ""
    authentication: Authentication = UNSAID
    limits: tuple[KeyLimit, ...] = ()
    credential_ends_at: int = 0


def current_call() -> Call:
    """The call being served; outside of one there is no caller."""
    call = current.get()
    if call is None:
        raise Unauthenticated
    return call


def current_caller() -> Caller:
    """The caller proven by the transaction token; raises Unauthenticated when the RPC carries none."""
    caller = current_call().caller
    if caller is None:
        raise Unauthenticated
    return caller


def current_workload() -> Workload:
    """The workload proven by its certificate; raises Unauthenticated when there is none."""
    workload = current_call().workload
    if workload is None:
        raise Unauthenticated
    return workload
