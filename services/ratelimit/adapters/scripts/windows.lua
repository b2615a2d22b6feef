-- What the state of a limit means at this instant.

-- The state of a windowed limit now, from what is kept of it: window, current, previous, window before, window after.
-- Nothing when the calendars that came along do not cover this clock.
local function view(algo, period, stored, cur, prev, calendars)
  local w, before, after
  local b = algo == CALENDAR and period * 5 - 5
  if b then
    -- Five boundaries around the service's own "now"; which window it is, Redis decides.
    local i = now_s < calendars[b + 3] and b + 2 or now_s < calendars[b + 4] and b + 3 or b + 4
    w, before, after = calendars[i], calendars[i - 1], calendars[i + 1]
    if now_s < w or now_s >= after then
      return nil
    end
  else
    w = floor(now / (period * 1000))
    before, after = w - 1, w + 1
  end
  if stored == w then
    return w, cur, prev, before, after
  elseif not stored then
    return w, 0, 0, before, after
  elseif stored == before then
    return w, 0, cur, before, after
  elseif stored < w then
    return w, 0, 0, before, after
  end
  -- A clock that stepped back must not reopen a window: the newer one stays.
  after = stored + 1
  if b then
    after = nil
    for i = b + 5, b + 1, -1 do
      after = calendars[i] > stored and calendars[i] or after
    end
    if not after then
      return nil
    end
  end
  return stored, cur, prev, w, after
end

-- Of a GCRA: when it is whole again.
local function whole(value)
  return max(tonumber(value or 0), now)
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
