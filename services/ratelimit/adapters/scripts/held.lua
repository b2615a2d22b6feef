-- Reads what is held against subjects; when asked, wipes it, and sets counters to zero.
-- KEYS: subjects, all in one slot.
-- ARGV: rules of penalties as MessagePack (or empty), wipe (0|1), then ids of limits to set to zero (of every subject).
-- Reply: now ms; then for each subject: score, strikes, level, until ms, reports by kind as JSON, counters set to zero
--        as JSON: [field, what it was] each.
--
-- A counter is set to zero, not taken away: a missing one would look like one that was lost.

local rules = ARGV[1] ~= '' and cmsgpack.unpack(ARGV[1])
local reply = {now_ms}

local function zero(key, id)
  local found = {}
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, #id + 1) == id .. '|' then
      local value = redis.call('HGET', key, name)
      local window = match(value, '^(%d+):%d+:%d+$')
      redis.call('HSET', key, name, window and window .. ':0:0' or '0')
      found[#found + 1] = {name, value}
    end
  end
  return found
end

for _, key in ipairs(KEYS) do
  local kept = redis.call('HMGET', key, 'pen', 'why')
  local score, strikes, level, till = 0, 0, 0, 0
  if rules then
    score, strikes, level, till = penalty(kept[1], rules)
  end
  local why = kept[2] and cmsgpack.unpack(kept[2]) or {n = {}}
  if ARGV[2] == '1' then
    redis.call('HDEL', key, 'pen', 'why', 'near')
  end
  local cleared = {}
  for i = 3, #ARGV do
    for _, pair in ipairs(zero(key, ARGV[i])) do
      cleared[#cleared + 1] = pair
    end
  end
  for _, value in ipairs({score, strikes, level, till, cjson.encode(why.n), cjson.encode(cleared)}) do
    reply[#reply + 1] = value
  end
end
return reply
