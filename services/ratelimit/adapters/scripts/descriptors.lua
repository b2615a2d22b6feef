-- Descriptors of an edge proxy.
-- KEYS: one hash per descriptor, all in the slot of their domain.
-- ARGV: as JSON for each key: hits, settle (0|1), life of the state ms, {{field, algorithm, capacity, period, observe
--       (0|1)}, ...}.
-- Reply: for each limit in order: 1 fits, 0 later, 2 never; remaining, wait us, reset us.

local groups, allowed, known = cjson.decode(ARGV[1]), true, {}

-- First pass: read everything, decide, write nothing.
for g, group in ipairs(groups) do
  local hits, settle, specs, names = group[1], group[2] == 1, group[4], {}
  for i, spec in ipairs(specs) do
    names[i] = spec[1]
  end
  local values = redis.call('HMGET', KEYS[g], unpack(names))
  for i, spec in ipairs(specs) do
    local algo, cap, period = spec[2], spec[3], spec[4]
    local w, cur, prev
    if algo == GCRA then
      w = whole(values[i])
    else
      w, cur, prev = view(algo, period, read_state(values[i]))
    end
    local fits, wait = 1, 0
    if not settle or hits == 0 then
      -- To look means to ask whether there is room for one more.
      fits, wait = check(algo, cap, period, max(hits, 1), w, cur, prev)
    end
    if fits ~= 1 and spec[5] == 0 then
      allowed = false
    end
    known[#known + 1] = {fits, wait, w, cur, prev}
  end
end

-- Second pass: charge all of them, or none but what was used already.
local reply, n = {}, 0
for g, group in ipairs(groups) do
  local hits, fields = group[1], {}
  local charged = hits > 0 and (allowed or group[2] == 1)
  for _, spec in ipairs(group[4]) do
    n = n + 1
    local algo, cap, period = spec[2], spec[3], spec[4]
    local fits, wait, w, cur, prev = unpack(known[n], 1, 5)
    if charged and fits == 1 then
      fields[#fields + 1] = spec[1]
      if algo == GCRA then
        w = w + hits * period
        fields[#fields + 1] = int(w)
      else
        cur = cur + hits
        fields[#fields + 1] = state(w, cur, prev)
      end
    end
    local left, reset = standing(algo, cap, period, w, cur, prev)
    reply[4 * n - 3], reply[4 * n - 2], reply[4 * n - 1], reply[4 * n] = fits, left, wait, reset
  end
  if #fields > 0 then
    redis.call('HSET', KEYS[g], unpack(fields))
    redis.call('PEXPIRE', KEYS[g], int(group[3]))
  end
end
return reply
