-- Puts budgets back that this store has lost, as the ledger has them at one offset. While the mark is missing nothing
-- else writes here, so an offset that moved means that somebody else was done first: then nothing is written.
-- KEYS: the stream, the mark, the index of holds. ARGV: offset, last part (0|1), life of the mark ms, parts as JSON:
--   fields [[subject, field, window, amount, life ms], ...], the older window first
--   settled [[id, workload, state, micro-USD, life ms], ...]
-- then holds: id, expiry us, life ms, the hold as it was packed.
-- Reply: 1 done, 0 the offset moved, 2 it is marked already.

local log, mark, index = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', mark) == 1 then
  return 2
end
local last = '0-0'
if redis.call('EXISTS', log) == 1 then
  local about = redis.call('XINFO', 'STREAM', log)
  for i = 1, #about, 2 do
    if about[i] == 'last-generated-id' then
      last = about[i + 1]
    end
  end
end
if last ~= ARGV[1] or redis.call('XLEN', log) > 0 then
  return 0
end

local prefix = string.sub(index, 1, -3)
local parts = cjson.decode(ARGV[4])
for _, row in ipairs(parts.fields) do
  local key = prefix .. row[1]
  local own, amount = tonumber(row[3]), tonumber(row[4])
  local w, cur, prev = read_state(redis.call('HGET', key, row[2]))
  -- Never less than is known here: the ledger may be the one that was put back from a copy.
  if not w or w < own then
    redis.call('HSET', key, row[2], state(own, amount, 0))
  elseif w == own and cur < amount then
    redis.call('HSET', key, row[2], state(own, amount, prev))
  end
  if redis.call('PTTL', key) < tonumber(row[5]) then
    redis.call('PEXPIRE', key, row[5])
  end
end

for _, row in ipairs(parts.settled) do
  local settled = {s = row[3], w = row[2], m = tonumber(row[4])}
  redis.call('SET', prefix .. 'h:' .. row[1], cmsgpack.pack(settled), 'PX', row[5], 'NX')
end

for i = 5, #ARGV, 4 do
  local key, expires, life = prefix .. 'h:' .. ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('SET', key, ARGV[i + 3], 'PX', life, 'NX') then
    redis.call('ZADD', index, expires, key)
    if redis.call('PTTL', index) < tonumber(life) then
      redis.call('PEXPIRE', index, life)
    end
    for _, live in ipairs(cmsgpack.unpack(ARGV[i + 3]).v) do
      redis.call('ZADD', live, expires, key)
      redis.call('PEXPIRE', live, life)
    end
  end
end

if ARGV[2] == '1' then
  redis.call('SET', mark, '1', 'PX', ARGV[3])
end
return 1
