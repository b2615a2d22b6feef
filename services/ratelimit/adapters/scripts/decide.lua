-- KEYS: hold, index of holds, then one hash per subject. All in one slot.
-- ARGV: mode, remember (0|1), workload, fingerprint, hold life us, memory ms, unsettled memory ms, requests, tokens,
--       micro-USD, input price, output price, limits by subject as JSON, calendars as JSON.
-- Reply: status (0 refused, 1 allowed, 2 request id spent, 3 clock not covered), replayed, expiry us, now us,
--        then for each limit: fits, remaining, wait us, reset us.

local TAKE, PEEK, RESERVE = 1, 2, 3
local mode, remember = tonumber(ARGV[1]), ARGV[2] == '1'
local cost = {tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])}
local calendars = cjson.decode(ARGV[14])
local free = ARGV[11] == '0' and ARGV[12] == '0'
local replayed, expires = 0, 0

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

-- First pass: read everything, decide, write nothing.
local limits, allowed = {}, 1
for g, group in ipairs(cjson.decode(ARGV[13])) do
  local names = {}
  for i, spec in ipairs(group[2]) do
    names[i] = spec[1]
  end
  local values = redis.call('HMGET', KEYS[2 + g], unpack(names))
  for i, spec in ipairs(group[2]) do
    local l = {
      group = g, ttl = group[1], field = spec[1], algo = spec[2], unit = spec[3], cap = spec[4],
      period = spec[5], observe = spec[6] == 1, keep = spec[7],
    }
    l.state = view(l, values[i], calendars)
    if not l.state then
      return {3, 0, 0, now}
    end
    l.fits, l.wait = 1, 0
    if replayed == 0 then
      local need = cost[l.unit]
      -- A reservation that states no amount still needs room: an exhausted budget must not be entered. What is
      -- free by its price needs no money at all.
      if mode == RESERVE and not (free and l.unit == MONEY) then
        need = max(need, 1)
      end
      if need > 0 then
        l.fits, l.wait = check(l, l.state, need)
      end
      if l.fits ~= 1 and not l.observe then
        allowed = 0
      end
    end
    limits[#limits + 1] = l
  end
end

-- Second pass: charge all of them, or none.
if allowed == 1 and mode ~= PEEK and replayed == 0 then
  local entries, changes = {}, {}
  for _, l in ipairs(limits) do
    -- A limit that only observes is counted as it would be if it were enforced.
    if l.fits == 1 then
      local amount = cost[l.unit]
      if amount > 0 then
        charge(l, l.state, amount)
        local fields = changes[l.group] or {ttl = l.ttl}
        fields[#fields + 1] = l.field
        fields[#fields + 1] = encode(l, l.state)
        changes[l.group] = fields
      end
      if mode == RESERVE then
        entries[#entries + 1] = {
          key = KEYS[2 + l.group], field = l.field, algo = l.algo, unit = l.unit, amount = amount, asked = amount,
          cap = l.cap, period = l.period, keep = l.keep, ttl = l.ttl, observe = l.observe,
          w = l.state.w, before = l.state.before, after = l.state.after,
        }
      end
    end
  end
  for g, fields in pairs(changes) do
    redis.call('HSET', KEYS[2 + g], unpack(fields))
    redis.call('PEXPIRE', KEYS[2 + g], int(fields.ttl))
  end
  if mode == RESERVE then
    expires = now + tonumber(ARGV[5])
    local hold = {
      s = 'held', w = ARGV[3], f = ARGV[4], at = now, x = expires,
      pi = tonumber(ARGV[11]), po = tonumber(ARGV[12]), e = entries,
    }
    local life = int(ceil(tonumber(ARGV[5]) / 1000) + tonumber(ARGV[7]))
    redis.call('SET', KEYS[1], cmsgpack.pack(hold), 'PX', life)
    redis.call('ZADD', KEYS[2], int(expires), KEYS[1])
    redis.call('PEXPIRE', KEYS[2], life)
  elseif remember then
    redis.call('SET', KEYS[1], cmsgpack.pack({s = 'taken', w = ARGV[3], f = ARGV[4], x = 0}), 'PX', ARGV[6])
  end
end

local reply = {allowed, replayed, expires, now}
for _, l in ipairs(limits) do
  local left, reset = standing(l, l.state)
  reply[#reply + 1] = l.fits
  reply[#reply + 1] = left
  reply[#reply + 1] = l.wait
  reply[#reply + 1] = reset
end
return reply
