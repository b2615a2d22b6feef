"""Messages that the public contract's own Python package wrote mean the same to our smaller copy.

Recorded by `python -m tools.envoy_wire --record`; `make prove` exchanges many more, both ways, in an environment of
their own.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hauberk.envoy.ratelimit.v3 import rls_pb2 as pb
from hauberk.envoy.ratelimit.v3 import rls_pb2_grpc as pb_grpc

from tools.envoy_peer import meaning
from tools.envoy_wire import PACKAGE, RECORDED

RECORD = Path(__file__).parent / "wire" / "envoy_ratelimit.jsonl"
HEAD, *LINES = [json.loads(line) for line in RECORD.read_text(encoding="utf-8").splitlines()]


def message_of(record: dict[str, Any], part: str = "wire") -> Any:
    return getattr(pb, record["message"]).FromString(base64.b64decode(record[part]))


def test_the_record_is_of_the_package_that_make_prove_uses() -> None:
    assert HEAD["made_by"] == PACKAGE
    assert len(LINES) == RECORDED
    assert {record["message"] for record in LINES} == {"RateLimitRequest", "RateLimitResponse"}


@pytest.mark.parametrize("record", LINES, ids=range(len(LINES)))
def test_the_same_bytes_mean_the_same(record: dict[str, Any]) -> None:
    assert meaning(message_of(record)) == record["fields"]
    ours = ParseDict(record["fields"], getattr(pb, record["message"])())
    assert ours.SerializeToString(deterministic=True) == base64.b64decode(record["wire"])


@pytest.mark.parametrize("record", LINES, ids=range(len(LINES)))
def test_what_we_do_not_know_is_not_lost(record: dict[str, Any]) -> None:
    again = message_of(record, "whole").SerializeToString()
    assert len(again) == len(base64.b64decode(record["whole"]))


def test_every_field_of_ours_was_met() -> None:
    met: set[str] = set()

    def walk(message: Any) -> None:
        for field, value in message.ListFields():
            met.add(field.full_name)
            if field.message_type is not None:
                for part in value if field.is_repeated else [value]:
                    walk(part)

    for record in LINES:
        walk(message_of(record))
    own = [pb.DESCRIPTOR.message_types_by_name[name] for name in ("Entry", "RateLimitDescriptor", "HeaderValue")]
    own += [pb.RateLimitRequest.DESCRIPTOR, pb.RateLimitResponse.DESCRIPTOR]
    own += list(pb.RateLimitResponse.DESCRIPTOR.nested_types)
    assert {field.full_name for message in own for field in message.fields} <= met


def test_the_path_is_the_one_that_envoy_calls() -> None:
    (service,) = pb.DESCRIPTOR.services_by_name.values()
    (method,) = service.methods
    assert f"/{service.full_name}/{method.name}" == "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
    assert hasattr(pb_grpc.RateLimitServiceServicer, method.name)
