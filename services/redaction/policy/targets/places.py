"""All readings together: what may be done with a value at the present place of a text."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from services.redaction.policy.targets.brackets import Definition, LinkTarget
from services.redaction.policy.targets.hosts import allowed
from services.redaction.policy.targets.line import Line
from services.redaction.policy.targets.tags import RawText, Tag
from services.redaction.policy.targets.url_run import UrlRun

_LAZY = 4096


class Place(Enum):
    """What a place in a text allows; the first one is the refusal."""

    TARGET = 0
    ALLOWED_TARGET = 1
    SHOWN = 2


class Reader(Protocol):
    """One kind of target, followed piece by piece. Pieces may be cut anywhere: the answer is the same."""

    def feed(self, text: str) -> None:
        """Goes on by a piece of text."""
        ...

    def target(self) -> str | None:
        """None outside of a target; inside, what it holds so far, or empty when that cannot be told."""
        ...


class Places:
    """Follows a text as it is delivered. The readers are independent: one that is misled does not mislead another."""

    def __init__(self, hosts: frozenset[str], *further: Reader) -> None:
        self._hosts = hosts
        self.line = Line()
        self._readers: tuple[Reader, ...] = (UrlRun(), LinkTarget(), Definition(), Tag(), RawText(), *further)
        self._unread: list[str] = []
        self._size = 0

    def feed(self, text: str) -> None:
        """Goes on by a piece of text; read only when a placeholder asks, or when much has come together."""
        self._unread.append(text)
        self._size += len(text)
        if self._size > _LAZY:
            self._read()

    def here(self) -> Place:
        """What the place after everything fed so far allows; brings `line` up to it, too."""
        self._read()
        targets = [target for reader in self._readers if (target := reader.target()) is not None]
        if not targets:
            return Place.SHOWN
        return Place.ALLOWED_TARGET if all(allowed(t, self._hosts) for t in targets) else Place.TARGET

    def _read(self) -> None:
        text = "".join(self._unread)
        self._unread.clear()
        self._size = 0
        if text:
            self.line.feed(text)
            for reader in self._readers:
                reader.feed(text)
