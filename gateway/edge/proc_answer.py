"""An answer that comes as a whole: each text is looked at and restored, each call of a tool authorised."""

from __future__ import annotations

import asyncio

from hauberk.ratelimit.v1 import ratelimit_service_pb2 as ratelimit

from gateway.edge.lanes import Lane, WayBack
from gateway.edge.openai.answer import Answered
from gateway.edge.openai.strict import Json, Refused, read
from gateway.edge.proc_stream import Authorise
from gateway.estimate import counted_output
from gateway.stream import StreamState

_MAX_MESSAGE = 4096


async def looked_at(way: WayBack, state: StreamState, texts: list[str]) -> list[Lane]:
    """Each text through a lane of its own, all at once."""
    lanes = [way.lane(state) for _ in texts]

    async def ignored(_: str) -> None:
        return

    async def one(lane: Lane, text: str) -> None:
        lane.say(text)
        lane.close()
        await way.carry(lane, ignored)

    await asyncio.gather(*(one(lane, text) for lane, text in zip(lanes, texts, strict=True)))
    return lanes


async def whole(way: WayBack, state: StreamState, answered: Answered, authorise: Authorise) -> bytes:
    """The body for the client; settles."""
    if answered.used is not None:
        used = answered.used
        state.used = ratelimit.Cost(input_tokens=used.input_tokens, output_tokens=used.output_tokens)
    refusal: str | None = None
    try:
        lanes = await looked_at(way, state, [place.value for place in answered.texts])
        if all(lane.allowed for lane in lanes):
            for call in answered.calls:
                state.counted.output_tokens += counted_output(call.arguments)
                refusal = refusal or await authorise(call)
    except BaseException:
        await way.abandon(state)
        raise
    result = await way.finish(state, lanes)
    if result.HasField("safe_reply") or refusal is not None:
        answered.refuse(result.safe_reply.text or refusal or "")
    else:
        for place, lane in zip(answered.texts, lanes, strict=True):
            place.put("".join(lane.shown))
    return answered.write()


async def error_message(way: WayBack, state: StreamState, body: bytes) -> tuple[str, str]:
    """Message and code of an error of the model's server; its words are looked at like any other, or left out."""
    told = "The model's server answered with an error."
    try:
        error = read(body).get("error")
    except Refused:
        error = None
    found: Json = error if isinstance(error, dict) else {}
    message, code = found.get("message"), found.get("code")
    if isinstance(message, str) and 0 < len(message) <= _MAX_MESSAGE:
        (lane,) = await looked_at(way, state, [message])
        told = "".join(lane.shown) if lane.allowed else told
    known = isinstance(code, str) and 0 < len(code) <= 64 and code.replace("_", "").isalnum() and code.isascii()
    return told, str(code) if known else "upstream_error"
