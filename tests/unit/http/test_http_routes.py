"""Which path leads to which method, and to which value in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.routes import CONTRACTS, WORKLOAD_KIND, RouteError, Routes, public_routes
from services.kit.access import ANONYMOUS, OPERATOR, TENANT, WORKLOAD
from services.kit.errors import InvalidArgument
from tests.attacks.rpcs import ALL

ROUTES = public_routes()
OPEN = [rpc for rpc in ALL if rpc.area in {peer for peer, _ in CONTRACTS} and not rpc.method.client_streaming]
BY_PATH = {route.path: route for route in ROUTES}
FILL = "x1"


@pytest.mark.parametrize("rpc", [rpc for rpc in OPEN if rpc.rule.kind in (TENANT, ANONYMOUS)], ids=str)
def test_every_public_method_has_its_path_and_no_other_method_answers_there(rpc: object) -> None:
    shown = WORKLOAD_KIND in rpc.rule.workloads or rpc.is_anonymous  # type: ignore[attr-defined]
    route = BY_PATH.get(rpc.path)  # type: ignore[attr-defined]
    assert (route is not None) == shown
    if route is not None:
        path = route.template
        for name in route.variables:
            path = path.replace(f"{{{name}}}", FILL)
        match = ROUTES.find(route.verb, path)
        assert match is not None
        assert match.route is route
        assert match.values == dict.fromkeys(route.variables, FILL)


def test_nothing_of_workloads_and_operators_is_shown() -> None:
    closed = [rpc.path for rpc in OPEN if rpc.rule.kind in (WORKLOAD, OPERATOR)]
    assert closed
    assert not set(closed) & set(BY_PATH)
    assert not any("/operator/" in route.template for route in ROUTES)
    assert not any(route.path.startswith("/hauberk.gateway.") for route in ROUTES)


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/v1/members/"),
        ("GET", "/v1/members//x"),
        ("GET", "//v1/members"),
        ("GET", "/v1/members/a/b"),
        ("GET", "/v1/Members"),
        ("GET", "/v1/%6dembers"),
        ("GET", "/v1/./members"),
        ("GET", "/v1/brands/../members"),
        ("POST", "/v1/members/:remove"),
        ("POST", "/v1/members/x:REMOVE"),
        ("TRACE", "/v1/members"),
        ("post", "/v1/members"),
        ("GET", ""),
        ("GET", "*"),
        ("GET", "https://evil.example/v1/members"),
        ("POST", "/v1/auth:authenticate"),
        ("POST", "/v1/operator/organisations"),
    ],
)
def test_no_other_spelling_leads_anywhere(verb: str, path: str) -> None:
    assert ROUTES.find(verb, path) is None


@pytest.mark.parametrize(
    "value",
    ["%2F", "a%2Fb", "%2e%2e", "%2E", "..", ".", "a%5Cb", "a%00", "%0d%0aX:1", "a%20b", "%ff", "%c0%af", "a%7f"],
)
def test_a_value_that_another_reader_sees_differently_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ROUTES.find("GET", f"/v1/members/{value}")
    assert refused.value.violations[0].field == "user"


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,40}", fullmatch=True))
def test_an_identifier_with_a_colon_stays_whole(user: str) -> None:
    removed = ROUTES.find("POST", f"/v1/members/{user}:remove")
    read = ROUTES.find("GET", f"/v1/members/{user.replace(':', '%3A')}")
    assert removed is not None
    assert read is not None
    assert removed.route.method.name == "RemoveMember"
    assert removed.values["user"] == read.values["user"] == user


def test_two_methods_at_one_path_are_a_start_up_error() -> None:
    one = BY_PATH["/hauberk.tenancy.v1.TenancyService/GetMember"]
    with pytest.raises(RouteError, match="two methods"):
        Routes([one, one])


def test_a_known_path_says_its_verbs() -> None:
    assert ROUTES.verbs("/v1/brands") == ["GET", "HEAD", "POST"]
    assert ROUTES.verbs("/v1/nothing") == []
