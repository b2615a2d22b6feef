"""The service over its contract: redact, restore, stream, batch, end, and every refusal."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio
from hauberk.redaction.v1 import redaction_service_pb2 as pb

from tests.contract.redaction.world import World, mounted, reason_of
from tests.support.stores import DataStores

SENTENCE = "My SSN is 123-45-6789 and credit card is 4532-1234-5678-9010"


def fresh() -> str:
    return f"c-{uuid.uuid4()}"


async def test_the_sentence(world: World) -> None:
    conversation = fresh()
    answer = await world.redact(conversation, SENTENCE, "hello")
    assert [t.text for t in answer.texts] == ["My SSN is <US_SSN> and credit card is <CREDIT_CARD>", "hello"]
    assert [(f.entity, f.placeholder) for f in answer.texts[0].findings] == [
        ("US_SSN", "<US_SSN>"),
        ("CREDIT_CARD", "<CREDIT_CARD>"),
    ]
    assert not answer.entities_not_searched
    assert not answer.degraded
    assert answer.mapping_expires_at.seconds > 0
    back = await world.restore(conversation, "SSN <US_SSN>, <CREDIT_CARD>; <US_SSN_2> <DIV>")
    assert back.texts[0] == "SSN 123-45-6789, 4532-1234-5678-9010; <US_SSN_2> <DIV>"
    assert (back.restored, back.unknown) == (2, 1)


async def test_nothing_found_keeps_nothing(world: World) -> None:
    answer = await world.redact(fresh(), "nothing here")
    assert not answer.HasField("mapping_expires_at")


async def test_numbers_stay_over_messages_and_are_never_reused(world: World) -> None:
    conversation = fresh()
    first = await world.redact(conversation, "a@b.com and c@d.com")
    second = await world.redact(conversation, "c@d.com then e@f.com")
    assert first.texts[0].text == "<EMAIL_ADDRESS> and <EMAIL_ADDRESS_2>"
    assert second.texts[0].text == "<EMAIL_ADDRESS_2> then <EMAIL_ADDRESS_3>"
    ended = await world.stub().EndConversation(
        pb.EndConversationRequest(conversation=conversation), metadata=world.token()
    )
    assert ended.existed
    gone = await world.restore(conversation, "<EMAIL_ADDRESS>")
    assert (gone.texts[0], gone.unknown) == ("<EMAIL_ADDRESS>", 1)
    assert (await world.redact(conversation, "new@b.com")).texts[0].text == "<EMAIL_ADDRESS_4>"


async def test_another_process_goes_on_where_this_one_was(world: World, data_stores: DataStores) -> None:
    conversation = fresh()
    await world.redact(conversation, "a@b.com")
    async with mounted(data_stores) as other:
        answer = await other.redact(conversation, "x@y.com, a@b.com")
        assert answer.texts[0].text == "<EMAIL_ADDRESS_2>, <EMAIL_ADDRESS>"
        assert (await world.restore(conversation, "<EMAIL_ADDRESS_2>")).texts[0] == "x@y.com"


async def test_concurrent_messages_of_one_conversation_never_collide(world: World, data_stores: DataStores) -> None:
    conversation = fresh()
    async with mounted(data_stores) as other:
        answers = await asyncio.gather(
            *((world, other)[n % 2].redact(conversation, f"user{n}@x.com shared@x.com") for n in range(24))
        )
    texts = [answer.texts[0].text for answer in answers]
    assert len({text.split()[1] for text in texts}) == 1
    assert len({text.split()[0] for text in texts}) == 24
    back = await world.restore(conversation, *texts)
    assert list(back.texts) == [f"user{n}@x.com shared@x.com" for n in range(24)]


async def test_look_alikes_never_restore_a_value(world: World) -> None:
    conversation = fresh()
    answer = await world.redact(conversation, "<US_SSN> is not 219-09-9999")
    assert answer.texts[0].text == "<LITERAL> is not <US_SSN>"
    assert answer.lookalikes == 1
    back = await world.restore(conversation, answer.texts[0].text)
    assert back.texts[0] == "<US_SSN> is not 219-09-9999"


async def test_two_users_one_conversation(world: World) -> None:
    """Knowing the name of a colleague's conversation gives nothing of theirs."""
    conversation = fresh()
    await world.redact(conversation, "a@b.com")
    request = pb.RestoreRequest(conversation=conversation, texts=["<EMAIL_ADDRESS>"])
    theirs = await world.stub().Restore(request, metadata=world.token(user="user-2"))
    assert (theirs.texts[0], theirs.restored, theirs.unknown) == ("<EMAIL_ADDRESS>", 0, 1)
    ended = await world.stub().EndConversation(
        pb.EndConversationRequest(conversation=conversation), metadata=world.token(user="user-2")
    )
    assert not ended.existed
    assert (await world.restore(conversation, "<EMAIL_ADDRESS>")).texts[0] == "a@b.com"


