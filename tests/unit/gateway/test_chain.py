"""The chain is checked when the process starts."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.stages import STAGES, ChainError, OnFailure, Stage, check_chain

NAMES = [stage.name for stage in STAGES]


def stage(name: str, *needs: str, share: float = 0.5) -> Stage:
    return Stage(name, "service", needs, OnFailure.CLOSED, share, "something")


def test_the_shipped_chain_is_sound() -> None:
    check_chain(STAGES, NAMES)


def test_every_stage_after_auth_is_closed() -> None:
    assert [s.name for s in STAGES if s.on_failure is not OnFailure.CLOSED] == ["address"]


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ([stage("a"), stage("a")], "a stands twice"),
        ([stage("a"), stage("unheard")], "unheard is unknown"),
        ([stage("a", "gone")], "a needs gone"),
        ([stage("a", "b"), stage("b", "a")], "a, b wait for one another"),
        ([stage("a", "a")], "a wait for one another"),
        ([stage("a", share=0.0)], "share"),
        ([stage("a", share=1.5)], "share"),
    ],
)
def test_a_chain_that_cannot_run_is_a_start_up_error(stages: list[Stage], says: str) -> None:
    with pytest.raises(ChainError, match=says):
        check_chain(stages, ["a", "b"])


@pytest.mark.parametrize("missing", NAMES)
def test_a_stage_without_implementation_is_a_start_up_error(missing: str) -> None:
    with pytest.raises(ChainError, match=missing):
        check_chain(STAGES, [name for name in NAMES if name != missing])


def test_a_stage_cannot_be_changed_at_run_time() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        STAGES[1].on_failure = OnFailure.OPEN  # type: ignore[misc]
