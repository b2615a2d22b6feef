-- Shared by every script: the clock, the state of a limit, and what becomes of a hold.
-- All amounts are integers. Lua prints numbers with 14 digits, so everything stored goes through int().

local clock = redis.call('TIME')
local now_s = tonumber(clock[1])
local now = now_s * 1000000 + tonumber(clock[2])

local GCRA, SLIDING, CALENDAR = 1, 2, 3
local REQUESTS, TOKENS, MONEY = 1, 2, 3
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min

local function int(x)
  return string.format('%.0f', x)
end

-- Price in micro-USD, rounded up once over both directions. The product may pass 2^53, so it is taken apart:
-- tokens = a * 10^4 + b.
local function priced(input, output, input_price, output_price)
  local whole, rest = 0, 0
  for _, pair in ipairs({{input, input_price}, {output, output_price}}) do
    local b = pair[1] % 10000
    local x = (pair[1] - b) / 10000 * pair[2]
    whole = whole + floor(x / 100)
    rest = rest + x % 100 * 10000 + b * pair[2]
  end
  return whole + ceil(rest / 1000000)
end

-- A windowed counter is one field, `window:current:previous`, so that its size never grows.
local function cells(value)
  if not value then
    return nil
  end
  local w, c, p = string.match(value, '^(%d+):(%d+):(%d+)$')
  return tonumber(w), tonumber(c), tonumber(p)
end

local function window_at(l, calendars)
  if l.algo == SLIDING then
    local w = floor(now / (l.period * 1000))
    return w, w - 1, w + 1
  end
  -- A calendar comes as five boundaries around the service's own "now"; which window it is, Redis decides.
  local b = calendars[l.period]
  for i = 2, 4 do
    if now_s >= b[i] and now_s < b[i + 1] then
      return b[i], b[i - 1], b[i + 1]
    end
  end
  return nil
end

-- A clock that stepped back must not reopen a window: the newer one stays.
local function later_window(l, calendars, w)
  if l.algo == SLIDING then
    return w + 1
  end
  local b = calendars[l.period]
  for i = 1, 4 do
    if b[i] == w then
      return b[i + 1]
    end
  end
  return nil
end

local function used(l, s)
  if l.algo == CALENDAR then
    return s.cur
  end
  return s.cur + ceil(s.prev * (l.period - s.elapsed) / l.period)
end

-- State of limit l at this instant, or nil when the service's calendar does not cover this clock.
local function view(l, value, calendars)
  if l.algo == GCRA then
    return {tat = max(tonumber(value or 0), now)}
  end
  local w, before, after = window_at(l, calendars)
  if not w then
    return nil
  end
  local stored, cur, prev = cells(value)
  if not stored or stored < before then
    cur, prev = 0, 0
  elseif stored == before then
    cur, prev = 0, cur
  elseif stored > w then
    before, w, after = w, stored, later_window(l, calendars, stored)
    if not after then
      return nil
    end
  elseif stored < w then
    cur, prev = 0, 0
  end
  local s = {w = w, before = before, after = after, cur = cur, prev = prev}
  if l.algo == SLIDING then
    s.start = w * l.period * 1000
    s.elapsed = max(0, floor((now - s.start) / 1000))
  end
  return s
end

-- Microseconds until `need` fits a sliding window, if nothing else happens.
local function sliding_wait(l, s, need)
  local room = l.cap - need - s.cur
  if room >= 0 then
    return s.start + (l.period - floor(room * l.period / s.prev)) * 1000 - now
  end
  local later = max(0, l.period - floor((l.cap - need) * l.period / s.cur))
  return s.start + (l.period + later) * 1000 - now
end

-- 1 fits, 0 fits later, 2 never fits; and the time to wait.
local function check(l, s, need)
  if need > l.cap then
    return 2, 0
  end
  if l.algo == GCRA then
    local late = s.tat + need * l.period - now - l.cap * l.period
    if late <= 0 then
      return 1, 0
    end
    return 0, late
  end
  if used(l, s) + need <= l.cap then
    return 1, 0
  end
  if l.algo == SLIDING then
    return 0, sliding_wait(l, s, need)
  end
  return 0, s.after * 1000000 - now
end

local function charge(l, s, amount)
  if l.algo == GCRA then
    s.tat = s.tat + amount * l.period
  else
    s.cur = s.cur + amount
  end
end

local function encode(l, s)
  if l.algo == GCRA then
    return int(s.tat)
  end
  return int(s.w) .. ':' .. int(s.cur) .. ':' .. int(s.prev)
end

-- What is left, and the microseconds until the limit is whole again (calendar: until its window ends).
local function standing(l, s)
  if l.algo == GCRA then
    return max(0, floor((l.cap * l.period - (s.tat - now)) / l.period)), s.tat - now
  end
  local left = max(0, l.cap - used(l, s))
  if l.algo == CALENDAR then
    return left, s.after * 1000000 - now
  end
  if s.cur > 0 then
    return left, s.start + 2 * l.period * 1000 - now
  end
  if s.prev > 0 then
    return left, s.start + l.period * 1000 - now
  end
  return left, 0
end

-- Moves what hold entry e has charged by delta, in the window where it was charged.
local function adjust(e, delta, reserved_at)
  if delta == 0 then
    return
  end
  local value = redis.call('HGET', e.key, e.field)
  if not value and delta < 0 then
    return
  end
  local written
  if e.algo == GCRA then
    local tat = max(tonumber(value or 0), now)
    if delta > 0 then
      tat = tat + delta * e.period
    else
      -- Time that has passed may already have drained this charge: only the rest is given back.
      tat = tat - max(0, -delta * e.period - (now - reserved_at))
    end
    written = int(tat)
  else
    local w, cur, prev = cells(value)
    if not w or w < e.w then
      -- Not written since the reservation's window began (an entry of 0 writes nothing).
      w, cur, prev = e.w, 0, (w and w == e.before) and cur or 0
    end
    if w == e.w then
      cur = max(0, cur + delta)
    elseif w == e.after then
      prev = max(0, prev + delta)
    else
      return
    end
    written = int(w) .. ':' .. int(cur) .. ':' .. int(prev)
  end
  redis.call('HSET', e.key, e.field, written)
  if not value then
    redis.call('PEXPIRE', e.key, int(e.ttl))
  end
end

-- A hold that nobody settled: its limits say whether the charge stays or goes back.
local function expire(hold)
  for _, e in ipairs(hold.e) do
    if e.keep == 0 then
      adjust(e, -e.amount, hold.at)
      e.amount = 0
    end
  end
  hold.s = 'expired'
end

-- Bounded, so that one unlucky caller never pays for a thousand abandoned holds.
local function reap(index, tombstone_ms)
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', int(now), 'LIMIT', 0, 8)) do
    local raw = redis.call('GET', key)
    if raw then
      local hold = cmsgpack.unpack(raw)
      if hold.s == 'held' then
        expire(hold)
        redis.call('SET', key, cmsgpack.pack(hold), 'PX', tombstone_ms)
      end
    end
    redis.call('ZREM', index, key)
  end
end
