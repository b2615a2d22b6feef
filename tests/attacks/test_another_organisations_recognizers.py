"""Recognizers of one organisation: another one neither sees them, nor changes them, nor feels them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub

from embedded.stack import Stack
from tests.support.backend import DEADLINE, Backend, Metadata, fresh, status_of

NAME = "BADGE"
RECOGNIZER = pb.Recognizer(entity=NAME, pattern=r"\bQX-[0-9]{5}\b", score=0.9)
TEXT = "badge QX-12345 and <BADGE>"


@pytest_asyncio.fixture(loop_scope="session")
async def theirs(target: Stack, backend: Backend) -> AsyncIterator[Metadata]:
    """The other organisation, which has a recognizer."""
    own = await backend.administer(target.other)
    stub = RedactionServiceStub(backend.channel("redaction"))
    await stub.PutRecognizer(pb.PutRecognizerRequest(recognizer=RECOGNIZER), timeout=DEADLINE, metadata=own)
    yield own
    await stub.DeleteRecognizer(pb.DeleteRecognizerRequest(entity=NAME), timeout=DEADLINE, metadata=own)


async def redacted(stub: Any, own: Metadata) -> pb.RedactResponse:
    request = pb.RedactRequest(conversation=fresh("talk"), texts=[TEXT])
    answer: pb.RedactResponse = await stub.Redact(request, timeout=DEADLINE, metadata=own)
    return answer


async def test_it_is_in_force_for_its_owner_alone(backend: Backend, theirs: Metadata) -> None:
    stub, mine = RedactionServiceStub(backend.channel("redaction")), await backend.administer()
    owned = await redacted(stub, theirs)
    assert owned.texts[0].text == "badge <BADGE> and <LITERAL>"
    assert "+" in owned.policy_version
    other = await redacted(stub, mine)
    assert other.texts[0].text == TEXT, "neither the pattern nor the name means anything here"
    assert (other.lookalikes, list(other.texts[0].findings)) == (0, [])


async def test_it_is_neither_seen_nor_changed(backend: Backend, theirs: Metadata) -> None:
    stub, mine = RedactionServiceStub(backend.channel("redaction")), await backend.administer()
    listed = await stub.ListRecognizers(pb.ListRecognizersRequest(), timeout=DEADLINE, metadata=mine)
    assert NAME not in {one.entity for one in listed.recognizers}
    gone = await stub.DeleteRecognizer(pb.DeleteRecognizerRequest(entity=NAME), timeout=DEADLINE, metadata=mine)
    assert not gone.existed
    kept = await stub.ListRecognizers(pb.ListRecognizersRequest(), timeout=DEADLINE, metadata=theirs)
    assert NAME in {one.entity for one in kept.recognizers}


async def test_asking_for_its_type_says_what_asking_for_no_type_says(backend: Backend, theirs: Metadata) -> None:
    stub, mine = RedactionServiceStub(backend.channel("redaction")), await backend.administer()
    said = []
    for name in (NAME, "NO_SUCH_TYPE"):
        call = stub.Detect(pb.DetectRequest(texts=["x"], also=[name]), timeout=DEADLINE, metadata=mine)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        said.append((refused.value.code(), refused.value.details()))
    assert said[0] == said[1]
    assert said[0][0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_it_cannot_be_put_there_by_who_may_not(backend: Backend, theirs: Metadata) -> None:
    """A member, and an administrator whose credential has not the scope."""
    stub = RedactionServiceStub(backend.channel("redaction"))
    member = await backend.proof(await backend.member(fresh("user")))
    unscoped = await backend.proof(await backend.member(fresh("user"), roles=["admin"]))
    for own in (member, unscoped):
        for call in (
            stub.PutRecognizer(pb.PutRecognizerRequest(recognizer=RECOGNIZER), timeout=DEADLINE, metadata=own),
            stub.ListRecognizers(pb.ListRecognizersRequest(), timeout=DEADLINE, metadata=own),
            stub.PutRedactionSettings(
                pb.PutRedactionSettingsRequest(settings=pb.RedactionSettings()), timeout=DEADLINE, metadata=own
            ),
        ):
            assert await status_of(call) is grpc.StatusCode.PERMISSION_DENIED
