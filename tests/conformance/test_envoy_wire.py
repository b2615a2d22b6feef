"""Messages that the public contracts' own Python package wrote mean the same to our smaller copies.

Recorded by `python -m tools.envoy_wire --record`; `make prove` exchanges many more, both ways, in an environment of
their own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import ParseDict

from tools.envoy_peer import CONTRACTS, meaning
from tools.envoy_wire import PACKAGE, RECORDED, module_of, record_of

HEADS: dict[str, dict[str, Any]] = {}
LINES: dict[str, list[dict[str, Any]]] = {}
for contract in CONTRACTS:
    HEADS[contract], *LINES[contract] = map(json.loads, record_of(contract).read_text(encoding="utf-8").splitlines())


def kind_of(contract: str, record: dict[str, Any]) -> Any:
    return getattr(module_of(contract), record["message"])


def message_of(contract: str, record: dict[str, Any], part: str = "wire") -> Any:
    return kind_of(contract, record).FromString(base64.b64decode(record[part]))


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_record_is_of_the_package_that_make_prove_uses(contract: str) -> None:
    assert HEADS[contract]["made_by"] == PACKAGE
    assert len(LINES[contract]) == RECORDED
    assert {record["message"] for record in LINES[contract]} == set(CONTRACTS[contract][2])


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_same_bytes_mean_the_same(contract: str) -> None:
    for record in LINES[contract]:
        assert meaning(message_of(contract, record)) == record["fields"]
        ours = ParseDict(record["fields"], kind_of(contract, record)())
        assert ours.SerializeToString(deterministic=True) == base64.b64decode(record["wire"])


@pytest.mark.parametrize("contract", CONTRACTS)
def test_what_we_do_not_know_is_not_lost(contract: str) -> None:
    for record in LINES[contract]:
        again = message_of(contract, record, "whole").SerializeToString()
        assert len(again) == len(base64.b64decode(record["whole"]))


def fields_of(message: Descriptor) -> Iterator[str]:
    for field in message.fields:
        yield field.full_name
        inner = field.message_type
        if inner is not None and not inner.full_name.startswith("google.") and not inner.GetOptions().map_entry:
            yield from fields_of(inner)


def met_in(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        yield field.full_name
        inner = field.message_type
        if inner is not None and not inner.full_name.startswith("google.") and not inner.GetOptions().map_entry:
            for part in value if field.is_repeated else [value]:
                yield from met_in(part)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_field_of_ours_was_met(contract: str) -> None:
    met = {name for record in LINES[contract] for name in met_in(message_of(contract, record))}
    for name in CONTRACTS[contract][2]:
        assert set(fields_of(getattr(module_of(contract), name).DESCRIPTOR)) <= met


@pytest.mark.parametrize(
    ("contract", "path"),
    [
        ("ratelimit", "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"),
        ("auth", "/envoy.service.auth.v3.Authorization/Check"),
        ("ext_proc", "/envoy.service.ext_proc.v3.ExternalProcessor/Process"),
    ],
)
def test_the_path_is_the_one_that_envoy_calls(contract: str, path: str) -> None:
    (service,) = module_of(contract).DESCRIPTOR.services_by_name.values()
    (method,) = service.methods
    assert f"/{service.full_name}/{method.name}" == path
