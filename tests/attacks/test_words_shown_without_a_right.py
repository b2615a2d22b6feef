"""An Envoy that shows requests for a model with no token, a forged one, somebody else's, or in a mode in which the
gateway would be shown too little: no body comes back that could go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio
from hauberk.envoy.ext_proc.v3 import external_processor_pb2 as pb
from hauberk.envoy.ext_proc.v3 import processing_mode_pb2 as modes
from hauberk.envoy.ext_proc.v3.external_processor_pb2_grpc import ExternalProcessorStub

from embedded.stack import Stack
from tests.attacks.forge import Forge

Mode = modes.ProcessingMode
BODY = b'{"model":"self-hosted","messages":[{"role":"user","content":"My SSN is 457-55-5462"}]}'
FIELDS = {":path": "/v1/chat/completions", ":method": "POST", "content-type": "application/json"}


def shown(token: str = "", **more: Any) -> list[pb.ProcessingRequest]:
    """Header fields and a body, as Envoy shows them."""
    first = pb.ProcessingRequest(observability_mode=more.get("observe", False))
    for key, value in {**FIELDS, "authorization": "Bearer x", "x-hauberk-user": "ada"}.items():
        first.request_headers.headers.headers.add(key=key, raw_value=value.encode())
    first.protocol_config.request_body_mode = more.get("request", Mode.BUFFERED)
    first.protocol_config.response_body_mode = more.get("response", Mode.FULL_DUPLEX_STREAMED)
    if token:
        found = first.metadata_context.filter_metadata[more.get("name", "envoy.filters.http.ext_authz")]
        found["hauberk_token"] = token
    body = pb.ProcessingRequest(request_body=pb.HttpBody(body=BODY, end_of_stream=more.get("end", True)))
    return [first, body]


async def process(
    target: Stack, events: list[pb.ProcessingRequest], workload: str = "envoy/edge"
) -> tuple[list[pb.ProcessingResponse], grpc.StatusCode]:
    async def sent() -> AsyncIterator[pb.ProcessingRequest]:
        for event in events:
            yield event

    found: list[pb.ProcessingResponse] = []
    try:
        async for answer in ExternalProcessorStub(target.channel("gateway", workload)).Process(sent(), timeout=5):
            found.append(answer)
    except aio.AioRpcError as error:
        return found, error.code()
    return found, grpc.StatusCode.OK


@pytest.mark.parametrize("whose", ["nobody's", "a backend's", "another Envoy's", "of another filter", "bent"])
async def test_a_token_that_is_not_this_envoys_is_no_credential(target: Stack, forge: Forge, whose: str) -> None:
    good = forge.resigned(req_wl="envoy/edge")
    tokens = {"a backend's": forge.genuine, "another Envoy's": forge.resigned(req_wl="envoy/other")}
    tokens |= {"nobody's": "", "of another filter": good, "bent": good[:-4] + "AAAA"}
    more = {"name": "envoy.filters.http.lua"} if whose == "of another filter" else {}
    found, _ = await process(target, shown(tokens[whose], **more))
    assert not [answer for answer in found if answer.HasField("request_body")]
    assert found[-1].immediate_response.status.code == 401


@pytest.mark.parametrize(
    "more",
    [
        {"request": Mode.NONE},
        {"request": Mode.STREAMED},
        {"request": Mode.BUFFERED_PARTIAL},
        {"response": Mode.NONE},
        {"response": Mode.BUFFERED_PARTIAL},
        {"observe": True},
        {"end": False},
    ],
)
async def test_a_mode_that_shows_too_little_is_an_error(target: Stack, forge: Forge, more: dict[str, Any]) -> None:
    found, code = await process(target, shown(forge.resigned(req_wl="envoy/edge"), **more))
    assert not [answer for answer in found if answer.HasField("request_body")]
    assert code is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_answer_without_its_request_is_an_error(target: Stack) -> None:
    first, _ = shown()
    answer = pb.ProcessingRequest(protocol_config=first.protocol_config)
    answer.response_headers.headers.headers.add(key=":status", raw_value=b"200")
    assert await process(target, [answer]) == ([], grpc.StatusCode.FAILED_PRECONDITION)


@pytest.mark.parametrize("workload", ["envoy/other", "backend/demo", "operator"])
async def test_nobody_else_may_ask(target: Stack, forge: Forge, workload: str) -> None:
    found, code = await process(target, shown(forge.resigned(req_wl=workload)), workload)
    assert (found, code) == ([], grpc.StatusCode.PERMISSION_DENIED)


async def test_the_same_with_its_own_token_goes_on_without_the_value(target: Stack, forge: Forge) -> None:
    found, _ = await process(target, shown(forge.resigned(req_wl="envoy/edge")))
    body = found[-1].request_body.response
    assert b"457-55-5462" not in body.body_mutation.body and b"<US_SSN>" in body.body_mutation.body
    fields = {one.header.key: one.header.raw_value for one in body.header_mutation.set_headers}
    assert fields == {"content-length": str(len(body.body_mutation.body)).encode()}
    assert set(found[0].request_headers.response.header_mutation.remove_headers) == {"authorization", "x-hauberk-user"}
