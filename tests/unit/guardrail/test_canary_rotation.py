"""A canary that was given out under an old key is still found in an answer after a rotation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from services.guardrail.output import Output, Piece
from services.guardrail.policy import canary
from services.kit.caller import Caller
from services.kit.keys import CANARY, Derived, VersionedSecret

T = TypeVar("T")
OLD, NEW = VersionedSecret("0001", b"o" * 32), VersionedSecret("0002", b"n" * 32)
CALLER = Caller(
    organisation="acme", subject="ada", brand="", txn="t", workload="backend/shop", org_mac="p", expires_at=1
)


class Keys:
    """Versions as a test says."""

    kept: Sequence[VersionedSecret] = (OLD,)

    def versions(self, name: str) -> Sequence[VersionedSecret]:
        return self.kept


class Here:
    """Works on the spot."""

    async def run(self, characters: int, work: Callable[[], T]) -> T:
        return work()


class Inside(Exception):
    """The answer went past the search for canaries."""


class Nothing:
    """Stands for rules and detector: whoever asks has passed."""

    def __getattr__(self, name: str) -> Any:
        raise Inside


async def withheld(output: Output, mark: str) -> bool:
    try:
        return (await output.inspect(CALLER, "", Piece("talk", f"It says {mark} here."))).withheld
    except Inside:
        return False


async def test_every_version_finds_its_own_canaries_until_it_is_withdrawn() -> None:
    keys, nothing = Keys(), Nothing()
    rules: Any = nothing
    output = Output(rules, Here(), rules, rules, Derived(keys, CANARY, tuple), 1000)
    old, new = (canary.make(version.value, "acme", "talk") for version in (OLD, NEW))
    assert [await withheld(output, old), await withheld(output, new)] == [True, False]
    keys.kept = (NEW, OLD)
    assert [await withheld(output, old), await withheld(output, new)] == [True, True]
    keys.kept = (NEW,)
    assert [await withheld(output, old), await withheld(output, new)] == [False, True]
