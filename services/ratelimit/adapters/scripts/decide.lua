-- KEYS: hold, index of holds, then one hash per subject. All in one slot.
-- ARGV: mode, remember (0|1), workload, fingerprint, hold life us, memory ms, unsettled memory ms, input price,
--       output price, amounts of the units 1 to 6, limits, calendars, rules of penalties (or empty); the last three are
--       MessagePack.
-- Limits, flat: for each subject its life ms, its number of limits, 1 when it may be penalised, 1 when what it has in
--       flight is limited; its fields in the hash (`pen` first where it may be penalised); then for each limit the
--       numbers named below.
-- Reply: status (0 refused, 1 allowed, 2 request id spent, 3 clock not covered, 5 this store must be seeded
--        first, 6 the ledger is full), replayed, expiry us, now us, the
--        hardest penalty (number of its subject or 0, level, until ms, score); then for each limit: 1 fits, 0 later,
--        2 never (+4 when less was reserved than asked, +8 when the amount of a trusted account counts), remaining,
--        wait us, reset us.
-- Nothing is written on a refusal but what it adds to the score of a subject whose own rate refused.

local L_ALGO, L_UNIT, L_CAP, L_PERIOD, L_OBSERVE, L_KEEP, L_HOLD, L_TRUSTED, L_BELOW = 0, 1, 2, 3, 4, 5, 6, 7, 8
local SPEC = 9
local TAKE, PEEK, RESERVE = 1, 2, 3
local SOON = 1000000 -- when something in flight will end nobody knows; asking again after a second is cheap

local mode, remember = tonumber(ARGV[1]), ARGV[2] == '1'
local free = ARGV[8] == '0' and ARGV[9] == '0'
local cost = {}
for unit = 1, 6 do
  cost[unit] = tonumber(ARGV[9 + unit])
end
local limits, calendars = cmsgpack.unpack(ARGV[16]), cmsgpack.unpack(ARGV[17])
local rules = ARGV[18] ~= '' and cmsgpack.unpack(ARGV[18])
local replayed, expires = 0, 0

-- What is spent is spent in an organisation's whole store, or not at all.
if (mode ~= TAKE or cost[TOKENS] > 0 or cost[MONEY] > 0) and unseeded(KEYS[2]) then
  return {5, 0, 0, now}
end
if mode == RESERVE and ledger_full(KEYS[2]) then
  return {6, 0, 0, now}
end

if remember then
  reap(KEYS[2], ARGV[6])
  local raw = mode ~= PEEK and redis.call('GET', KEYS[1])
  if raw then
    local known = cmsgpack.unpack(raw)
    local alive = known.s == 'taken' or (known.s == 'held' and known.x > now)
    if not alive or known.w ~= ARGV[3] or known.f ~= ARGV[4] then
      return {2, 0, 0, now}
    end
    replayed, expires = 1, known.x
  end
end

