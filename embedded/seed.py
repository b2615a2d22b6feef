"""The first organisations of a development stack, made through the operator's own RPCs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from grpc import aio
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1 import auth_service_pb2_grpc as auth_grpc
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1 import tenancy_service_pb2_grpc as tenancy_grpc

from services.kit.keys import write_private

if TYPE_CHECKING:
    from embedded.stack import Stack

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Organisation:
    """What a development stack begins with."""

    organisation: str
    display_name: str
    plan: str
    brand: str
    admin: str


ORGANISATIONS = (
    Organisation("acme", "Acme", "pro", "acme-chat", "ada"),
    Organisation("globex", "Globex", "free", "globex-chat", "gus"),
)


async def ensure(stack: Stack) -> bool:
    """Makes what is missing; True when the first organisation was made now."""
    made = [await _ensure_one(stack, organisation) for organisation in ORGANISATIONS]
    return made[0]


async def _ensure_one(stack: Stack, wanted: Organisation) -> bool:
    directory = tenancy_grpc.TenancyServiceStub(stack.inprocess("tenancy", OPERATOR))
    request = tenancy.CreateOrganisationRequest(
        organisation=wanted.organisation,
        display_name=wanted.display_name,
        plan=wanted.plan,
        first_brand=wanted.brand,
        first_admin=wanted.admin,
    )
    created = True
    try:
        await directory.CreateOrganisation(request, timeout=5)
    except aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise
        created = False
    path = stack.layout.api_key_file(wanted.organisation)
    if not path.exists():
        await _first_key(stack, wanted)
    return created


async def _first_key(stack: Stack, wanted: Organisation) -> None:
    issuing = auth_grpc.AuthServiceStub(stack.inprocess("auth", OPERATOR))
    request = auth.BootstrapApiKeyRequest(organisation=wanted.organisation, subject=wanted.admin, brand=wanted.brand)
    answer = await issuing.BootstrapApiKey(request, timeout=5)
    write_private(stack.layout.api_key_file(wanted.organisation), answer.api_key.encode())
