"""What a person and a program read of a decision, and of many."""

from __future__ import annotations

import io

import pytest
from google.protobuf import json_format
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits_pb
from rich.console import Console, RenderableType

from cli.decision import COMPLETE_KEYS, KEYS, TOOL_KEYS, as_dict, outer
from cli.failure import Failure
from cli.latency import percentile, summary
from cli.show import completion, decision, tool_call
from cli.tally import Tally, render
from cli.words import outcome_name, wait_words


def printed(part: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=110, color_system=None)
    console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def allowed() -> pb.AdmitResponse:
    answer = pb.AdmitResponse(outcome=common.OUTCOME_ALLOW, reason=common.REASON_NONE, admission="adm_x", txn="t-1")
    verdict = answer.verdicts.add(stage="redaction", outcome=common.OUTCOME_ALLOW, degraded=True)
    verdict.reason = common.REASON_PERSONAL_DATA_REPLACED
    verdict.duration.FromMicroseconds(1250)
    answer.messages.add(role=common.ROLE_USER, text="[bold]mail <EMAIL_ADDRESS>[/]", entities=["EMAIL_ADDRESS"])
    answer.entities_not_searched.append("PERSON")
    answer.limits.add(id="organisation.money.day", unit=limits_pb.UNIT_MICRO_USD, limit=5_000_000, remaining=1_250_000)
    return answer


def throttled() -> pb.AdmitResponse:
    answer = pb.AdmitResponse(
        outcome=common.OUTCOME_THROTTLE, reason=common.REASON_RATE_LIMITED, decided_by="ratelimit"
    )
    answer.retry_after.FromMilliseconds(42_400)
    answer.verdicts.add(stage="ratelimit", outcome=common.OUTCOME_THROTTLE, reason=common.REASON_RATE_LIMITED)
    answer.verdicts.add(stage="redaction", reason=common.REASON_NOT_REACHED)
    return answer


def test_the_json_has_every_key_always() -> None:
    for answer in (pb.AdmitResponse(), allowed(), throttled()):
        assert tuple(as_dict(answer)) == KEYS
    found = as_dict(throttled())
    assert found["outcome"] == "OUTCOME_THROTTLE"
    assert found["retry_after"] == "42.400s"
    assert found["degraded"] is False
    assert as_dict(allowed())["retry_after"] is None


def test_the_json_is_the_message() -> None:
    found = {key: value for key, value in as_dict(allowed()).items() if value is not None}
    assert json_format.ParseDict(found, pb.AdmitResponse()) == allowed()


def test_two_refusals_compare_without_ids_and_times() -> None:
    one, other = throttled(), throttled()
    other.txn, other.trace_id = "other", "f" * 32
    other.verdicts[0].duration.FromMilliseconds(3)
    assert outer(one) == outer(other)
    other.reason = common.REASON_BUDGET_EXHAUSTED
    assert outer(one) != outer(other)


def test_an_allowed_request_shows_the_model_s_view_as_it_is() -> None:
    text = printed(decision(allowed()))
    for part in ("allowed", "1.25 ms", "[bold]mail <EMAIL_ADDRESS>[/]", "PERSON", "adm_x", "1.2500 of 5.00 US dollars"):
        assert part in text
    assert "fallback" in text


def test_a_throttled_request_says_who_why_and_when() -> None:
    text = printed(decision(throttled()))
    assert "throttled by ratelimit: over a rate limit; try again in 42 s" in text
    assert "not reached: redaction" in text


def completed() -> pb.CompleteResponse:
    answer = pb.CompleteResponse(
        outcome=common.OUTCOME_ALLOW, reason=common.REASON_NONE, text="[i]mail a@b.example[/]", restored=1, txn="t-1"
    )
    answer.settlement, answer.micro_usd = limits_pb.SETTLEMENT_APPLIED, 1234
    answer.verdicts.add(stage="restore", outcome=common.OUTCOME_ALLOW, reason=common.REASON_NONE)
    return answer


def refused_call() -> pb.AuthorizeToolCallResponse:
    answer = pb.AuthorizeToolCallResponse(outcome=common.OUTCOME_DENY, reason=common.REASON_TOOL_CALL_REFUSED)
    answer.repair = "days: an integer from 1 to 31"
    answer.verdicts.add(stage="admission", outcome=common.OUTCOME_ALLOW, reason=common.REASON_NONE)
    answer.verdicts.add(stage="tool", outcome=common.OUTCOME_DENY, reason=common.REASON_TOOL_CALL_REFUSED)
    answer.safe_reply.text = "Please try again."
    return answer