-- How many reservations of a subject are in flight, when the last of them ends, and how long to wait for one.
local function in_flight(key, cap)
  local count = redis.call('ZCOUNT', key, '(' .. int(now), '+inf')
  if count == 0 then
    return 0, 0, 0
  end
  local last = tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]) - now
  if count < cap then
    return count, last, 0
  end
  local first = redis.call('ZRANGEBYSCORE', key, '(' .. int(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return count, last, min(SOON, tonumber(first[2]) - now)
end

-- First pass: read everything, decide, write nothing. What is found is kept in one array for each fact, by limit.
-- (Eight zeros: room for as many limits as there usually are, so that no table grows on the way.)
local function room()
  return {0, 0, 0, 0, 0, 0, 0, 0}
end
local W, CUR, PREV, BEFORE_W, AFTER_W = room(), room(), room(), room(), room()
local FITS, WAIT, TAKES, CAPS = room(), room(), room(), room()
local allowed, refused_by, pens = 1, {}, {}
local worst, worst_level, worst_until, worst_score = 0, 0, 0, 0
local n, at, group = 0, 1, 0
while limits[at] do
  group = group + 1
  local key, size, penal = KEYS[2 + group], limits[at + 1], limits[at + 2]
  local fields = at + 4
  local values = redis.call('HMGET', key, unpack(limits, fields, fields + size + penal - 1))
  at = fields + size + penal
  local weight, score = 1, 0
  if penal == 1 and rules and values[1] then
    local strikes, level, till
    score, strikes, level, till = penalty(values[1], rules)
    pens[group] = {score, strikes, level, till}
    if level > worst_level or (level > 0 and level == worst_level and till > worst_until) then
      worst, worst_level, worst_until, worst_score = group, level, till, score
    end
    if level >= SLOW and rules[ENFORCED] == 1 then
      weight = rules[LEVELS + (level == SLOW and 0 or 1)]
    end
  end
  for i = 1, size do
    n = n + 1
    local algo, unit, cap, period = limits[at], limits[at + L_UNIT], limits[at + L_CAP], limits[at + L_PERIOD]
    local trusted = limits[at + L_TRUSTED] > cap and score < limits[at + L_BELOW]
    if trusted then
      cap = limits[at + L_TRUSTED]
    end
    local w, cur, prev, before, after
    if algo == LIVE then
      w, cur, after = in_flight(key .. ':live', cap)
      prev = 0
    else
      w, cur, prev, before, after = view(algo, period, values[i + penal], calendars)
      if not w then
        return {3, 0, 0, now}
      end
    end
    local fits, wait, takes = 1, 0, cost[unit]
    if replayed == 0 then
      local need = takes
      -- A reservation that states no amount still needs room: an exhausted budget must not be entered. What is
      -- free by its price needs no money at all.
      if mode == RESERVE and need == 0 and not (free and (unit == MONEY or unit == MOST_MONEY)) then
        need = 1
      end
      if need > cap then
        fits = 2
      elseif algo == LIVE then
        if need > 0 and w + need > cap then
          fits, wait = 0, after
        end
      elseif need > 0 then
        if unit == REQUESTS and weight > 1 and takes > 0 then
          -- Slowed: the request counts as several, but never as more than fits at all.
          need = max(need, min(cap, need * weight))
          takes = need
        elseif mode == RESERVE and limits[at + L_HOLD] > 0 and need > limits[at + L_HOLD] then
          need = limits[at + L_HOLD]
          takes = need
        end
        fits, wait = check(algo, cap, period, need, w, cur, prev, after)
      end
      if fits ~= 1 and limits[at + L_OBSERVE] == 0 then
        allowed = 0
        refused_by[group] = refused_by[group] or (penal == 1 and fits == 0 and unit == REQUESTS)
      end
    end
    W[n], CUR[n], PREV[n], BEFORE_W[n], AFTER_W[n] = w, cur, prev, before, after
    FITS[n], WAIT[n], TAKES[n], CAPS[n] = fits, wait, takes, cap
    at = at + SPEC
  end
end
if worst_level == SUSPENDED and rules[ENFORCED] == 1 and replayed == 0 then
  allowed, refused_by = 0, {}
end

-- Second pass: charge all of them, or none.
if allowed == 1 and mode ~= PEEK and replayed == 0 then
  local reserve = mode == RESERVE
  local spends = not reserve and LEDGER > 0 and (cost[TOKENS] > 0 or cost[MONEY] > 0)
  local entries, keys, live = {}, {}, {}
  local m = 0
  expires = reserve and now + tonumber(ARGV[5]) or 0
  n, at, group = 0, 1, 0
  while limits[at] do
    group = group + 1
    local key, life, size, flies = KEYS[2 + group], limits[at], limits[at + 1], limits[at + 3] == 1
    local fields = at + 3 + limits[at + 2]
    local changes, c = {}, 0
    keys[group] = key
    if flies and reserve then
      live[#live + 1] = key .. ':live'
    end
    at = fields + 1 + size
    for i = 1, size do
      n = n + 1
      local algo, unit, period, amount = limits[at], limits[at + L_UNIT], limits[at + L_PERIOD], TAKES[n]
      -- A limit that only observes is counted as it would be if it were enforced.
      if algo ~= LIVE and FITS[n] == 1 then
        if amount > 0 then
          changes[c + 1] = limits[fields + i]
          c = c + 2
          if algo == GCRA then
            W[n] = W[n] + amount * period
            changes[c] = int(W[n])
          else
            CUR[n] = CUR[n] + amount
            changes[c] = format('%.0f:%.0f:%.0f', W[n], CUR[n], PREV[n])
          end
        end
        if reserve or spends then
          local window = algo ~= GCRA
          entries[m + 1], entries[m + 2], entries[m + 3], entries[m + 4] = group, limits[fields + i], algo, unit
          entries[m + 5], entries[m + 6], entries[m + 7], entries[m + 8] = amount, amount, CAPS[n], period
          entries[m + 9], entries[m + 10], entries[m + 11] = limits[at + L_KEEP], life, limits[at + L_OBSERVE]
          entries[m + 12], entries[m + 13] = window and W[n] or 0, window and BEFORE_W[n] or 0
          entries[m + 14] = window and AFTER_W[n] or 0
          m = m + ENTRY
        end
      elseif algo == LIVE and reserve then
        W[n], CUR[n] = W[n] + 1, max(CUR[n], expires - now)
      end
      at = at + SPEC
    end
    if c > 0 then
      redis.call('HSET', key, unpack(changes))
      redis.call('PEXPIRE', key, int(pens[group] and max(life, rules[PEN_LIFE]) or life))
    end
  end
  if reserve then
    local hold = {
      s = 'held', w = ARGV[3], f = ARGV[4], at = now, x = expires, pi = tonumber(ARGV[8]), po = tonumber(ARGV[9]),
      t = cost[TOKENS], m = cost[MONEY], k = keys, v = live, r = {}, e = entries,
    }
    local kept = int(ceil(tonumber(ARGV[5]) / 1000) + tonumber(ARGV[7]))
    local packed = cmsgpack.pack(hold)
    redis.call('SET', KEYS[1], packed, 'PX', kept)
    record(KEYS[2], 'open', KEYS[1], hold, packed)
    redis.call('ZADD', KEYS[2], int(expires), KEYS[1])
    redis.call('PEXPIRE', KEYS[2], kept)
    for _, name in ipairs(live) do
      redis.call('ZREMRANGEBYSCORE', name, '-inf', int(now))
      redis.call('ZADD', name, int(expires), KEYS[1])
      redis.call('PEXPIRE', name, kept)
    end
  elseif remember then
    redis.call('SET', KEYS[1], cmsgpack.pack({s = 'taken', w = ARGV[3], f = ARGV[4], x = 0}), 'PX', ARGV[6])
  end
  if spends then
    record(KEYS[2], 'taken', KEYS[1],
      {at = now, w = ARGV[3], t = cost[TOKENS], m = cost[MONEY], x = now, k = keys, e = entries})
  end
elseif mode ~= PEEK and replayed == 0 and rules and rules[STRIKE] > 0 then
  for struck, yes in pairs(refused_by) do
    if yes then
      local score, strikes, level, till = unpack(pens[struck] or {0, 0, 0, 0})
      score, strikes, level, till = penalise(rules, rules[STRIKE], score, strikes, level, till)
      write_penalty(KEYS[2 + struck], rules, score, strikes, level, till)
    end
  end
end

local reply = {
  allowed, replayed, expires, now, worst, worst_level, worst_until, worst_score,
  nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
  nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
}
local r = 8
n, at = 0, 1
while limits[at] do
  local size = limits[at + 1]
  at = at + 4 + limits[at + 2] + size
  for _ = 1, size do
    n = n + 1
    local algo, cap, fits = limits[at], CAPS[n], FITS[n]
    if fits == 1 and TAKES[n] < cost[limits[at + L_UNIT]] then
      fits = fits + 4
    end
    if cap ~= limits[at + L_CAP] then
      fits = fits + 8
    end
    local left, reset
    if algo == LIVE then
      left, reset = max(0, cap - W[n]), CUR[n]
    else
      left, reset = standing(algo, cap, limits[at + L_PERIOD], W[n], CUR[n], PREV[n], AFTER_W[n])
    end
    reply[r + 1], reply[r + 2], reply[r + 3], reply[r + 4] = fits, left, WAIT[n], reset
    r = r + 4
    at = at + SPEC
  end
end
return reply
