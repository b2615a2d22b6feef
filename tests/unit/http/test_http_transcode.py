"""JSON to messages and back, strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hauberk.common.v1 import decision_pb2 as decision
from hauberk.tenancy.v1 import tenancy_service_pb2 as tenancy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.http.routes import Match, public_routes
from gateway.http.transcode import answer_of, json_path, parsed, request_of
from services.kit.errors import InvalidArgument
from tests.attacks.rpcs import ALL

ROUTES = public_routes()
ANSWERS = sorted({route.method.output_type.full_name: route for route in ROUTES}.items())


def fields(verb: str, path: str, query: list[tuple[str, str]], body: dict[str, Any] | None) -> dict[str, str]:
    """The violations of a request that must be refused."""
    match = ROUTES.find(verb, path)
    assert match is not None
    with pytest.raises(InvalidArgument) as refused:
        request_of(match, query, body)
    return {one.field: one.rule for one in refused.value.violations}


def made(verb: str, path: str, query: list[tuple[str, str]], body: dict[str, Any] | None) -> Any:
    match = ROUTES.find(verb, path)
    assert match is not None
    return request_of(match, query, body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"organisation": "globex"}, "organisation"),
        ({"org_id": "globex"}, "org_id"),
        ({"brand": {"organisation": "globex"}}, "brand.organisation"),
        ({"brand": {"brand": 1}}, "brand.brand"),
        ({"brand": "x"}, "brand"),
        ({"brand": [{}]}, "brand"),
        ({"brand": {"displayName": "a", "display_name": "b"}}, "brand.display_name"),
        ({"": 1}, ""),
        ({"@type": "x"}, "@type"),
        ({"brand": {"displayName": "\ud800"}}, "brand.displayName"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], field: str) -> None:
    assert field in fields("POST", "/v1/brands", [], body)


def test_a_wrong_field_deep_inside_a_list_is_named() -> None:
    body = {"facts": [{"resource": {"type": "Document", "id": "a"}}, {"resource": {"type": "D", "tenant": "globex"}}]}
    assert fields("POST", "/v1/resources", [], body) == {"facts[1].resource.tenant": "no such field"}


def test_a_value_of_the_path_stands_there_alone() -> None:
    assert "edge.brand" in fields("PUT", "/v1/brands/acme/edge", [], {"edge": {"brand": "other"}})
    assert "user" in fields("POST", "/v1/members/x:remove", [], {"user": "y"})
    assert made("PUT", "/v1/brands/acme/edge", [], {"edge": {"credentials": True}}).edge.brand == "acme"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ([("organisation", "globex")], "organisation"),
        ([("pageSize", "x")], "pageSize"),
        ([("pageSize", "1"), ("pageSize", "2")], "pageSize"),
        ([("pageSize", "1"), ("page_size", "2")], "page_size"),
        ([("a.b.c", "1")], "a.b.c"),
    ],
)
def test_a_wrong_parameter_is_named(query: list[tuple[str, str]], field: str) -> None:
    assert field in {name if name == field else json_path(name) for name in fields("GET", "/v1/members", query, None)}


def test_a_body_where_none_is_read_is_refused() -> None:
    assert "body" in fields("GET", "/v1/members", [], {"pageSize": 1})
    assert "pageSize" in fields("POST", "/v1/brands", [("pageSize", "1")], {})


def test_parameters_become_fields() -> None:
    request = made("GET", "/v1/members", [("pageSize", "7"), ("page_token", "t")], None)
    assert (request.page_size, request.page_token) == (7, "t")


def test_an_answer_says_deny_in_so_many_words() -> None:
    said = json.loads(answer_of(tenancy.AuthorizeResponse()))
    assert said["outcome"] == "OUTCOME_UNSPECIFIED"
    assert said["policyVersion"] == ""
    said = json.loads(answer_of(tenancy.AuthorizeResponse(outcome=decision.OUTCOME_DENY)))
    assert said["outcome"] == "OUTCOME_DENY"


def _text() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_message_survives_the_way_through_json(data: st.DataObject) -> None:
    route = data.draw(st.sampled_from([route for _, route in ANSWERS]))
    message = _filled(data, route.response_type(), 3)
    again = parsed(json.loads(answer_of(message)), route.method.output_type)
    assert again == message


def _filled(data: st.DataObject, message: Any, depth: int) -> Any:
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None or field.is_repeated or not data.draw(st.booleans()):
            if field.message_type is not None and not field.is_repeated and depth and _own(field):
                _filled(data, getattr(message, field.name), depth - 1)
            continue
        if field.type == field.TYPE_STRING:
            setattr(message, field.name, data.draw(_text()))
        elif field.type == field.TYPE_BYTES:
            setattr(message, field.name, data.draw(st.binary(max_size=6)))
        elif field.type == field.TYPE_ENUM:
            setattr(message, field.name, data.draw(st.sampled_from([value.number for value in field.enum_type.values])))
        elif field.type == field.TYPE_BOOL:
            setattr(message, field.name, True)
        elif field.type in (field.TYPE_INT64, field.TYPE_UINT64):
            setattr(message, field.name, data.draw(st.integers(0, 2**62)))
        elif field.type in (field.TYPE_INT32, field.TYPE_UINT32):
            setattr(message, field.name, data.draw(st.integers(0, 2**31 - 1)))
    return message


def _own(field: Any) -> bool:
    return str(field.message_type.full_name).startswith("hauberk.")


def test_no_request_that_is_shown_can_name_an_organisation() -> None:
    """The tenant comes from the credential: no field of any public request is called so, at the first level."""
    for route in ROUTES:
        names = {field.name for field in route.method.input_type.fields}
        assert not names & {"organisation", "org_id", "org", "tenant"}, route.name


def test_the_same_message_reads_alike_through_both_doors() -> None:
    rpc = next(rpc for rpc in ALL if rpc.method.name == "PutMember")
    match = Match(next(route for route in ROUTES if route.path == rpc.path), {})
    body = {"member": {"user": "x", "roles": ["viewer"], "brands": ["acme-chat"]}}
    expected = json_format.ParseDict(body, tenancy.PutMemberRequest())
    assert request_of(match, [], body) == expected
