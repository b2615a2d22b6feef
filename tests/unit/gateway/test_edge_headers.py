"""What of a client's header fields is believed, however they are spelled."""

from __future__ import annotations

import base64
import json

import pytest
from hauberk.auth.v1 import auth_service_pb2 as auth
from hauberk.envoy.auth.v3 import external_auth_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.authz_answers import pairs
from gateway.edge.credentials import Shapes, presented
from gateway.edge.headers import HeadersError, folded, read, whole, without_cookie

SHAPES = Shapes("hbk", "sid")
KEY = "hbk_test_" + "a" * 49
ORIGIN = ("origin", "https://shop.example.com")


def jws(typ: str) -> str:
    head = base64.urlsafe_b64encode(json.dumps({"typ": typ}).encode()).decode().rstrip("=")
    return f"{head}.e30.sig"


def credential(*fields: tuple[str, str], method: str = "GET") -> auth.Credential | None:
    return presented(read(fields), method, SHAPES)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (("authorization", f"Bearer {KEY}"), "api_key"),
        (("Authorization", f"bearer  {KEY}"), "api_key"),
        (("x-api-key", "a-key-made-elsewhere-1234"), "api_key"),
        (("authorization", "Bearer hbks_test_x"), "session"),
        (("authorization", f"Bearer {jws('at+jwt')}"), "jwt"),
        (("authorization", f"Bearer {jws('ctx+jwt')}"), "context_token"),
        (("cookie", "a=b; sid=hbks_test_x; c=d"), "session"),
    ],
)
def test_a_credential_is_known_by_its_shape(field: tuple[str, str], kind: str) -> None:
    found = credential(field)
    assert found is not None
    assert found.WhichOneof("kind") == kind


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Basic YTpi"),),
        (("authorization", "Bearer"),),
        (("authorization", f"Bearer {KEY} {KEY}"),),
        (("authorization", "Bearer " + "x" * 300),),
        (("authorization", "Bearer " + jws("at+jwt").replace(".e30.", f".{'e' * 8000}.") + "x" * 300),),
        (("x-api-key", "two words"),),
        (("cookie", "other=hbks_test_x"),),
        (("cookie", "sid="),),
        (("cookie", "sid=hbks_test_x"), ("origin", "null")),
    ],
    ids=range(11),
)
def test_what_is_no_credential_is_none(fields: tuple[tuple[str, str], ...]) -> None:
    assert credential(*fields) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", ""])
def test_a_cookie_changes_nothing_without_a_page_that_it_comes_from(method: str) -> None:
    assert credential(("cookie", "sid=hbks_test_x"), method=method) is None
    assert credential(("cookie", "sid=hbks_test_x"), ORIGIN, method=method) is not None


@pytest.mark.parametrize(
    "fields",
    [
        (("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")),
        (("authorization", f"Bearer {KEY}"), ("Authorization", "Bearer other")),
        (("authorization", f"Bearer {KEY}"), ("x-api-key", KEY)),
        (("x-api-key", KEY), ("x_api_key", KEY)),
        (("x_api_key", KEY), ("x-api-key", KEY)),
        (("x-api-key", KEY), ("X.Api.Key", KEY)),
        (("x_api_key", KEY),),
        (("origin", "https://a.example"), ("origin", "https://b.example")),
        (("cookie", "sid=one; sid=two"),),
        (("cookie", "sid=one"), ("cookie", "sid=two")),
        (("authorization", f"Bearer {KEY}\r\nx-hauberk-user: root"),),
        (("authorization", "Bearer caf\u00e9"),),
        (("authorization", f"Bearer {KEY},Bearer {KEY}"),),
        (("x-api-key", f"{KEY},{KEY}"),),
        (("authorization", f"Bearer {KEY}"), ("origin", "https://a.example,https://b.example")),
    ],
    ids=range(15),
)
def test_two_readings_are_refused(fields: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(HeadersError):
        credential(*fields)


@given(
    st.lists(st.sampled_from("-_.~!"), min_size=2, max_size=2),
    st.text(alphabet="abcxyzABC-_09", min_size=1, max_size=12),
    st.booleans(),
)
def test_every_spelling_of_our_prefix_is_taken_from_the_client(marks: list[str], rest: str, upper: bool) -> None:
    name = f"x{marks[0]}hauberk{marks[1]}{rest}"
    name = name.upper() if upper else name
    headers = read([(name, "acme")])
    assert headers.claimed == (name,)
    assert not headers.fields
    assert folded(name).startswith("x-hauberk-")


@pytest.mark.parametrize("name", ["txn-token", "Txn_Token"])
def test_the_metadata_of_our_own_calls_is_taken_as_well(name: str) -> None:
    assert read([(name, "x")]).claimed == (name,)


@pytest.mark.parametrize("value", ["true", "True"])
def test_a_partial_body_never_passes(value: str) -> None:
    with pytest.raises(HeadersError):
        whole(read([("x-envoy-auth-partial-body", value)]))
    assert whole(read([("x-envoy-auth-partial-body", "false")])).fields


def test_both_forms_of_envoy_are_read() -> None:
    http = pb.AttributeContext.HttpRequest(headers={":path": "/", "a": "1"})
    http.header_map.headers.add(key="b", raw_value=b"\xff")
    http.header_map.headers.add(key="c", value="3")
    assert dict(read(pairs(http)).fields) == {"a": "1", "b": "\xff", "c": "3"}
    http.header_map.headers.add(key="authorization", raw_value=b"Bearer x")
    http.headers["authorization"] = "Bearer y"
    with pytest.raises(HeadersError):
        read(pairs(http))


def test_only_the_session_leaves_the_cookies() -> None:
    assert without_cookie("a=b; sid=x;c=d; sid=y", ("sid",)) == "a=b; c=d"
    assert without_cookie("sid=x", ("sid",)) == ""
    assert without_cookie("side=x", ("sid",)) == "side=x"