async def test_two_organisations_one_conversation(world: World) -> None:
    conversation = fresh()
    await world.redact(conversation, "ssn 219-09-9999")
    foreign = await world.restore(conversation, "<US_SSN>", org="other")
    assert (foreign.texts[0], foreign.restored, foreign.unknown) == ("<US_SSN>", 0, 1)
    await world.redact(conversation, "ssn 321-54-9876", org="other")
    assert (await world.restore(conversation, "<US_SSN>")).texts[0] == "219-09-9999"
    assert (await world.restore(conversation, "<US_SSN>", org="other")).texts[0] == "321-54-9876"


async def test_only_the_redactor_or_the_gateway_restores(world: World) -> None:
    conversation = fresh()
    await world.redact(conversation, "a@b.com", by="backend/shop")
    assert (await world.restore(conversation, "<EMAIL_ADDRESS>", by="backend/shop")).texts[0] == "a@b.com"
    assert (await world.restore(conversation, "<EMAIL_ADDRESS>")).texts[0] == "a@b.com"
    with pytest.raises(aio.AioRpcError) as refused:
        await world.restore(conversation, "<EMAIL_ADDRESS>", by="backend/blog")
    assert reason_of(refused.value) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_THE_REDACTOR")


async def test_batch_gives_what_singles_give(world: World) -> None:
    one, two = fresh(), fresh()
    requests = [pb.RedactRequest(conversation=c, texts=[SENTENCE]) for c in (one, two)]
    batch = await world.stub().RedactBatch(pb.RedactBatchRequest(requests=requests), metadata=world.token())
    single = await world.redact(fresh(), SENTENCE)
    assert [r.texts for r in batch.responses] == [single.texts, single.texts]


async def test_stream_holds_back_only_what_may_be_a_placeholder(world: World) -> None:
    conversation = fresh()
    await world.redact(conversation, SENTENCE)

    async def chunks() -> AsyncIterator[pb.RestoreStreamRequest]:
        pieces = ["It is <US", "_SS", "N>, a < b", ", <", "DIV>, <CREDIT_CARD", "> <US_SSN"]
        for place, piece in enumerate(pieces):
            yield pb.RestoreStreamRequest(conversation="" if place else conversation, chunk=piece)

    answers = [a.chunk async for a in world.stub().RestoreStream(chunks(), metadata=world.token())]
    assert "".join(answers) == "It is 123-45-6789, a < b, <DIV>, 4532-1234-5678-9010 <US_SSN"
    assert answers[0] == "It is "


async def test_detect_keeps_nothing_and_counts_as_asked(world: World) -> None:
    request = pb.DetectRequest(texts=["é😀 a@b.com"], offset_unit=pb.OFFSET_UNIT_UTF16, also=["IBAN_CODE"])
    answer = await world.stub().Detect(request, metadata=world.token())
    (finding,) = answer.detections[0].findings
    assert (finding.entity, finding.start, finding.end, finding.placeholder) == ("EMAIL_ADDRESS", 4, 11, "")


@pytest.mark.parametrize(
    "request_", [pb.DetectRequest(texts=["x"], also=["NO_SUCH"]), pb.DetectRequest(texts=["x" * 262_144] * 3)]
)
async def test_what_cannot_be_searched_is_refused(world: World, request_: pb.DetectRequest) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await world.stub().Detect(request_, metadata=world.token())
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_long_text_leaves_the_event_loop_free(world: World) -> None:
    text = "2024-01-15 10:23:45 GET /a 200 1532 user=a.b@example.com 10.0.0.1\n" * 3000
    waits: list[float] = []

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await asyncio.sleep(0.005)
            waits.append(loop.time() - started - 0.005)

    watcher = asyncio.create_task(watch())
    answer = await world.stub().Detect(pb.DetectRequest(texts=[text]), metadata=world.token())
    watcher.cancel()
    assert len(answer.detections[0].findings) == 6000
    assert len(waits) >= 3


@pytest.mark.parametrize(
    ("workload", "organisation_token", "code"),
    [
        ("gateway", False, grpc.StatusCode.UNAUTHENTICATED),
        ("guardrail", True, grpc.StatusCode.PERMISSION_DENIED),
        ("audit", True, grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_called_directly_it_defends_itself(
    world: World, workload: str, organisation_token: bool, code: grpc.StatusCode
) -> None:
    metadata = world.token(workload=workload) if organisation_token else []
    with pytest.raises(aio.AioRpcError) as refused:
        await world.stub(workload).Redact(pb.RedactRequest(conversation="c", texts=["x"]), metadata=metadata)
    assert refused.value.code() == code


async def test_an_expired_token_and_another_backends_token_are_refused(world: World) -> None:
    request = pb.RedactRequest(conversation="c", texts=["x"])
    for metadata in (world.token(seconds=-1), world.token(workload="backend/blog")):
        with pytest.raises(aio.AioRpcError) as refused:
            await world.stub("backend/shop").Redact(request, metadata=metadata)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
