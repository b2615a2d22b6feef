"""The rules of each organisation: the policy file, and what the organisation stored on top of it.

A change is in force in every process within `seconds`: so often, at most, the count of changes is looked at, on use and
with the caller's own proof. While the store is away the last good rules stay in force; before the first ones nothing is
served, because a text that was not searched for everything is not a clean text.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.redaction.engine import Redactor
from services.redaction.policy.model import RulesError
from services.redaction.policy.own import Own, book_of
from services.redaction.policy.rules import RuleBook
from services.redaction.ports import OwnStore

# Organisations, and compiled patterns of all of them, that are remembered: each pattern may come to hold a megabyte.
_ORGANISATIONS = 4096
_PATTERNS = 512


@dataclass(slots=True)
class _Entry:
    """The last good book of an organisation."""

    version: int
    patterns: int
    book: RuleBook
    looked: float


class Books:
    """One book for each organisation."""

    def __init__(self, base: RuleBook, store: OwnStore, clock: Clock, *, seconds: float) -> None:
        self.base = base
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._patterns = 0
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, caller: Caller) -> RuleBook:
        """The book in force for the caller's organisation; raises Unavailable when there never was one."""
        organisation = caller.organisation
        if found := self._fresh(organisation):
            return found.book
        lock = self._locks.setdefault(organisation, asyncio.Lock())
        async with lock:  # one looks, the others wait for what it sees
            if found := self._fresh(organisation):
                return found.book
            known = self._entries.get(organisation)
            try:
                if known is not None and await self._store.version(caller) == known.version:
                    known.looked = self._clock.now()
                    return known.book
                return self._keep(organisation, await self._store.read(caller))
            except Unavailable:
                if known is None:
                    raise
                known.looked = self._clock.now()
                return known.book

    def changed(self, organisation: str) -> None:
        """This process made a change: it looks at the next call."""
        if known := self._entries.get(organisation):
            known.looked = float("-inf")

    def _fresh(self, organisation: str) -> _Entry | None:
        found = self._entries.get(organisation)
        if found is None or not 0 <= self._clock.now() - found.looked < self._seconds:
            return None
        self._entries.move_to_end(organisation)
        return found

    def _keep(self, organisation: str, own: Own) -> RuleBook:
        try:
            book = book_of(self.base, organisation, own)
        except RulesError:  # stored by a version that took what this one does not: not served without it
            raise Unavailable("recognizers") from None
        if before := self._entries.pop(organisation, None):
            self._patterns -= before.patterns
        self._entries[organisation] = _Entry(own.version, len(own.recognizers), book, self._clock.now())
        self._patterns += len(own.recognizers)
        while len(self._entries) > _ORGANISATIONS or (self._patterns > _PATTERNS and len(self._entries) > 1):
            self._patterns -= self._entries.popitem(last=False)[1].patterns
        return book


class Redactors:
    """A redactor for each call, with the book of its organisation."""

    def __init__(self, books: Books, make: Callable[[RuleBook], Redactor]) -> None:
        self._books = books
        self._make = make
        # Knows what the file says and nothing of any organisation: for what needs no rules.
        self.plain = make(books.base)

    async def of(self, caller: Caller) -> Redactor:
        """Raises Unavailable when the organisation's rules were never to be had."""
        return self._make(await self._books.of(caller))
