"""An organisation's own recognizer, made to stall the service or to swallow whole texts, is refused or bounded."""

from __future__ import annotations

import time

import grpc
import pytest
from hauberk.redaction.v1 import redaction_service_pb2 as pb
from hauberk.redaction.v1.redaction_service_pb2_grpc import RedactionServiceStub

from tests.support.backend import DEADLINE, Backend, status_of

NOT_LINEAR = [r"(a+)\1", r"(?=a+)a+b", r"(?<!x)y", r"(?P<n>a)(?P=n)", r"(?>a+)b", r"a++b"]
TOO_BIG = [r"(x{1000}){1000}", r"((a{100}){100}){100}", r"\pL{1000}" * 30]
OF_NOTHING = [r"a*", r"\b", r"(?:)", r"x?", r"^", r"a*|b", r"(?m)$"]
BROKEN = [r"(", r"[z-a]", "a\0b"]


@pytest.mark.parametrize("pattern", [*NOT_LINEAR, *TOO_BIG, *OF_NOTHING, *BROKEN])
async def test_refused_at_acceptance(backend: Backend, pattern: str) -> None:
    stub = RedactionServiceStub(backend.channel("redaction"))
    request = pb.PutRecognizerRequest(recognizer=pb.Recognizer(entity="STALL", pattern=pattern, score=0.9))
    started = time.perf_counter()
    call = stub.PutRecognizer(request, timeout=DEADLINE, metadata=await backend.administer())
    assert await status_of(call) is grpc.StatusCode.INVALID_ARGUMENT
    assert time.perf_counter() - started < 2.0


async def test_what_backtracking_would_die_of_is_matched_at_once(backend: Backend) -> None:
    stub = RedactionServiceStub(backend.channel("redaction"))
    own = await backend.administer()
    for pattern in ("(a+)+b", "(a|aa)+b", "(.*a){12}b"):
        recognizer = pb.Recognizer(entity="STALL", pattern=pattern, score=0.9)
        request = pb.PutRecognizerRequest(recognizer=recognizer, samples=["a" * 4096] * 16, validate_only=True)
        started = time.perf_counter()
        answer = await stub.PutRecognizer(request, timeout=DEADLINE, metadata=own)
        assert time.perf_counter() - started < 2.0
        assert [len(found.findings) for found in answer.samples] == [0] * 16
    listed = await stub.ListRecognizers(pb.ListRecognizersRequest(), timeout=DEADLINE, metadata=own)
    assert "STALL" not in {one.entity for one in listed.recognizers}
