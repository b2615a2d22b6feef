"""A member who was suspended goes on with what they hold. When that ends, they have it back: nothing was revoked."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from hauberk.common.v1 import decision_pb2 as common
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, allowed, by_key, fresh
from tests.support.sessions import credential, opened
from tests.support.waiting import eventually


async def test_nothing_of_theirs_is_good_until_it_ends(target: Stack, backend: Backend) -> None:
    stub, name = TenancyServiceStub(backend.channel("tenancy")), fresh("user")
    jwt = await backend.member(name)
    token, session = await backend.proof(jwt, target.brand), await opened(backend, jwt)
    wanted = auth.CreateApiKeyRequest(subject=name, brand=target.brand, scopes=["chat"])
    keys = AuthServiceStub(backend.channel("auth"))
    key = await keys.CreateApiKey(wanted, timeout=DEADLINE, metadata=await backend.administer())
    held = (jwt, credential(session.session), by_key(key.api_key))
    question = tenancy.AuthorizeRequest(action="chat.send", resource=tenancy.Resource(type="Brand", id=target.brand))

    async def suspend(*, on: bool) -> None:
        request = tenancy.UpdateMemberRequest(user=name, suspended=on, update_mask=FieldMask(paths=["suspended"]))
        await stub.UpdateMember(request, timeout=DEADLINE, metadata=await backend.administer())

    async def good() -> list[bool]:
        return [allowed(await backend.admit(one)) for one in held]

    assert (await stub.Authorize(question, timeout=DEADLINE, metadata=token)).outcome == common.OUTCOME_ALLOW
    assert await good() == [True] * 3
    await suspend(on=True)
    # At once, with a token of a moment ago; and no credential leads to another decision by any way.
    assert (await stub.Authorize(question, timeout=DEADLINE, metadata=token)).outcome == common.OUTCOME_DENY
    assert await good() == [False] * 3

    async def no_token() -> bool:  # auth remembers a membership for a few seconds
        return not any([(await backend.authenticate(one, target.brand)).txn_token for one in held])

    assert await eventually(no_token)
    await suspend(on=False)

    async def all_good() -> bool:
        return await good() == [True] * 3

    assert await eventually(all_good)
