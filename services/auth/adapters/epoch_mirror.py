"""Revocation epochs in Redis: one hash per organisation, read on every call in one round trip.

Why it is never behind the ledger: the hash is only believed by the server process that filled it (a restart from disk,
or a replica that took over, has another run id and starts empty); a name is withheld before the ledger changes, so that
even a crash between the two leaves readers with the ledger; and an epoch never goes down.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from services.auth.policy.epochs import Mark
from services.kit.redis import RedisStore, Script

LIFE_SECONDS = 900
WITHHELD_SECONDS = 60  # longer than any transaction that raises an epoch can live

# INFO is a few microseconds; it is what ties the hash to the life of this server process.
_RUN = "local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')\n"
_OPEN = (
    _RUN
    + """
local now = tonumber(redis.call('TIME')[1])
local function open()
  if redis.call('HGET', KEYS[1], 'run') ~= run then
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'run', run)
    redis.call('EXPIRE', KEYS[1], """
    + str(LIFE_SECONDS)
    + """)
  end
end
local function raise_to(name, epoch, at)
  local known = redis.call('HGET', KEYS[1], name)
  if not known or tonumber(string.match(known, '^%d+')) < tonumber(epoch) then
    redis.call('HSET', KEYS[1], name, epoch .. ':' .. at)
  end
end
"""
)
READ = Script(
    "auth epochs",
    _RUN
    + "if redis.call('HGET', KEYS[1], 'run') ~= run then return {} end\n"
    + "return redis.call('HMGET', KEYS[1], unpack(ARGV))",
)
FILL = Script(
    "auth epochs fill",
    _OPEN
    + """
open()
for i = 1, #ARGV, 3 do
  local withheld = redis.call('HGET', KEYS[1], 'w:' .. ARGV[i])
  if not withheld or tonumber(string.match(withheld, '^%d+')) <= now then
    if withheld then redis.call('HDEL', KEYS[1], 'w:' .. ARGV[i]) end
    raise_to(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  end
end
""",
)
WITHHOLD = Script(
    "auth epochs withhold",
    _OPEN
    + """
open()
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], 'w:' .. ARGV[1], (now + ARGV[3]) .. ':' .. ARGV[2])
if redis.call('TTL', KEYS[1]) < 2 * ARGV[3] then redis.call('EXPIRE', KEYS[1], 2 * ARGV[3]) end
""",
)
PUBLISH = Script(
    "auth epochs publish",
    _OPEN
    + """
open()
local withheld = redis.call('HGET', KEYS[1], 'w:' .. ARGV[1])
if withheld and string.match(withheld, ':(.*)$') ~= ARGV[2] then return end
redis.call('HDEL', KEYS[1], 'w:' .. ARGV[1])
raise_to(ARGV[1], ARGV[3], ARGV[4])
""",
)


class RedisEpochMirror:
    """`services.auth.ports.EpochMirror` over one hash per organisation."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    async def read(self, organisation: str, names: Sequence[str]) -> list[Mark | None]:
        """One script; nothing is changed."""
        values = await self._store.run(READ, [_key(organisation)], list(names))
        return [_mark(value) for value in values] if values else [None] * len(names)

    async def fill(self, organisation: str, marks: Mapping[str, Mark]) -> None:
        """Whatever is withheld stays so."""
        args = [part for name, mark in marks.items() for part in (name, mark.epoch, repr(mark.raised_at))]
        await self._store.run(FILL, [_key(organisation)], args)

    async def withhold(self, organisation: str, name: str) -> str:
        """The last one to withhold a name is the one who may publish it."""
        token = secrets.token_hex(8)
        await self._store.run(WITHHOLD, [_key(organisation)], [name, token, WITHHELD_SECONDS])
        return token

    async def publish(self, organisation: str, name: str, mark: Mark, token: str) -> None:
        """When somebody withheld the name after us, this changes nothing."""
        await self._store.run(PUBLISH, [_key(organisation)], [name, token, mark.epoch, repr(mark.raised_at)])


def _key(organisation: str) -> str:
    return f"hk:auth:{{{organisation}}}:epochs"


def _mark(value: bytes | None) -> Mark | None:
    if value is None:
        return None
    epoch, _, raised_at = value.partition(b":")
    return Mark(int(epoch), float(raised_at))
