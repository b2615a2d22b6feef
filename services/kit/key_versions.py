"""Versions of a key: how they are named, when each begins to be used, and which one is the active one.

A version is introduced first and used later. Its name says from when: `0002-20260131t120000z` signs and seals from that
moment (UTC) on, and is accepted from the moment its file is seen. Every process reads the same name, so all of them
change over together, without talking. A name without a moment counts at once: that is for first versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

KID = re.compile(r"[a-z0-9-]{1,32}")
_MOMENT = re.compile(r"-(\d{8}t\d{6}z)$")
_FORMAT = "%Y%m%dt%H%M%Sz"
_NUMBER = re.compile(r"\d+")


class KeyMissingError(ValueError):
    """A key is missing, unreadable or readable by others: the process does not start. Names the key, shows nothing."""


@dataclass(frozen=True, slots=True)
class VersionedSecret:
    """One version of a key; its bytes never print."""

    kid: str
    value: bytes = field(repr=False)


def begins_at(kid: str) -> float:
    """From when (unix seconds) a version is used; 0 for a name that does not say. Raises KeyMissingError."""
    match = _MOMENT.search(kid)
    if match is None:
        return 0.0
    try:
        return datetime.strptime(match[1], _FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise KeyMissingError(f"version {kid}: its name ends in a moment that does not exist") from None


def next_kid(existing: Iterable[str], begins: float) -> str:
    """The name of a version that comes after all of `existing` and is used from `begins` (unix seconds) on."""
    numbers = [int(match[0]) for kid in existing if (match := _NUMBER.search(kid))]
    return f"{max(numbers, default=0) + 1:04d}-{datetime.fromtimestamp(int(begins), UTC).strftime(_FORMAT)}"


def ordered(versions: Iterable[VersionedSecret], now: float) -> tuple[VersionedSecret, ...]:
    """The active version first: the greatest whose moment has come. The rest from the greatest down.

    When no moment has come yet (the active one was withdrawn in an emergency), the next in line serves.
    """
    falling = sorted(versions, key=lambda version: natural(version.kid), reverse=True)
    if not falling:
        return ()
    active = next((version for version in falling if begins_at(version.kid) <= now), falling[-1])
    return (active, *(version for version in falling if version is not active))


def next_change(versions: Sequence[VersionedSecret], now: float) -> float:
    """When another version becomes the active one; infinity when none waits."""
    return min((moment for version in versions if (moment := begins_at(version.kid)) > now), default=float("inf"))


def natural(kid: str) -> list[str | int]:
    """Orders `k9` before `k10`: runs of digits count as numbers."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", kid)]
