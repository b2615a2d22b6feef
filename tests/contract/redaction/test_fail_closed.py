"""Every step of a call that can fail, made to fail: the call is refused, nothing of its text comes out or stays."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from hauberk.redaction.v1 import redaction_service_pb2 as pb
from redis.asyncio import Redis

from services.kit.errors import Unavailable
from services.redaction import work as work_module
from services.redaction.adapters import pool as pool_module
from services.redaction.adapters.pool import ScanPool
from services.redaction.adapters.redis_store import RedisMappingStore
from services.redaction.policy.model import DetectionFailed, Finding, Scan
from tests.contract.redaction.world import World, mounted
from tests.support.stores import DataStores

SSN = "219-09-9999"
TEXT = f"ssn {SSN}, mail jane.doe@example.com"
LONG = TEXT + " and so on" * 1_000


@pytest_asyncio.fixture(loop_scope="session")
async def plain(data_stores: DataStores) -> AsyncIterator[World]:
    """By patterns alone, and a world of its own: it is broken in many ways."""
    async with mounted(data_stores, redaction_names_model="none") as served:
        yield served


def fresh() -> str:
    return f"c-{uuid.uuid4()}"


def dies(error: BaseException) -> Callable[..., Any]:
    def raising(*_: Any, **__: Any) -> Any:
        raise error

    return raising


def answers(scans: list[Scan]) -> Callable[..., Any]:
    async def scan(*_: Any) -> list[Scan]:
        return scans

    return scan


async def slow(*_: Any, **__: Any) -> Any:
    await asyncio.sleep(30)


WRONG = [
    [], [Scan(())] * 9, [Scan((Finding("US_SSN", 4, 400_000, 1.0),))], [Scan((Finding("US_SSN", 9, 4, 1.0),))],
    [Scan((Finding("US_SSN", 4, 15, 1.0), Finding("US_SSN", 8, 20, 1.0)))],
]  # fmt: skip
FAULTS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "a recognizer raises": (pool_module, "scan", dies(ZeroDivisionError(TEXT))),
    "a recognizer is out of time": (pool_module, "scan", dies(DetectionFailed(TEXT))),
    "a recognizer is out of memory": (pool_module, "scan", dies(MemoryError(TEXT))),
    "a recognizer recurses": (pool_module, "scan", dies(RecursionError(TEXT))),
    **{f"an impossible answer {n}": (ScanPool, "scan", answers(wrong)) for n, wrong in enumerate(WRONG)},
    "joining fails": (pool_module, "with_names", dies(KeyError(TEXT))),
    "the sweep fails": (work_module, "Sweep", dies(ValueError(TEXT))),
    "resolving fails": (work_module, "own_findings", dies(IndexError(TEXT))),
    "writing fails": (work_module, "render", dies(TypeError(TEXT))),
    "the store forgets how to remember": (RedisMappingStore, "remember", dies(Unavailable("redis"))),
    "the store cannot be read": (RedisMappingStore, "known", dies(Unavailable("redis"))),
    "the store hangs": (RedisMappingStore, "remember", slow),
    "the search hangs": (ScanPool, "scan", slow),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_refuses_the_whole_call(
    plain: World, fault: tuple[object, str, Callable[..., Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*fault)
    requests = [
        pb.RedactRequest(conversation=fresh(), texts=["nothing here", TEXT]),
        pb.RedactRequest(conversation=fresh(), texts=[json.dumps({"a": TEXT})], format=pb.REDACT_FORMAT_JSON),
        pb.RedactRequest(conversation=fresh(), texts=[LONG]),
    ]
    hangs = fault[2] is slow
    for request in requests[:1] if hangs else requests:
        with pytest.raises(aio.AioRpcError) as refused:
            await plain.stub().Redact(request, metadata=plain.token(), timeout=0.2 if hangs else 10)
        wanted = grpc.StatusCode.DEADLINE_EXCEEDED if hangs else None
        assert refused.value.code() == (wanted or refused.value.code())
        assert refused.value.code() in {
            grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED
        }  # fmt: skip
        said = str(refused.value.details()) + repr(refused.value.trailing_metadata())
        assert SSN not in said and "jane" not in said


async def test_one_bad_request_refuses_the_batch(plain: World) -> None:
    good = pb.RedactRequest(conversation=fresh(), texts=[TEXT])
    bad = pb.RedactRequest(conversation=fresh(), texts=["{" + TEXT], format=pb.REDACT_FORMAT_JSON)
    with pytest.raises(aio.AioRpcError) as refused:
        await plain.stub().RedactBatch(pb.RedactBatchRequest(requests=[good, bad]), metadata=plain.token())
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_dead_pool_refuses_long_texts(data_stores: DataStores, monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[ScanPool] = []
    made = ScanPool.__init__

    def noted(self: ScanPool, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        pools.append(self)

    monkeypatch.setattr(ScanPool, "__init__", noted)
    async with mounted(data_stores, redaction_names_model="none") as world:
        pools[-1].close()
        for _ in range(40):  # more than may wait: a place that was not to be had is not lost
            with pytest.raises(aio.AioRpcError) as refused:
                await world.redact(fresh(), LONG)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert SSN not in (await world.redact(fresh(), TEXT)).texts[0].text


@pytest.mark.parametrize(
    "request_",
    [
        pb.RedactRequest(texts=["a" * 262_145]),
        pb.RedactRequest(texts=["a" * 200_000] * 3),
        pb.RedactRequest(texts=[]),
        pb.RedactRequest(texts=["a"] * 129),
        pb.RedactRequest(texts=["a", "b"], formats=[pb.REDACT_FORMAT_TEXT]),
        pb.RedactRequest(texts=["{}"], formats=[pb.REDACT_FORMAT_TEXT, pb.REDACT_FORMAT_JSON]),
        pb.RedactRequest(texts=["{}"], format=pb.REDACT_FORMAT_CHAT),
        pb.RedactRequest(texts=["{}"], format=99),  # type: ignore[arg-type]
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_and_not_cut(plain: World, request_: pb.RedactRequest) -> None:
    request_.conversation = fresh()
    with pytest.raises(aio.AioRpcError) as refused:
        await plain.stub().Redact(request_, metadata=plain.token())
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("form", [pb.REDACT_FORMAT_TEXT, pb.REDACT_FORMAT_AUTO, pb.REDACT_FORMAT_JSON])
async def test_odd_characters_hide_nothing_and_break_nothing(plain: World, form: pb.RedactFormat.ValueType) -> None:
    odd = ["\x00", "\ufffe", "\uffff", "\U0010ffff", "\ufeff", "\u202e", "\u0301\u0301", "\u2028", "😀\u200d"]
    texts = [json.dumps({"a": f"{ch}ssn {SSN}{ch}", ch: ch}, ensure_ascii=ch < "\u1000") for ch in odd]
    if form != pb.REDACT_FORMAT_TEXT:
        texts += ['{"a": "\\ud83d ssn 219-09-9999 \\ude00"}', '{"\\udfff": ["\\udbff219-09-9999"]}']
    conversation = fresh()
    request = pb.RedactRequest(conversation=conversation, texts=texts, format=form)
    answer = await plain.stub().Redact(request, metadata=plain.token())
    assert SSN not in "".join(text.text for text in answer.texts)
    back = await plain.restore_json(conversation, *(text.text for text in answer.texts), shown=True)
    for text, restored in zip(texts[: len(odd)], back.texts, strict=False):
        assert json.loads(restored) == json.loads(text)


async def test_a_batch_gives_what_singles_give_whatever_they_hold(plain: World, raw: Redis) -> None:
    rnd = random.Random(11)
    pieces = [
        "ssn 219-09-9999 ",
        "a@b.com ",
        "c@d.com ",
        "4532015112830366 ",
        "<US_SSN> ",
        "<us_ssn> ",
        "word ",
        '{"n": 1} ',
    ]
    forms = [pb.REDACT_FORMAT_TEXT, pb.REDACT_FORMAT_AUTO, pb.REDACT_FORMAT_UNSPECIFIED]
    one, two = fresh(), fresh()
    requests = [
        pb.RedactRequest(
            texts=["".join(rnd.choices(pieces, k=3)) for _ in range(rnd.randint(1, 3))], format=rnd.choice(forms)
        )
        for _ in range(16)
    ]
    singles = []
    for request in requests:
        request.conversation = one
        singles.append(await plain.stub().Redact(request, metadata=plain.token()))
        request.conversation = two
    batch = await plain.stub().RedactBatch(pb.RedactBatchRequest(requests=requests), metadata=plain.token())
    assert [list(answer.texts) for answer in batch.responses] == [list(answer.texts) for answer in singles]


async def test_a_chat_is_one_call_with_one_numbering(plain: World) -> None:
    conversation = fresh()
    await plain.redact(conversation, "first a@b.com")
    chat = [
        {"role": "user", "content": f"{SSN} is my ssn, and c@d.com"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "mail", "arguments": '{"to": "c@d.com"}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"sent": true, "to": "a@b.com", "n": 7}'},
    ]  # fmt: skip
    request = pb.RedactRequest(conversation=conversation, texts=[json.dumps(chat)], format=pb.REDACT_FORMAT_CHAT)
    answer = await plain.stub().Redact(request, metadata=plain.token())
    done = json.loads(answer.texts[0].text)
    assert done[0]["content"] == "<US_SSN> is my ssn, and <EMAIL_ADDRESS_2>"
    assert done[1]["tool_calls"][0]["function"]["arguments"] == '{"to": "<EMAIL_ADDRESS_2>"}'
    assert done[2]["content"] == '{"sent": true, "to": "<EMAIL_ADDRESS>", "n": 7}'
    back = await plain.restore_json(conversation, answer.texts[0].text, shown=True)
    assert json.loads(back.texts[0]) == chat
