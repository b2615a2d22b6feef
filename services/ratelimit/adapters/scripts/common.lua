-- Shared by every script: the clock, the state of a limit, and penalties. (`holds.lua`: what becomes of a hold.)
-- All amounts are integers. Lua prints numbers with 14 digits, so everything stored goes through string.format.
--
-- What is kept for one subject, all in the slot of its partition, of a size that does not grow with time:
--   <subject>        a hash; expires by itself, one PEXPIRE for each write
--     <id>|g<window>     GCRA: microseconds since 1970 at which the limit is whole again
--     <id>|s<window>     sliding: `window:current:previous`
--     <id>|d, |w, |m     calendar (UTC): the same; a window is named by the second in which it begins.
--     <id>|d@<zone>      calendar of a brand's zone
--     pen                penalty: `score:at:strikes:level:until`: a score in millionths as of `at`, how often it was
--                        suspended, the level that stands (0 none, 1 warn, 2 slow, 3 limit, 4 suspend) and until when;
--                        times in milliseconds. Absent: nothing is held against the subject.
--   <subject>:live   a sorted set, only where what is in flight is limited: hold -> microsecond of its expiry
-- and for one partition:
--   h:<request id>   a hold, or the memory of an answered request; hx: the index of holds by expiry

local clock = redis.call('TIME')
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local match, format = string.match, string.format
local now_s = tonumber(clock[1])
local now = now_s * 1000000 + tonumber(clock[2])
local now_ms = floor(now / 1000)

local GCRA, SLIDING, CALENDAR, LIVE = 1, 2, 3, 4
-- 5 and 6 are tokens and money of limits that reserve the most that a request may use.
local REQUESTS, TOKENS, MONEY, CONCURRENCY, MOST_TOKENS, MOST_MONEY = 1, 2, 3, 4, 5, 6

local function int(x)
  return format('%.0f', x)
end

-- The state of a windowed limit at this instant: window, current, previous, window before, window after. Of a GCRA:
-- when it is whole again. Nothing when the calendar that came along does not cover this clock.
local function view(algo, period, value, calendars)
  if algo == GCRA then
    return max(tonumber(value or 0), now)
  end
  local w, before, after
  local b = algo == CALENDAR and calendars[period]
  if b then
    -- Five boundaries around the service's own "now"; which window it is, Redis decides.
    for i = 2, 4 do
      if now_s >= b[i] and now_s < b[i + 1] then
        w, before, after = b[i], b[i - 1], b[i + 1]
      end
    end
    if not w then
      return nil
    end
  else
    w = floor(now / (period * 1000))
    before, after = w - 1, w + 1
  end
  if not value then
    return w, 0, 0, before, after
  end
  local stored, cur, prev = match(value, '^(%d+):(%d+):(%d+)$')
  stored = tonumber(stored)
  if stored == w then
    return w, tonumber(cur), tonumber(prev), before, after
  elseif stored == before then
    return w, 0, tonumber(cur), before, after
  elseif stored < w then
    return w, 0, 0, before, after
  end
  -- A clock that stepped back must not reopen a window: the newer one stays.
  after = stored + 1
  if b then
    after = nil
    for i = 5, 1, -1 do
      after = b[i] > stored and b[i] or after
    end
    if not after then
      return nil
    end
  end
  return stored, tonumber(cur), tonumber(prev), w, after
end

-- What counts in a window now. The previous cell of a sliding one weighs less with every millisecond.
local function used(algo, period, w, cur, prev)
  if algo == CALENDAR or prev == 0 then
    return cur
  end
  local elapsed = max(0, floor((now - w * period * 1000) / 1000))
  return cur + ceil(prev * (period - elapsed) / period)
end

-- Microseconds until `need` fits a sliding window, if nothing else happens.
local function sliding_wait(cap, period, need, w, cur, prev)
  local start = w * period * 1000
  local room = cap - need - cur
  if room >= 0 then
    return start + (period - floor(room * period / prev)) * 1000 - now
  end
  local later = max(0, period - floor((cap - need) * period / cur))
  return start + (period + later) * 1000 - now
