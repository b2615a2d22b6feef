"""A member was removed: what they hold is good nowhere a second later, and their issuer cannot help them back in."""

from __future__ import annotations

import time

import grpc
from hauberk.redaction.v1 import redaction_service_pb2 as redaction
from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hauberk.tenancy.v1.tenancy_service_pb2_grpc import TenancyServiceStub

from tests.support.backend import DEADLINE, Backend, fresh, said, status_of


async def test_a_removed_member_is_out_within_a_second(backend: Backend) -> None:
    name = fresh("leaver")
    credential = await backend.member(name)
    token, admission = await backend.proof(credential), await backend.admitted(credential)
    texts = RedactionServiceStub(backend.channel("redaction"))
    asked = redaction.DetectRequest(texts=["hello"])
    assert await status_of(texts.Detect(asked, timeout=DEADLINE, metadata=token)) is grpc.StatusCode.OK
    await TenancyServiceStub(backend.channel("tenancy")).RemoveMember(
        tenancy.RemoveMemberRequest(user=name), timeout=DEADLINE, metadata=await backend.administer()
    )
    removed = time.monotonic()
    # A token that the user's own issuer signs now is newer than the revocation: membership decides, and is asked anew.
    newer = await backend.authenticate(type(credential)(jwt=backend.stack.user_jwt(name)))
    assert newer.txn_token == ""
    while await status_of(texts.Detect(asked, timeout=DEADLINE, metadata=token)) is grpc.StatusCode.OK:
        assert time.monotonic() - removed < 1.0
    last = await status_of(texts.Detect(asked, timeout=DEADLINE, metadata=token))
    assert last is grpc.StatusCode.UNAUTHENTICATED
    assert said(await backend.complete(admission, "Hello.")) == "DENY ADMISSION_NOT_ACCEPTED"


async def test_an_old_token_does_not_come_back_with_its_user(backend: Backend) -> None:
    name = fresh("returner")
    old = await backend.proof(await backend.member(name))
    directory = TenancyServiceStub(backend.channel("tenancy"))
    await directory.RemoveMember(
        tenancy.RemoveMemberRequest(user=name), timeout=DEADLINE, metadata=await backend.administer()
    )
    await backend.member(name)
    texts, asked = RedactionServiceStub(backend.channel("redaction")), redaction.DetectRequest(texts=["hello"])
    assert await status_of(texts.Detect(asked, timeout=DEADLINE, metadata=old)) is grpc.StatusCode.UNAUTHENTICATED
