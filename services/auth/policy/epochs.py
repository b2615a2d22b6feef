"""Revocation epochs: counters that only rise. Whatever was issued before a rise is not accepted after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.kit.caller import Epochs

ORGANISATION = "o"


@dataclass(frozen=True, slots=True)
class Mark:
    """The epoch of one thing, and when it last rose (unix seconds; 0 = never)."""

    epoch: int = 0
    raised_at: float = 0.0


Marks = Mapping[str, Mark]


def user(subject: str) -> str:
    """Name of a user's epoch."""
    return f"u:{subject}"


def brand(name: str) -> str:
    """Name of a brand's epoch."""
    return f"b:{name}"


def key(key_id: str) -> str:
    """Name of a key's epoch."""
    return f"k:{key_id}"


def names(subject: str, brand_name: str, key_id: str) -> list[str]:
    """The epochs that a caller stands on; an empty part is left out."""
    found = [ORGANISATION, user(subject)]
    if brand_name:
        found.append(brand(brand_name))
    if key_id:
        found.append(key(key_id))
    return found


def overtaken(issued_at: float, marks: Marks, slack: float = 0.0) -> bool:
    """Whether anything was revoked at or after the moment of issue.

    The issuer's clock may run ahead of ours by `slack`. The key's own epoch is compared as a number instead.
    """
    return any(
        mark.epoch > 0 and issued_at <= mark.raised_at + slack
        for name, mark in marks.items()
        if not name.startswith("k:")
    )


def snapshot(marks: Marks, subject: str, brand_name: str, key_id: str) -> Epochs:
    """The numbers that a token carries. A name that was not read is an error, never zero."""
    return Epochs(
        user=marks[user(subject)].epoch,
        organisation=marks[ORGANISATION].epoch,
        brand=marks[brand(brand_name)].epoch if brand_name else 0,
        key=marks[key(key_id)].epoch if key_id else 0,
    )
