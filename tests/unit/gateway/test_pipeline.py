"""What the pipeline does with refusals, failures, time and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from hauberk.common.v1 import decision_pb2 as decision
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline import ALLOW, DENY, Pipeline, Ran, Result
from gateway.stages import OnFailure, Stage
from services.kit.errors import DeadlineExceeded, InvalidArgument, KitError, Unavailable, Violation

Runner = Callable[[Any], Awaitable[Result]]
OK = Result(ALLOW, decision.REASON_NONE)
NO = Result(DENY, decision.REASON_NOT_PERMITTED)


def stage(name: str, *needs: str, on_failure: OnFailure = OnFailure.CLOSED, share: float = 1.0) -> Stage:
    return Stage(name, "service", needs, on_failure, share, "something")


def answers(result: Result) -> Runner:
    async def run(_: Any) -> Result:
        return result

    return run


def raises(error: BaseException) -> Runner:
    async def run(_: Any) -> Result:
        raise error

    return run


async def one(runner: Runner, *, on_failure: OnFailure = OnFailure.CLOSED, budget: float = 1.0) -> Result:
    ran = await Pipeline([stage("a", on_failure=on_failure)], {"a": runner}).run(None, budget)
    return ran[0].result


async def test_the_first_refusal_stops_what_comes_after() -> None:
    reached: list[str] = []

    async def late(_: Any) -> Result:
        reached.append("late")
        return OK

    ran = await Pipeline([stage("a"), stage("b", "a")], {"a": answers(NO), "b": late}).run(None, 1.0)

    assert [(r.stage, r.result.outcome) for r in ran] == [("a", DENY)]
    assert reached == []


async def test_a_refusal_cancels_what_runs_beside_it() -> None:
    ended: list[str] = []

    async def slow(_: Any) -> Result:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append("slow")
        return OK

    async def soon(_: Any) -> Result:
        await asyncio.sleep(0.01)
        return NO

    ran = await Pipeline([stage("slow"), stage("soon")], {"slow": slow, "soon": soon}).run(None, 5.0)

    assert [r.stage for r in ran] == ["soon"]
    assert ended == ["slow"]


async def test_stages_whose_needs_are_met_run_concurrently() -> None:
    both = asyncio.Barrier(2)

    async def meet(_: Any) -> Result:
        await both.wait()
        return OK

    ran = await Pipeline([stage("a"), stage("b")], {"a": meet, "b": meet}).run(None, 1.0)

    assert all(r.result.allowed for r in ran)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("redis"), decision.REASON_STAGE_UNAVAILABLE),
        (KitError(grpc.StatusCode.INTERNAL, "X", "x"), decision.REASON_STAGE_UNAVAILABLE),
        (DeadlineExceeded(), decision.REASON_DEADLINE_SPENT),
        (TimeoutError(), decision.REASON_DEADLINE_SPENT),
    ],
)
async def test_a_closed_stage_that_cannot_decide_refuses(error: Exception, reason: int) -> None:
    result = await one(raises(error))

    assert (result.outcome, result.reason, result.degraded) == (DENY, reason, True)


async def test_an_open_stage_that_cannot_decide_passes_marked() -> None:
    result = await one(raises(Unavailable("redis")), on_failure=OnFailure.OPEN)

    assert (result.outcome, result.degraded) == (ALLOW, True)


async def test_a_result_without_an_outcome_refuses() -> None:
    assert not (await one(answers(Result()))).allowed
    assert not (await one(answers(Result(decision.OUTCOME_UNSPECIFIED)))).allowed


async def test_a_stage_gets_its_share_of_the_time_and_no_more() -> None:
    async def slow(_: Any) -> Result:
        await asyncio.sleep(10)
        return OK

    ran = await Pipeline([stage("a", share=0.5)], {"a": slow}).run(None, 0.1)

    assert ran[0].result.reason == decision.REASON_DEADLINE_SPENT
    assert ran[0].seconds < 0.5


async def test_a_wrong_field_that_only_a_service_sees_is_the_callers_to_correct() -> None:
    with pytest.raises(InvalidArgument):
        await one(raises(InvalidArgument(Violation("texts", "too large"))))


async def test_an_unexpected_error_is_never_an_allow() -> None:
    with pytest.raises(RuntimeError):
        await one(raises(RuntimeError("boom")), on_failure=OnFailure.OPEN)


async def test_cancelling_the_caller_cancels_the_stages() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def slow(_: Any) -> Result:
        started.set()
        try:
            await asyncio.sleep(10)
        finally:
            ended.set()
        return OK

    task = asyncio.create_task(Pipeline([stage("a")], {"a": slow}).run(None, 60.0))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@given(st.lists(st.sampled_from([OK, NO, None]), min_size=1, max_size=6))
def test_admitted_only_when_every_stage_said_allow(outcomes: list[Result | None]) -> None:
    """For any mix of allow, deny and failure in a chain of closed stages."""
    names = [f"s{i}" for i in range(len(outcomes))]
    stages = [stage(name, *names[:i]) for i, name in enumerate(names)]
    runners = {
        name: raises(Unavailable("x")) if outcome is None else answers(outcome)
        for name, outcome in zip(names, outcomes, strict=True)
    }

    async def run() -> list[Ran]:
        return await Pipeline(stages, runners).run(None, 1.0)

    ran = asyncio.run(run())
    complete = len(ran) == len(stages) and all(r.result.allowed for r in ran)
    assert complete == all(outcome is OK for outcome in outcomes)


async def test_the_whole_chain_ends_with_its_budget_whatever_the_shares_say() -> None:
    async def slow(_: Any) -> Result:
        await asyncio.sleep(0.08)
        return OK

    names = ["a", "b", "c"]
    stages = [stage(name, *names[:i]) for i, name in enumerate(names)]
    ran = await Pipeline(stages, dict.fromkeys(names, slow)).run(None, 0.12)

    assert [r.result.reason for r in ran] == [decision.REASON_NONE, decision.REASON_DEADLINE_SPENT]