def test_the_json_of_the_way_back_has_every_key_always() -> None:
    for answer in (pb.CompleteResponse(), completed()):
        assert tuple(as_dict(answer)) == COMPLETE_KEYS
    for call in (pb.AuthorizeToolCallResponse(), refused_call()):
        assert tuple(as_dict(call)) == TOOL_KEYS
    fields = {field.name for field in pb.CompleteResponse.DESCRIPTOR.fields}
    assert fields == set(COMPLETE_KEYS)
    assert {field.name for field in pb.AuthorizeToolCallResponse.DESCRIPTOR.fields} == set(TOOL_KEYS)
    assert {field.name for field in pb.AdmitResponse.DESCRIPTOR.fields} == set(KEYS)


def test_an_answer_shows_what_the_user_sees_and_what_it_cost() -> None:
    text = printed(completion(completed()))
    for part in (
        "allowed",
        "the user sees  [i]mail a@b.example[/]",
        "reservation  applied, 0.001234 US dollars",
        "t-1",
    ):
        assert part in text
    assert "a@b.example" not in printed(completion(completed(), shown=True))
    assert "not settled by this call" in printed(completion(pb.CompleteResponse()))


def test_a_refused_tool_call_says_by_whom_and_how_to_repair_it() -> None:
    text = printed(tool_call(refused_call()))
    assert "denied by tool: the tool call was refused" in text
    assert "the model is told  days: an integer from 1 to 31" in text
    assert "the user is told  Please try again." in text


def test_an_allowed_tool_call_shows_the_bytes_and_their_digest() -> None:
    call = pb.AuthorizeToolCallResponse(
        outcome=common.OUTCOME_ALLOW, arguments_json='{"days":7}', arguments_sha256="a" * 64
    )
    text = printed(tool_call(call))
    assert '{"days":7}' in text and "a" * 64 in text


@pytest.mark.parametrize("value", [0, 99])
def test_an_unstated_or_unknown_outcome_is_a_denial(value: int) -> None:
    assert outcome_name(value) == "DENY"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0.4 s"), (42.4, "42 s"), (600, "10 min"), (75_000, "20 h 50 min")]
)
def test_waits_read_well(seconds: float, words: str) -> None:
    assert wait_words(seconds) == words


def test_percentiles_are_of_the_nearest_rank() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.9, 0.99, 1.0)] == [50, 90, 99, 100]
    assert percentile([], 0.5) == 0.0
    assert summary([0.001])["p99"] == 1.0


def test_a_tally_sums_up() -> None:
    tally = Tally(users=2, seconds=2.0, bad_lines=1)
    tally.count(allowed(), 0.001)
    tally.count(throttled(), 0.003)
    found = tally.as_dict()
    assert found["outcomes"] == {"ALLOW": 1, "THROTTLE": 1}
    assert found["refused_by"] == [{"layer": "ratelimit", "reason": "RATE_LIMITED", "count": 1}]
    assert found["entities"] == {"EMAIL_ADDRESS": 1}
    assert found["with_personal_data"] == 1
    assert found["per_second"] == 1.0
    assert found["undecided"] == 0
    assert found["completions"] == {} and found["restored_values"] == 0
    text = printed(render(tally))
    assert "stand-in" not in text
    assert "ratelimit: over a rate limit" in text and "bad lines" in text and "p99 3.0, max 3.0 ms" in text


def test_answers_given_back_are_counted() -> None:
    tally = Tally(users=1, seconds=1.0)
    withheld = pb.CompleteResponse(outcome=common.OUTCOME_DENY, reason=common.REASON_OUTPUT_WITHHELD)
    withheld.verdicts.add(stage="output", outcome=common.OUTCOME_DENY, reason=common.REASON_OUTPUT_WITHHELD)
    tally.count_completion(completed(), 0.002)
    tally.count_completion(withheld, 0.001)
    found = tally.as_dict()
    assert found["completions"] == {"ALLOW": 1, "DENY": 1}
    assert found["completions_refused_by"] == [{"layer": "output", "reason": "OUTPUT_WITHHELD", "count": 1}]
    assert found["restored_values"] == 1
    assert found["completion_latency_ms"]["max"] == 2.0
    assert found["undecided"] == 0
    text = printed(render(tally))
    assert "answers of a stand-in model: 2, 1 values restored" in text
    assert "output: the output was withheld" in text


def test_what_could_not_be_decided_is_counted_apart_from_what_was_refused() -> None:
    tally = Tally()
    tally.count(throttled(), 0.001)
    unable = pb.AdmitResponse(outcome=common.OUTCOME_DENY, reason=common.REASON_STAGE_UNAVAILABLE, decided_by="auth")
    tally.count(unable, 0.001)
    tally.fail(Failure("UNAVAILABLE", "DEPENDENCY_UNAVAILABLE", "redis is unavailable"), 0.001)
    tally.fail_completion(Failure("DEADLINE_EXCEEDED", "", ""), 0.001)
    assert tally.undecided == 3
    assert tally.as_dict()["completion_errors"] == {"DEADLINE_EXCEEDED": 1}
    assert "not decided" in printed(render(tally))
