-- Where the ledger stands. KEYS: the stream, the mark of a whole store.
-- Reply: id of the last entry ever added, entries that wait, marked (0|1).

local last = '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
  local about = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #about, 2 do
    if about[i] == 'last-generated-id' then
      last = about[i + 1]
    end
  end
end
return {last, redis.call('XLEN', KEYS[1]), redis.call('EXISTS', KEYS[2])}
