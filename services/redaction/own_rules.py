"""What an organisation changes for itself: its recognizers, how placeholders are written, what late names mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.kit.caller import Caller
from services.kit.errors import InvalidArgument
from services.kit.permissions import Permissions, demand
from services.redaction.books import Books
from services.redaction.policy.custom import Custom, custom_of
from services.redaction.policy.model import DetectionFailed, RulesError, Scan
from services.redaction.policy.own import Choices, Own, Recognizer
from services.redaction.policy.scan import scan
from services.redaction.ports import OwnStore

MANAGE = "recognizers.manage"


class OwnRules:
    """For whoever manages recognizers, and for the caller's organisation only."""

    def __init__(self, store: OwnStore, books: Books, permissions: Permissions, *, most: int) -> None:
        self._store = store
        self._books = books
        self._permissions = permissions
        self._most = most

    async def put(
        self, caller: Caller, token: str, wanted: Recognizer, samples: Sequence[str], *, keep: bool
    ) -> tuple[Recognizer, list[Scan]]:
        """Checks a recognizer, tries it on the samples, and keeps it unless this is only a trial."""
        await self._permitted(caller, token)
        custom = _checked(wanted, self._books.base.findable)
        found = await self._tried(caller, custom, samples)
        if keep:
            wanted = await self._store.put(caller, wanted, self._most)
            self._books.changed(caller.organisation)
        return wanted, found

    async def delete(self, caller: Caller, token: str, entity: str, etag: str) -> bool:
        """Takes one away; True when there was one."""
        await self._permitted(caller, token)
        existed = await self._store.delete(caller, entity, etag)
        self._books.changed(caller.organisation)
        return existed

    async def read(self, caller: Caller, token: str) -> Own:
        """Everything that is stored, as it is now."""
        await self._permitted(caller, token)
        return await self._store.read(caller)

    async def choose(self, caller: Caller, token: str, wanted: Choices) -> Choices:
        """Replaces the choices."""
        await self._permitted(caller, token)
        made = await self._store.choose(caller, wanted)
        self._books.changed(caller.organisation)
        return made

    async def version(self, caller: Caller) -> str:
        """Version of the policy in force, changes of this very moment included."""
        return (await self._books.of(caller)).version

    async def _permitted(self, caller: Caller, token: str) -> None:
        await demand(self._permissions, token, MANAGE, caller.organisation)

    async def _tried(self, caller: Caller, custom: Custom, samples: Sequence[str]) -> list[Scan]:
        """What this recognizer alone would replace, by the organisation's own thresholds."""
        if not samples:
            return []
        rules = (await self._books.of(caller)).rules_for(caller.organisation, caller.brand)
        alone = replace(rules, entities=frozenset({custom.entity}), recognizers=(custom,))
        try:
            return [scan(text, alone, lambda _: False) for text in samples]
        except DetectionFailed:
            raise InvalidArgument.of("recognizer.pattern", "matches too much of a sample") from None


def _checked(wanted: Recognizer, taken: frozenset[str]) -> Custom:
    entry = {
        "entity": wanted.entity,
        "pattern": wanted.pattern,
        "score": wanted.score,
        "context": list(wanted.context),
    }
    try:
        return custom_of(entry, taken)
    except RulesError as error:
        raise InvalidArgument.of("recognizer", str(error).removeprefix("recognizers: ")) from None
