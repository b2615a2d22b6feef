-- Reads what is held against subjects; when asked, wipes it, and sets counters to zero.
-- KEYS: subjects, all in one slot.
-- ARGV: rules of penalties as MessagePack (or empty), wipe (0|1), 1 when a limit's windows are a calendar's, then ids of
--       limits to set to zero (of every subject): `reset.lua`.
-- Reply: now ms, or alone why nothing was done (-1, -2: `reset.lua`); then for each subject: score, strikes, level, until ms, reports by kind as JSON, counters set to zero
--        as JSON: [field, what it was] each.

local rules = ARGV[1] ~= '' and cmsgpack.unpack(ARGV[1])
local reply = {now_ms}

for _, key in ipairs(KEYS) do
  local why_not = ARGV[4] and hindered(key, ARGV[3] == '1')
  if why_not then
    return {why_not}
  end
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
  for i = 4, #ARGV do
    for _, pair in ipairs(zero(key, ARGV[i])) do
      cleared[#cleared + 1] = pair
    end
  end
  for _, value in ipairs({score, strikes, level, till, cjson.encode(why.n), cjson.encode(cleared)}) do
    reply[#reply + 1] = value
  end
end
return reply
