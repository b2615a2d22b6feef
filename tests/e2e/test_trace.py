"""One request is one trace, as a real OTLP receiver sees it, and no word of the request is in it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest_asyncio
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from cli.asking import Gateway, by_key, question
from embedded.stack import Stack, StackOptions
from tests.support.otlp import Received, Receiver, receiver
from tests.support.stores import make_folder

TEXT = "My SSN is 123-45-6789 and credit card is 4532-1234-5678-9010, write to bob.traced@example.com"
SERVICES = {"gateway", "auth", "tenancy", "ratelimit", "redaction", "guardrail"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def otlp() -> AsyncIterator[Receiver]:
    async with receiver() as listening:
        yield listening


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def traced(otlp: Receiver) -> AsyncIterator[Stack]:
    base = make_folder()
    try:
        options = StackOptions(otlp_endpoint=otlp.endpoint, trace_ratio=0.0)
        async with Stack.running(base / "data", options) as running:
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)


async def spans_of(stack: Stack, otlp: Receiver, trace_id: str) -> list[Received]:
    await asyncio.to_thread(stack.flush_spans)
    return [span for span in otlp.spans if span.trace_id == trace_id]


async def refused(traced: Stack) -> pb.AdmitResponse:
    """By the last service of the chain, so that every one has been asked: the estimate can never be paid."""
    ask = question(by_key(traced.api_key), traced.brand, TEXT)
    ask.estimate.output_tokens = 90_000_000
    return await Gateway(traced.channel("gateway")).admit(ask)


async def test_a_refusal_is_one_trace_with_a_span_of_each_service_it_used(traced: Stack, otlp: Receiver) -> None:
    answer = await refused(traced)
    spans = await spans_of(traced, otlp, answer.trace_id)

    assert answer.outcome != decision.OUTCOME_ALLOW
    assert {span.service for span in spans} == SERVICES - {"guardrail", "redaction"}
    decided = {span.name: span.attributes.get("hauberk.outcome") for span in spans}
    assert decided["hauberk.ratelimit.v1.RateLimitService/Decide"] == "DENY"
    known = {span.span_id for span in spans}
    assert [span.name for span in spans if span.parent_id not in known] == ["hauberk.gateway.v1.GatewayService/Admit"]


async def test_an_allow_is_not_exported_at_a_ratio_of_zero(traced: Stack, otlp: Receiver) -> None:
    answer = await Gateway(traced.channel("gateway")).admit(question(by_key(traced.api_key), traced.brand, TEXT))

    assert answer.outcome == decision.OUTCOME_ALLOW
    assert await spans_of(traced, otlp, answer.trace_id) == []


async def test_nothing_of_the_request_is_in_any_span(traced: Stack, otlp: Receiver) -> None:
    await refused(traced)
    await asyncio.to_thread(traced.flush_spans)
    secrets = ["123-45-6789", "4532", "bob.traced", traced.api_key, traced.api_key[-12:], "eyJ"]

    assert otlp.raw
    assert [secret for secret in secrets if secret.encode() in otlp.raw] == []


async def test_an_admitted_request_has_a_span_of_every_service(otlp: Receiver) -> None:
    base = make_folder()
    try:
        async with Stack.running(base / "data", StackOptions(otlp_endpoint=otlp.endpoint)) as running:
            ask = question(by_key(running.api_key), running.brand, TEXT)
            answer = await Gateway(running.channel("gateway")).admit(ask)
            spans = await spans_of(running, otlp, answer.trace_id)
    finally:
        shutil.rmtree(base, ignore_errors=True)

    assert answer.outcome == decision.OUTCOME_ALLOW
    assert {span.service for span in spans} == SERVICES
    served = [span.name.partition("/")[0] for span in spans if span.name.startswith("hauberk.")]
    assert set(served) == {
        "hauberk.gateway.v1.GatewayService",
        "hauberk.auth.v1.AuthService",
        "hauberk.tenancy.v1.TenancyService",
        "hauberk.ratelimit.v1.RateLimitService",
        "hauberk.redaction.v1.RedactionService",
        "hauberk.guardrail.v1.GuardrailService",
    }
