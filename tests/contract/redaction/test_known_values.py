"""Values that the conversation knows are found again; JSON stays JSON; what cannot be searched is refused."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from hauberk.redaction.v1 import redaction_service_pb2 as pb

from services.redaction.adapters.presidio import PresidioDetector
from services.redaction.settings import DEFAULT_POLICY
from tests.contract.redaction.world import World, mounted
from tests.support.stores import DataStores


@pytest_asyncio.fixture(loop_scope="session")
async def world(data_stores: DataStores) -> AsyncIterator[World]:
    """By patterns alone: what a model takes for a name is not the subject here."""
    async with mounted(data_stores, redaction_names_model="none") as patterns:
        yield patterns


def fresh() -> str:
    return f"c-{uuid.uuid4()}"


async def as_json(world: World, conversation: str, document: str) -> pb.RedactResponse:
    request = pb.RedactRequest(conversation=conversation, texts=[document], format=pb.REDACT_FORMAT_JSON)
    response: pb.RedactResponse = await world.stub().Redact(request, metadata=world.token())
    return response


async def test_a_value_is_known_again_without_the_words_that_gave_it_away(world: World) -> None:
    conversation = fresh()
    first = await world.redact(conversation, "my ssn is 219099999", "is 219099999 right?")
    assert [text.text for text in first.texts] == ["my ssn is <US_SSN>", "is <US_SSN> right?"]
    later = await world.redact(conversation, "again 219099999, or 219/09/9999?")
    assert "219" not in later.texts[0].text
    assert (await world.redact(fresh(), "again 219099999, ok")).texts[0].text == "again 219099999, ok"
    assert (await world.redact(conversation, "again 219099999", org="other")).texts[0].text == "again 219099999"


async def test_json_stays_json_and_comes_back_as_it_was(world: World) -> None:
    conversation = fresh()
    document = json.dumps(
        {
            "ssn": "219099999",
            "to": ["jane@example.com", 'say "4532015112830366"\n'],
            "n": 17,
            "ok": True,
            "inner": json.dumps({"mail": "joe@example.com", "none": None}),
            "esc": "\u00e9 \u2603 tel (415) 555-2671",
        }
    )
    answer = await as_json(world, conversation, document)
    text = answer.texts[0].text
    parsed = json.loads(text)
    assert parsed["ssn"] == "<US_SSN>"
    assert parsed["to"] == ["<EMAIL_ADDRESS>", 'say "<CREDIT_CARD>"\n']
    assert json.loads(parsed["inner"]) == {"mail": "<EMAIL_ADDRESS_2>", "none": None}
    assert (parsed["n"], parsed["ok"]) == (17, True)
    restored = (await world.restore_json(conversation, text, shown=True)).texts[0]
    assert json.loads(restored) == json.loads(document)
    for finding in answer.texts[0].findings:
        assert 0 <= finding.start < finding.end <= len(document)
    first = answer.texts[0].findings[0]
    assert document[first.start : first.end] == "219099999"


async def test_keys_and_numbers_of_json_do_not_leak(world: World) -> None:
    answer = await as_json(world, fresh(), '{"jane@example.com": {"cardNumber": 4532015112830366}, "size": 12345678}')
    parsed = json.loads(answer.texts[0].text)
    assert parsed == {"<EMAIL_ADDRESS>": {"cardNumber": "<CREDIT_CARD>"}, "size": 12345678}


@pytest.mark.parametrize("document", ["", "{", '{"a": NaN}', "x", "[" * 5000])
async def test_what_is_no_json_is_refused_and_not_passed_on(world: World, document: str) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await as_json(world, fresh(), document)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_batch_gives_what_singles_give(world: World) -> None:
    texts = ["ssn 219-09-9999 and a@b.com", "card 4532015112830366", "nothing", "c@d.com a@b.com"]
    one, two = fresh(), fresh()
    singles = [(await world.redact(one, text)).texts[0] for text in texts]
    batch = pb.RedactBatchRequest(requests=[pb.RedactRequest(conversation=two, texts=[text]) for text in texts])
    answers = await world.stub().RedactBatch(batch, metadata=world.token())
    assert [answer.texts[0] for answer in answers.responses] == singles


async def test_a_detector_that_dies_refuses_and_nothing_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise ZeroDivisionError("with 219-09-9999 in it")

    monkeypatch.setattr(PresidioDetector, "find", dies)
    for text in ("ssn 219-09-9999", "ssn 219-09-9999 " * 1000):
        with pytest.raises(aio.AioRpcError) as refused:
            request = pb.RedactRequest(conversation=fresh(), texts=[text], also=["IBAN_CODE"])
            await world.stub().Redact(request, metadata=world.token())
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "219" not in str(refused.value.details()) + repr(refused.value.trailing_metadata())


async def test_too_long_is_refused(data_stores: DataStores) -> None:
    async with mounted(data_stores, redaction_most_characters=100, redaction_names_model="none") as small:
        with pytest.raises(aio.AioRpcError) as refused:
            await small.redact(fresh(), "a@b.com " * 20)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_tagged_placeholders_cannot_be_made_up(data_stores: DataStores, tmp_path: Path) -> None:
    policy = tmp_path / "redaction.yaml"
    policy.write_text(DEFAULT_POLICY.read_text().replace("placeholders: readable", "placeholders: tagged"))
    async with mounted(data_stores, redaction_policy=policy, redaction_names_model="none") as world:
        one, two = fresh(), fresh()
        text = (await world.redact(one, "ssn 219-09-9999")).texts[0].text
        assert text.startswith("ssn <US_SSN_T")
        assert (await world.restore(one, text)).texts[0] == "ssn 219-09-9999"
        (other,) = (await world.redact(two, "ssn 321-54-9876")).texts
        forged = ["<US_SSN>", "<US_SSN_TAAAAAAAA>", text.replace("US_SSN_T", "US_SSN_2_T"), other.text]
        for placeholder in forged:
            answer = await world.restore(one, placeholder)
            assert (answer.texts[0], answer.restored, answer.unknown) == (placeholder, 0, 1)
        # Whoever quotes a placeholder of an earlier answer gets a literal, and the literal back.
        quoted = (await world.redact(one, f"what is {text}?")).texts[0].text
        assert text[4:] not in quoted
        assert (await world.restore(one, quoted)).texts[0] == f"what is {text}?"
        assert await world.stream(one, list(text)) != [text]
