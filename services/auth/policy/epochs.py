"""Revocation epochs: counters that only rise. Whatever was issued before a rise is not accepted after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.kit.caller import Epochs
from services.kit.epochs import Grounds


@dataclass(frozen=True, slots=True)
class Mark:
    """The epoch of one thing, and when it last rose (unix seconds; 0 = never)."""

    epoch: int = 0
    raised_at: float = 0.0


Marks = Mapping[str, Mark]
_ONCE = ("s:", "t:")
_COUNTED = ("k:", "h:")  # judged by their number, not by when it rose


def overtaken(issued_at: float, marks: Marks, slack: float = 0.0) -> bool:
    """Whether anything was revoked at or after the moment of issue.

    The issuer's clock may run ahead of ours by `slack`. The key's own epoch is compared as a number instead; a session
    and an issuer's single token are never good again once revoked.
    """
    return any(
        mark.epoch > 0 and (name.startswith(_ONCE) or issued_at <= mark.raised_at + slack)
        for name, mark in marks.items()
        if not name.startswith(_COUNTED)
    )


def held(marks: Marks) -> bool:
    """Whether a hold stands on anything: its epoch is odd."""
    return any(mark.epoch % 2 == 1 for name, mark in marks.items() if name.startswith("h:"))


def snapshot(marks: Marks, grounds: Grounds) -> Epochs:
    """The numbers that a token carries. A name that was not read is an error, never zero."""
    return grounds.snapshot({name: mark.epoch for name, mark in marks.items()})
