"""Engines that look for many expressions in one pass and say which of them may match: Hyperscan, else RE2.

Both are only ever too wide: what they name has to look, not more. Hyperscan reads the text once whatever the number of
expressions; its databases take long to make and are kept (see `stored`). RE2 is ready in milliseconds, and gives the
same answers up to that width.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import platform
import re
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import re2  # type: ignore[import-untyped]

hyperscan: Any = None
with contextlib.suppress(ImportError):  # no wheel for this machine: RE2 does it
    hyperscan = importlib.import_module("hyperscan")

_FORMAT = 1
# Bytes that RE2 may take for what it remembers of a set.
_MEMORY = 64 << 20


@dataclass(frozen=True, slots=True)
class Expression:
    """A word as it stands, or a pattern that was widened. Case never counts."""

    text: str
    word: bool

    @property
    def pattern(self) -> str:
        """For an engine."""
        return re.escape(self.text) if self.word else self.text


class Engine(Protocol):
    """Ready to search."""

    def hits(self, text: str) -> Collection[int]:
        """Places of the expressions that may match."""
        ...


class BadDatabase(ValueError):
    """Bytes that are no database of this version of Hyperscan for this machine."""


class HyperscanEngine:
    """One database, one pass without the interpreter's lock."""

    def __init__(self, expressions: Sequence[Expression], stored: bytes | None = None) -> None:
        self._scratch = threading.local()
        self._database: Any = _compiled(expressions) if stored is None else _loaded(stored)

    def hits(self, text: str) -> Collection[int]:
        """See the protocol."""
        # Each thread needs a working space of its own.
        scratch = getattr(self._scratch, "own", None)
        if scratch is None:
            scratch = self._scratch.own = hyperscan.Scratch(self._database)
        found: set[int] = set()
        add = found.add
        self._database.scan(_encoded(text), match_event_handler=lambda hit, *_: add(hit), scratch=scratch)
        return found

    def stored(self) -> bytes:
        """The database, for another start on a machine like this."""
        return bytes(hyperscan.dumpb(self._database))


class Re2Engine:
    """A set of RE2. What it cannot read counts as a hit in every text."""

    def __init__(self, expressions: Sequence[Expression]) -> None:
        options = re2.Options()
        options.case_sensitive, options.dot_nl = False, True
        options.log_errors, options.max_mem = False, _MEMORY
        self._set = re2.Set.SearchSet(options)
        self._places: list[int] = []
        unread: set[int] = set()
        for place, expression in enumerate(expressions):
            try:
                self._set.Add(expression.pattern)
                self._places.append(place)
            except re2.error:
                unread.add(place)
        # Matches everything: an answer without it means that the set gave up.
        self._set.Add("")
        self._set.Compile()
        self._unread = frozenset(unread)
        self._all = frozenset(range(len(expressions)))

    def hits(self, text: str) -> Collection[int]:
        """See the protocol."""
        found = self._set.Match(_encoded(text))
        sentinel = len(self._places)
        if sentinel not in found:
            return self._all
        return self._unread.union(self._places[hit] for hit in found if hit != sentinel)


def content_key(expressions: Sequence[Expression]) -> str:
    """The same for the same expressions, version of Hyperscan and kind of machine; another one for any other."""
    made_by = [_FORMAT, str(getattr(hyperscan, "__version__", "")), platform.machine(), _flags("x", word=False)]
    parts = [made_by, [[e.text, e.word] for e in expressions]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def quickest(expressions: Sequence[Expression]) -> Engine:
    """What is ready soonest: Hyperscan takes milliseconds for words and up to half a minute for patterns."""
    if hyperscan is not None and all(expression.word for expression in expressions):
        return HyperscanEngine(expressions)
    return Re2Engine(expressions)


def _flags(text: str, *, word: bool) -> int:
    flags = int(hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_CASELESS) if hyperscan is not None else 0
    if hyperscan is None or (word and text.isascii()):
        return flags
    flags |= int(hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_UCP)
    return flags if word else flags | int(hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_PREFILTER)


def _compiled(expressions: Sequence[Expression]) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.pattern.encode() for expression in expressions],
        ids=list(range(len(expressions))),
        flags=[_flags(expression.text, word=expression.word) for expression in expressions],
    )
    return database


def _loaded(stored: bytes) -> Any:
    try:
        return hyperscan.loadb(stored, hyperscan.HS_MODE_BLOCK)
    except hyperscan.error:
        raise BadDatabase("not a database for this machine") from None


def _encoded(text: str) -> bytes:
    """Always sound UTF-8, as the engines trust it to be."""
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a pair, as a JSON escape can make it
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
