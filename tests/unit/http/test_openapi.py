"""The OpenAPI document: valid, complete, and bounded as the contract is."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.http.routes import public_routes
from tools.openapi import document
from tools.openapi_schemas import Schemas

BY_NAME = {route.method.name: route for route in public_routes()}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """As the contract gives it; that the committed one is the same is a gate of its own (`make check`)."""
    return document()


def test_the_document_is_valid(described: dict[str, Any]) -> None:
    assert not list(OpenAPIV31SpecValidator(described).iter_errors())


def test_every_public_method_is_in_it_and_says_who_may_call(described: dict[str, Any]) -> None:
    for route in public_routes():
        operation = described["paths"][route.template][route.verb.lower()]
        assert bool(operation["security"]) != route.anonymous
        assert {"200", "default"} == set(operation["responses"])
        named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert named == set(route.variables)
    assert not [path for path in described["paths"] if "/operator/" in path or "gateway" in path]


def test_operations_have_names_of_their_own(described: dict[str, Any]) -> None:
    names = [one["operationId"] for path in described["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))


def judged(method: str, body: dict[str, Any]) -> bool:
    """Whether the description takes this request body."""
    schemas = Schemas({})
    schema = schemas.object(BY_NAME[method].method.input_type, closed=True)
    whole = {**schema, "components": {"schemas": schemas.found}}
    return bool(Draft202012Validator(whole).is_valid(body))


@pytest.mark.parametrize(
    ("method", "body", "good"),
    [
        ("Authorize", {"action": "chat.send", "resource": {"type": "Brand", "id": "a"}}, True),
        ("Authorize", {"action": "chat.send"}, False),
        ("Authorize", {"action": "Chat Send", "resource": {"type": "Brand", "id": "a"}}, False),
        ("Authorize", {"action": "chat.send", "resource": {"type": "Brand", "id": "a"}, "organisation": "x"}, False),
        ("AuthorizeBatch", {"questions": []}, False),
        ("AuthorizeBatch", {"questions": [{"action": "a", "resource": {"type": "B", "id": "c"}}] * 201}, False),
        ("PutBrand", {"brand": {"brand": "NO"}}, False),
        ("CreateApiKey", {"subject": "ada", "brand": "", "scopes": ["audit.read"]}, True),
        ("CreateApiKey", {"subject": "ada", "scopes": ["audit.read", "audit.read"]}, False),
    ],
)
def test_bounds_of_the_contract_are_bounds_of_the_description(method: str, body: dict[str, Any], good: bool) -> None:
    assert judged(method, body) is good
