"""A changed policy is taken up while the service runs; one that is not a policy never is."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from services.ratelimit.adapters import policy_file
from services.ratelimit.adapters.policy_file import PolicyFile
from services.ratelimit.policy import PolicyDocument
from services.ratelimit.settings import DEFAULT_POLICY

GOOD = DEFAULT_POLICY.read_text()
OTHER = GOOD.replace("limit: 10000,", "limit: 77,")


class Watched:
    """A policy file and what was adopted from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(GOOD)
        self.adopted: list[PolicyDocument] = []
        self.file = PolicyFile(path, self.adopted.append)
        assert self.file.look()

    @property
    def address(self) -> object:
        return self.adopted[-1].limits[0].limit


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "ratelimit.yaml")


def test_a_change_is_adopted_once(watched: Watched) -> None:
    assert not watched.file.look()
    watched.path.write_text(OTHER)
    assert watched.file.look()
    assert not watched.file.look()
    assert watched.address == 77


@pytest.mark.parametrize("broken", ["", "limits: [", GOOD + "surprise: 1\n", GOOD.replace("limit: 15,", "limit: -15,")])
def test_what_is_no_policy_leaves_the_last_good_one(watched: Watched, broken: str) -> None:
    watched.path.write_text(broken)
    assert not watched.file.look()
    assert len(watched.adopted) == 1
    watched.path.write_text(OTHER)
    assert watched.file.look()
    assert watched.address == 77


def test_a_file_that_is_gone_leaves_the_last_good_one(watched: Watched) -> None:
    watched.path.unlink()
    assert not watched.file.look()
    watched.path.write_text(GOOD)
    assert watched.file.look()
    assert [policy.label for policy in watched.adopted] == [watched.adopted[0].label] * 2


def test_a_file_behind_a_link_that_is_swapped_is_seen(tmp_path: Path) -> None:
    link, other = tmp_path / "ratelimit.yaml", tmp_path / "other.yaml"
    (tmp_path / "first.yaml").write_text(GOOD)
    other.write_text(OTHER)
    link.symlink_to(tmp_path / "first.yaml")
    adopted: list[PolicyDocument] = []
    file = PolicyFile(link, adopted.append)
    file.look()
    link.unlink()
    link.symlink_to(other)
    assert file.look()
    assert adopted[-1].limits[0].limit == 77


async def test_it_is_looked_at_again_and_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_file, "_EVERY_SECONDS", 0.01)
    task = asyncio.create_task(watched.file.keep_fresh())
    try:
        watched.path.write_text("limits: [")
        await asyncio.sleep(0.05)
        watched.path.write_text(OTHER)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if len(watched.adopted) == 2:
                break
        assert watched.address == 77
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
