"""Who is asking, and may they? What a service asks before it handles a call of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from hauberk_client import tracing
from hauberk_client.calls import Undecided, ask
from hauberk_client.client import Propagate
from hauberk_client.connection import Connection

TOKEN_KEY = "txn-token"  # noqa: S105 - the name of a header


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was proven to ask. `token` proves it to Hauberk's services for a minute; keep it to yourself."""

    organisation: str
    brand: str
    subject: str
    plan: str
    scopes: frozenset[str]
    txn: str
    token: str = field(repr=False)


class NotAuthenticated(Exception):
    """No caller was proven; why is nobody's business outside."""


class NotPermitted(Exception):
    """The caller was proven, and may not do this (or there is no such thing: one answer)."""


_caller: ContextVar[Caller] = ContextVar("hauberk_caller")


def current_caller() -> Caller:
    """The caller of the request that is handled; raises NotAuthenticated where no guard let it in."""
    caller = _caller.get(None)
    if caller is None:
        raise NotAuthenticated
    return caller


@contextmanager
def let_in(caller: Caller) -> Iterator[None]:
    """What runs within is handled for this caller."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        with suppress(ValueError):  # a stream that was dropped is closed by another task
            _caller.reset(token)


class Guard:
    """Asks auth, and tenancy where an action is named. What cannot be asked is Undecided, and never let in."""

    def __init__(
        self,
        connection: Connection,
        *,
        brand: str = "",
        deadline: float = 2.0,
        propagate: Propagate = tracing.headers,
    ) -> None:
        """`brand`: the one that this service is for; empty = the credential's own."""
        self._connection = connection
        self._brand = brand
        self._deadline = deadline
        self._propagate = propagate

    async def authenticate(
        self, credential: auth.Credential | None, *, client_address: str = "", origin: str = ""
    ) -> Caller:
        """The proven caller; raises NotAuthenticated for every other answer than ALLOW, or Undecided."""
        if credential is None:
            raise NotAuthenticated
        request = auth.AuthenticateRequest(
            credential=credential, brand=self._brand, client_address=_address(client_address), origin=origin
        )
        stub = AuthServiceStub(self._connection.channel("auth"))
        answer = await self._ask(stub.Authenticate, request, NotAuthenticated)
        if answer.outcome != common.OUTCOME_ALLOW or not answer.txn_token or not answer.principal.subject:
            raise NotAuthenticated
        who = answer.principal
        return Caller(
            organisation=who.organisation,
            brand=who.brand,
            subject=who.subject,
            plan=who.plan,
            scopes=frozenset(who.scopes),
            txn=answer.txn,
            token=answer.txn_token,
        )

    async def authorize(self, caller: Caller, action: str, resource: tuple[str, str]) -> None:
        """Returns when the caller may do this on (type, id); raises NotPermitted or Undecided."""
        kind, name = resource
        request = tenancy.AuthorizeRequest(action=action, resource=tenancy.Resource(type=kind, id=name))
        stub = TenancyServiceStub(self._connection.channel("tenancy"))
        answer = await self._ask(stub.Authorize, request, NotPermitted, {TOKEN_KEY: caller.token})
        if answer.outcome != common.OUTCOME_ALLOW:
            raise NotPermitted

    async def _ask(
        self, method: Any, request: Any, refusal: type[Exception], metadata: Mapping[str, str] | None = None
    ) -> Any:
        try:
            carried = {**self._propagate(), **(metadata or {})}
            return await ask(method, request, timeout=self._deadline, metadata=carried)
        except Undecided as error:
            # What was asked about comes from outside: a name that no contract takes is nobody's outage.
            if error.code in ("INVALID_ARGUMENT", "NOT_FOUND"):
                raise refusal from None
            raise


def _address(text: str) -> str:
    """An address that the contract takes; empty for a socket path, a test client's name and the like."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
