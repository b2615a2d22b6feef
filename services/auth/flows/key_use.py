"""The use of API keys: gathered in memory beside the requests, written in batches; and digests brought up to date.

A process that dies loses less than a minute of "last used", and nothing that any decision rests on.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from services.auth.flows.minting import Minter
from services.auth.policy.api_keys import KeyRecord
from services.auth.policy.identity import Presented, network_of
from services.auth.ports import Digest
from services.auth.ports.keys import Upgrade, Use, UseStore
from services.kit.clock import Clock
from services.kit.errors import KitError
from services.kit.logs import logger

FLUSH_SECONDS = 60.0
MOST_KEYS = 20_000
MOST_PLACES = 20  # of one key in one minute: a stolen key in many hands must not fill the memory
_BATCH = 500

_Key = tuple[str, str]


class UseLog:
    """What is to be written. Nothing here waits: `note` is a few dictionary steps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._uses: OrderedDict[_Key, OrderedDict[tuple[str, str], int]] = OrderedDict()
        self._upgrades: OrderedDict[_Key, Upgrade] = OrderedDict()

    def note(self, record: KeyRecord, presented: Presented, active: Digest) -> None:
        """An accepted key: who used it, and whether its digest is still of an older pepper."""
        key = (record.organisation, record.key_id)
        places = self._uses.setdefault(key, OrderedDict())
        place = (presented.workload, network_of(presented.address))
        places[place] = int(self._clock.now() // 60) * 60
        places.move_to_end(place)
        if len(places) > MOST_PLACES:
            places.popitem(last=False)
        if len(self._uses) > MOST_KEYS:
            self._uses.popitem(last=False)
        if record.pepper and record.pepper != active.pepper:
            self._upgrades[key] = Upgrade(record.key_id, record.pepper, active)
            if len(self._upgrades) > MOST_KEYS:
                self._upgrades.popitem(last=False)

    def take(self) -> dict[str, tuple[list[Use], list[Upgrade]]]:
        """Everything gathered so far, by organisation; it is then forgotten here."""
        uses, self._uses = self._uses, OrderedDict()
        upgrades, self._upgrades = self._upgrades, OrderedDict()
        found: dict[str, tuple[list[Use], list[Upgrade]]] = {}
        for (organisation, key_id), places in uses.items():
            listed = found.setdefault(organisation, ([], []))[0]
            listed += [Use(key_id, workload, network, minute) for (workload, network), minute in places.items()]
        for (organisation, _), upgrade in upgrades.items():
            found.setdefault(organisation, ([], []))[1].append(upgrade)
        return found

    def put_back(self, organisation: str, uses: list[Use], upgrades: list[Upgrade]) -> None:
        """What could not be written; what was gathered since is newer."""
        for use in uses:
            places = self._uses.setdefault((organisation, use.key_id), OrderedDict())
            places.setdefault((use.workload, use.network), use.minute)
        for upgrade in upgrades:
            self._upgrades.setdefault((organisation, upgrade.key_id), upgrade)
        while len(self._uses) > MOST_KEYS:
            self._uses.popitem(last=False)


class UseWriter:
    """Writes the log each minute, one organisation after the other."""

    def __init__(self, log: UseLog, store: UseStore, minter: Minter, every: float = FLUSH_SECONDS) -> None:
        self._log = log
        self._store = store
        self._minter = minter
        self._every = every

    async def keep_writing(self) -> None:
        """For ever; what fails is tried again with the next batch."""
        while True:
            await asyncio.sleep(self._every)
            await self.flush()

    async def flush(self) -> None:
        """Writes what there is. Once the store did not answer, the rest of the batch is not tried."""
        away = False
        for organisation, (uses, upgrades) in self._log.take().items():
            try:
                if not away:
                    await self._write(organisation, uses, upgrades)
            except Exception as error:  # noqa: BLE001 - what writes for everybody must not end for any cause
                away = isinstance(error, KitError)
                logger().warning("auth.key_use_not_written", error_class=type(error).__name__)
                if away:
                    self._log.put_back(organisation, uses, upgrades)
                continue
            if away:
                self._log.put_back(organisation, uses, upgrades)

    async def _write(self, organisation: str, uses: list[Use], upgrades: list[Upgrade]) -> None:
        for start in range(0, len(uses), _BATCH):
            await self._store.record(self._minter.proof(organisation), uses[start : start + _BATCH])
        for start in range(0, len(upgrades), _BATCH):
            await self._store.upgrade(self._minter.proof(organisation), upgrades[start : start + _BATCH])
