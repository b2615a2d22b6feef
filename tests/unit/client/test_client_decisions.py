"""What a backend is told: only ALLOW is true, and a refusal holds nothing that could be used by mistake."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb

from hauberk_client import Client, Connection, Message, Tls, Undecided, bearer
from hauberk_client.decisions import Admission, admission, completed, tool_call
from hauberk_client.tracing import headers, trace, valid

REFUSALS = [value for value in (*common.Outcome.values(), 77) if value != common.OUTCOME_ALLOW]
KEY = "hbk_test_" + "0" * 49
SESSION = "hbks_test_" + "0" * 49


def asked(outcome: Any) -> pb.AdmitResponse:
    """An answer of a gateway that says no and sends everything all the same."""
    return pb.AdmitResponse(
        outcome=outcome,
        messages=[pb.SanitisedMessage(text="hello")],
        admission="adm_x",
        canary="c",
        context_token="t",
        context=b"k",
        safe_reply=pb.SafeReply(text="No."),
    )


@pytest.mark.parametrize("outcome", REFUSALS)
def test_whatever_is_not_allow_is_false_and_empty(outcome: int) -> None:
    refused = admission(asked(outcome))
    assert not refused
    assert (refused.messages, refused.handle, refused.canary, refused.context_token, refused.context) == (
        (),
        "",
        "",
        "",
        b"",
    )
    assert refused.reply == "No."
    answer = completed(pb.CompleteResponse(outcome=outcome, text="secret", restored=1))  # type: ignore[arg-type]
    assert (bool(answer), answer.text, answer.restored) == (False, "", 0)
    call = tool_call(pb.AuthorizeToolCallResponse(outcome=outcome, arguments_json="{}"))  # type: ignore[arg-type]
    assert (bool(call), call.arguments) == (False, "")


def test_an_outcome_of_a_later_version_has_a_name() -> None:
    assert admission(asked(77)).outcome == "UNKNOWN"
    assert admission(pb.AdmitResponse()).outcome == "UNSPECIFIED"


def test_allow_is_true() -> None:
    allowed = admission(asked(common.OUTCOME_ALLOW))
    assert allowed
    assert (allowed.messages, allowed.handle) == (("hello",), "adm_x")
    assert "hello" not in repr(allowed)
    assert "adm_x" not in repr(allowed)


@pytest.mark.parametrize("digest", ["", "0" * 64, hashlib.sha256(b"{ }").hexdigest()])
def test_arguments_with_another_digest_are_not_handed_out(digest: str) -> None:
    answer = pb.AuthorizeToolCallResponse(outcome=common.OUTCOME_ALLOW, arguments_json="{}", arguments_sha256=digest)
    with pytest.raises(Undecided):
        tool_call(answer)
    answer.arguments_sha256 = hashlib.sha256(b"{}").hexdigest()
    assert tool_call(answer).arguments == "{}"


async def test_a_refused_admission_cannot_be_completed(tmp_path: Any) -> None:
    client = Client(Connection(Tls(tmp_path, tmp_path, tmp_path), "127.0.0.1:1"))
    refused = Admission(outcome="DENY", reason="INJECTION")
    with pytest.raises(ValueError, match="refused"):
        await client.complete(refused, "text")
    with pytest.raises(ValueError, match="refused"):
        await client.authorize_tool_call(refused, "t", "{}")
    with pytest.raises(ValueError, match="credential"):
        await client.admit("hello", conversation="c")


@pytest.mark.parametrize("message", [Message("x", role="ROOT"), Message("x", source="GOD"), Message("x", role="")])
def test_a_role_that_the_contract_does_not_have_is_refused_here(message: Message) -> None:
    with pytest.raises(ValueError):
        message.to_proto()


def test_a_key_that_others_may_read_is_not_used(tmp_path: Any) -> None:
    key = tmp_path / "key.pem"
    key.write_text("k")
    key.chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        Tls(tmp_path / "c", key, tmp_path / "a").credentials()


@pytest.mark.parametrize(
    "value", ["", " ", "two words", "tab\there", "nul\0", "é" * 30, "x" * 257, "eyJ." + "a." * 5000]
)
def test_what_can_be_no_credential_is_not_asked_about(value: str) -> None:
    assert bearer(value) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [(KEY, "api_key"), (SESSION, "session"), ("eyJh.e30.c2ln", "jwt"), ("imported-from-elsewhere-1", "api_key")],
)
def test_a_bearer_token_is_taken_for_what_it_looks_like(value: str, kind: str) -> None:
    credential = bearer(value)
    assert credential is not None
    assert credential.WhichOneof("kind") == kind


GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "header",
    [
        "",
        GOOD.upper(),
        GOOD + "-more",
        "ff" + GOOD[2:],
        GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        GOOD.replace("00f067aa0ba902b7", "0" * 16),
        GOOD[:-1],
        GOOD + "\n",
    ],
)
def test_a_malformed_trace_is_not_passed_on(header: str) -> None:
    assert not valid(header)
    with trace(header):
        assert headers()["traceparent"] != header
    assert headers() == {}


def test_a_trace_is_passed_on_as_it_came() -> None:
    with trace(GOOD) as trace_id:
        assert headers() == {"traceparent": GOOD}
        with trace() as inner:
            assert inner != trace_id
        assert headers() == {"traceparent": GOOD}
    assert trace_id == GOOD[3:35]
