"""What a person and a program read of a decision, and of many."""

from __future__ import annotations

import io

import pytest
from google.protobuf import json_format
from hauberk.common.v1 import decision_pb2 as common
from hauberk.gateway.v1 import gateway_service_pb2 as pb
from hauberk.ratelimit.v1 import ratelimit_service_pb2 as limits_pb
from rich.console import Console, RenderableType

from cli.decision import KEYS, as_dict, outer
from cli.latency import percentile, summary
from cli.show import decision
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
    text = printed(render(tally))
    assert "ratelimit: over a rate limit" in text and "bad lines" in text and "p99 3.0, max 3.0 ms" in text
