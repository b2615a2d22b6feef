"""Where the choices of organisations come from: PostgreSQL, read again after some seconds, the last good ones kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from services.guardrail.policy import own
from services.guardrail.policy.model import PolicyError
from services.guardrail.policy.own import Chosen, Own
from services.guardrail.policy.rules import RuleBook
from services.guardrail.ports import StoredChoice
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.errors import Unavailable
from services.kit.logs import logger
from services.kit.postgres import Database

FRESH = 2.0  # seconds that a choice may be older than what is stored
_MOST = 10_000  # organisations that are remembered
_READ = "SELECT brand, document FROM guardrail.policies WHERE org_id = %s ORDER BY brand"
_GET = "SELECT document, version FROM guardrail.policies WHERE org_id = %s AND brand = %s"
_PUT = """
INSERT INTO guardrail.policies (org_id, brand, document, version, changed_by)
VALUES (%(org)s, %(brand)s, %(document)s, 1, %(user)s)
ON CONFLICT (org_id, brand) DO UPDATE
   SET document = excluded.document, version = guardrail.policies.version + 1, changed_by = excluded.changed_by,
       changed_at = clock_timestamp()
RETURNING version
"""
_REPLACE = """
UPDATE guardrail.policies
   SET document = %(document)s, version = version + 1, changed_by = %(user)s, changed_at = clock_timestamp()
 WHERE org_id = %(org)s AND brand = %(brand)s AND version = %(expected)s
RETURNING version
"""


class FilePolicies:
    """Implements `ports.Policies` from the operator's policy alone."""

    def __init__(self, book: Callable[[], RuleBook]) -> None:
        self._book = book

    async def of(self, caller: Caller) -> Own:
        """See the port."""
        return own.own_of(self._book(), caller.organisation, caller.brand, {})


@dataclass(slots=True)
class _Known:
    at: float
    version: str
    chosen: dict[str, Chosen]


class PostgresPolicies:
    """Implements `ports.Policies` and `ports.ChoiceStore`."""

    def __init__(self, database: Database, book: Callable[[], RuleBook], clock: Clock) -> None:
        self._database = database
        self._book = book
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, caller: Caller) -> Own:
        """See the port."""
        now = self._clock.now()
        known = self._known.get(caller.organisation)
        if known is None or not 0 <= now - known.at < FRESH:
            known = await self._again(caller, known, now)
        return own.own_of(self._book(), caller.organisation, caller.brand, known.chosen, known.version)

    async def _again(self, caller: Caller, known: _Known | None, now: float) -> _Known:
        try:
            async with self._database.tenant(caller) as connection:
                rows = await (await connection.execute(_READ, [caller.organisation])).fetchall()
            chosen = {brand: own.chosen(caller.organisation, brand, document) for brand, document in rows}
        except (Unavailable, PolicyError) as error:
            if known is None:
                raise Unavailable("postgres") from None
            if isinstance(error, PolicyError):
                logger().error("guardrail.choices_refused", organisation=caller.organisation)
            known.at = now
            return known
        found = _Known(now, own.version_of([(str(brand), str(document)) for brand, document in rows]), chosen)
        self._known[caller.organisation] = found
        self._known.move_to_end(caller.organisation)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return found

    async def get(self, caller: Caller, brand: str) -> StoredChoice | None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_GET, [caller.organisation, brand])).fetchone()
        return StoredChoice(*row) if row else None

    async def put(self, caller: Caller, brand: str, document: str, expected: int) -> int:
        """See the port."""
        values = {
            "org": caller.organisation,
            "brand": brand,
            "document": document,
            "user": caller.subject,
            "expected": expected,
        }
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_REPLACE if expected else _PUT, values)).fetchone()
        self._known.pop(caller.organisation, None)
        return int(row[0]) if row else 0
