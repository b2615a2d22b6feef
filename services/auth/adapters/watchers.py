"""Who follows the feed, in one hash in Redis that every process of auth writes and reads."""

from __future__ import annotations

from services.auth.ports import Progress
from services.kit.redis import RedisStore, Script

# Braces as everywhere, around what is no organisation's name.
_KEY = "hk:auth:{_feed}:watchers"
RECENT_SECONDS = 60
MOST = 10_000

NOTE = Script(
    "auth watcher",
    """
local now = tonumber(redis.call('TIME')[1])
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return end
redis.call('HSET', KEYS[1], ARGV[1], now .. ':' .. ARGV[2] .. ':' .. ARGV[3])
redis.call('EXPIRE', KEYS[1], 3600)
""",
)
RECENT = Script(
    "auth watchers",
    """
local now, found = tonumber(redis.call('TIME')[1]), {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at, rest = string.match(all[i + 1], '^(%d+):(.*)$')
  if now - tonumber(at) > tonumber(ARGV[1]) then
    redis.call('HDEL', KEYS[1], all[i])
  else
    table.insert(found, all[i])
    table.insert(found, (now - tonumber(at)) .. ':' .. rest)
  end
end
return found
""",
)


class RedisWatchers:
    """`services.auth.ports.Watchers`; losing it loses nothing but a view of things."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    async def note(self, process: str, sequence: int, following: bool) -> None:
        """By Redis's own clock."""
        await self._store.run(NOTE, [_KEY], [process, sequence, int(following), MOST])

    async def recent(self) -> list[Progress]:
        """Whoever was not heard of for a minute is forgotten."""
        values = await self._store.run(RECENT, [_KEY], [RECENT_SECONDS])
        pairs = zip(values[::2], values[1::2], strict=True)
        return [_progress(name.decode(), *value.split(b":")) for name, value in pairs]


def _progress(process: str, age: bytes, sequence: bytes, following: bytes) -> Progress:
    return Progress(process, int(sequence), following == b"1", float(age))
