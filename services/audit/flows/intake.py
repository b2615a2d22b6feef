"""Taking events in: personal fields sealed, durable, then acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from services.audit.flows.vault import Vault
from services.audit.policy import Catalogue, Record, encode
from services.audit.policy.personal import split
from services.audit.ports import Batch, ErasedMeanwhileError, Inbox
from services.kit.errors import Unavailable
from services.kit.sealing import SealBrokenError

_ATTEMPTS = 3


class Intake:
    """`stored` is called when something is waiting to be sealed."""

    def __init__(self, inbox: Inbox, vault: Vault, catalogue: Catalogue, stored: Callable[[], None]) -> None:
        self._inbox, self._vault, self._catalogue, self._stored = inbox, vault, catalogue, stored

    async def take(self, records: Sequence[Record]) -> int:
        """Keeps events that hold the rules; returns how many were not known. Raises Unavailable."""
        for _ in range(_ATTEMPTS):
            try:
                count = await self._inbox.take_in(await self._batches(records))
            except ErasedMeanwhileError:
                self._vault.forget()
                continue
            except SealBrokenError:
                break
            self._stored()
            return count
        raise Unavailable("audit")

    async def _batches(self, records: Sequence[Record]) -> dict[str, Batch]:
        bodies: dict[str, list[bytes]] = defaultdict(list)
        keys: dict[str, set[str]] = defaultdict(set)
        splits = [split(record, self._catalogue[record.code]) for record in records]
        held = await self._vault.prepare(splits)
        for each in splits:
            kept, needed = self._vault.seal(each, held)
            bodies[kept.organisation].append(encode(kept))
            keys[kept.organisation] |= needed
        return {name: Batch(found, sorted(keys[name])) for name, found in bodies.items()}