end

-- 1 fits, 0 fits later, 2 never fits; and the time to wait.
local function check(algo, cap, period, need, w, cur, prev, after)
  if need > cap then
    return 2, 0
  end
  if algo == GCRA then
    local late = w + need * period - now - cap * period
    if late <= 0 then
      return 1, 0
    end
    return 0, late
  end
  if used(algo, period, w, cur, prev) + need <= cap then
    return 1, 0
  end
  if algo == SLIDING then
    return 0, sliding_wait(cap, period, need, w, cur, prev)
  end
  return 0, after * 1000000 - now
end

-- What is left, and the microseconds until the limit is whole again (calendar: until its window ends).
local function standing(algo, cap, period, w, cur, prev, after)
  if algo == GCRA then
    return max(0, floor((cap * period - (w - now)) / period)), w - now
  end
  local left = max(0, cap - used(algo, period, w, cur, prev))
  if algo == CALENDAR then
    return left, max(0, after * 1000000 - now)
  end
  if cur > 0 then
    return left, (w + 2) * period * 1000 - now
  end
  if prev > 0 then
    return left, (w + 1) * period * 1000 - now
  end
  return left, 0
end

-- Penalties. `rules` come from the policy: half-life ms, weight of one refusal (millionths), enforced (0|1), longest
-- suspension ms, ms after which one suspension is forgotten, life of the state ms, weight of a request while slowed,
-- the same while limited, then for each of the levels 1 to 4 the score that it begins at and how long it stands (ms).
local HALF_LIFE, STRIKE, ENFORCED, LONGEST, FORGIVEN, PEN_LIFE, LEVELS = 1, 2, 3, 4, 5, 6, 7
local SLOW, LIMITED, SUSPENDED = 2, 3, 4

-- What stands against a subject now: score, strikes, level, until (ms). The score halves with every half-life, evenly
-- in between, in integers.
local function penalty(value, rules)
  if not value then
    return 0, 0, 0, 0
  end
  local score, at, strikes, level, till = match(value, '^(%d+):(%d+):(%d+):(%d+):(%d+)$')
  score, strikes, level, till = tonumber(score), tonumber(strikes), tonumber(level), tonumber(till)
  local half, age = rules[HALF_LIFE], max(0, now_ms - at)
  local halves = floor(age / half)
  score = halves > 20 and 0 or floor(score / 2 ^ halves)
  score = floor(score * (2 * half - (age - halves * half)) / (2 * half))
  if now_ms >= till then
    level = 0
    local forgiven = min(strikes, floor((now_ms - till) / rules[FORGIVEN]))
    strikes, till = strikes - forgiven, till + forgiven * rules[FORGIVEN]
  end
  return score, strikes, level, till
end

-- The state after something of this weight (millionths) was held against the subject. A level stands for its time; it is
-- not renewed while it stands, only raised. Each suspension lasts twice as long as the one before.
local function penalise(rules, weight, score, strikes, level, till)
  score = min(1000000, score + weight)
  local reached = 0
  for step = 1, 4 do
    if score >= rules[LEVELS + 2 * step] then
      reached = step
    end
  end
  if reached > level then
    local long = rules[LEVELS + 2 * reached + 1]
    if reached == SUSPENDED then
      strikes = strikes + 1
      long = min(rules[LONGEST], long * 2 ^ min(strikes - 1, 30))
    end
    level, till = reached, max(now_ms + long, level > 0 and till or 0)
  end
  return score, strikes, level, till
end

local function write_penalty(key, rules, score, strikes, level, till)
  redis.call('HSET', key, 'pen', format('%.0f:%.0f:%.0f:%.0f:%.0f', score, now_ms, strikes, level, till))
  if redis.call('PTTL', key) < rules[PEN_LIFE] then
    redis.call('PEXPIRE', key, int(rules[PEN_LIFE]))
  end
end
