"""The brands of a caller's organisation in PostgreSQL."""

from __future__ import annotations

import psycopg

from services.kit.caller import Caller
from services.kit.errors import FailedPrecondition
from services.kit.postgres import Connection, Database
from services.tenancy.adapters.rows import BRAND, brand_of
from services.tenancy.flows.masks import hold
from services.tenancy.policy import Brand

_GET = f"SELECT {BRAND} FROM tenancy.brands b WHERE b.org_id = %s AND b.brand_id = %s"  # noqa: S608 - constants
_PUT = f"""
INSERT INTO tenancy.brands AS b (org_id, brand_id, display_name, zone)
SELECT o.org_id, %(brand)s, %(name)s, coalesce(nullif(%(zone)s, ''), o.default_zone)
  FROM tenancy.organisations o WHERE o.org_id = %(org)s
ON CONFLICT (org_id, brand_id) DO UPDATE SET display_name = excluded.display_name,
    zone = coalesce(nullif(%(zone)s, ''), b.zone)
RETURNING {BRAND}
"""  # noqa: S608 - constants
_UPDATE = f"""
UPDATE tenancy.brands b SET display_name = coalesce(%s, b.display_name), zone = coalesce(%s, b.zone)
WHERE b.org_id = %s AND b.brand_id = %s RETURNING {BRAND}
"""  # noqa: S608 - constants
_LIST = f"""
SELECT {BRAND} FROM tenancy.brands b
WHERE b.org_id = %s AND b.brand_id > %s AND (%s::text[] IS NULL OR b.brand_id = ANY (%s)) ORDER BY b.brand_id LIMIT %s
"""  # noqa: S608 - constants
# One deletion at a time: two that each leave the other one cannot both succeed.
_LOCK = "SELECT FROM tenancy.organisations o WHERE o.org_id = %s FOR NO KEY UPDATE"
# What no foreign key holds: it names its brand for a while, or names none by an empty text.
_USED = """
SELECT (SELECT count(*) FROM (SELECT FROM tenancy.brands b WHERE b.org_id = %(org)s LIMIT 2) two) < 2,
       EXISTS (SELECT FROM tenancy.member_brands x WHERE x.org_id = %(org)s AND x.brand_id = %(brand)s)
    OR EXISTS (SELECT FROM tenancy.invitations x WHERE x.org_id = %(org)s AND %(brand)s = ANY (x.brands)
               AND x.accepted_at IS NULL AND x.voided_at IS NULL AND x.expires_at > clock_timestamp())
    OR EXISTS (SELECT FROM tenancy.resources x WHERE x.org_id = %(org)s AND x.brand_id = %(brand)s)
    OR EXISTS (SELECT FROM tenancy.chunks x WHERE x.org_id = %(org)s AND x.brand_id = %(brand)s)
    OR EXISTS (SELECT FROM tenancy.conversations x WHERE x.org_id = %(org)s AND x.brand_id = %(brand)s)
"""
_DELETE = "DELETE FROM tenancy.brands WHERE org_id = %s AND brand_id = %s"


class PostgresBrands:
    """Implements `ports.directory.Brands`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, caller: Caller, brand: Brand) -> Brand:
        """See the port."""
        values = {"org": caller.organisation, "brand": brand.brand, "name": brand.display_name, "zone": brand.zone}
        async with self._database.tenant(caller) as connection:
            if brand.etag:
                found = await _locked(connection, caller, brand.brand)
                hold(brand.etag, found.etag if found else None)
            row = await (await connection.execute(_PUT, values)).fetchone()
        return brand_of(row) if row else brand

    async def get(self, caller: Caller, brand: str) -> Brand | None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            row = await (await connection.execute(_GET, [caller.organisation, brand])).fetchone()
        return brand_of(row) if row else None

    async def update(self, caller: Caller, brand: str, name: str | None, zone: str | None, etag: str) -> Brand | None:
        """See the port."""
        async with self._database.tenant(caller) as connection:
            found = await _locked(connection, caller, brand)
            if found is None:
                return None
            hold(etag, found.etag)
            row = await (await connection.execute(_UPDATE, [name, zone, caller.organisation, brand])).fetchone()
        return brand_of(row) if row else None

    async def delete(self, caller: Caller, brand: str, etag: str) -> bool:
        """See the port."""
        org = caller.organisation
        async with self._database.tenant(caller) as connection:
            await connection.execute(_LOCK, [org])
            found = await _locked(connection, caller, brand)
            if found is None:
                return False
            hold(etag, found.etag)
            row = await (await connection.execute(_USED, {"org": org, "brand": brand})).fetchone()
            last, used = row or (True, True)
            if last:
                raise FailedPrecondition("LAST_BRAND", "an organisation keeps at least one brand")
            try:
                await connection.execute(_DELETE, [org, brand])
            except psycopg.errors.ForeignKeyViolation:
                used = True
            if used:  # raised here, so that nothing is deleted
                raise FailedPrecondition(
                    "BRAND_IN_USE",
                    "members, invitations, resources, documents or conversations are still of this brand",
                )
        return True

    async def list(self, caller: Caller, only: frozenset[str] | None, after: str, limit: int) -> tuple[Brand, ...]:
        """See the port."""
        among = None if only is None else sorted(only)
        async with self._database.tenant(caller) as connection:
            rows = await connection.execute(_LIST, [caller.organisation, after, among, among, limit])
            return tuple([brand_of(row) async for row in rows])


async def _locked(connection: Connection, caller: Caller, brand: str) -> Brand | None:
    row = await (await connection.execute(_GET + " FOR UPDATE", [caller.organisation, brand])).fetchone()
    return brand_of(row) if row else None
