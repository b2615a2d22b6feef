-- KEYS: hold, index of holds.
-- ARGV: workload, life us, longest life us, requests, input tokens, output tokens, input price, output price (-1: the
--       price of the reservation), unsettled memory ms, calendars as JSON.
-- Reply: status (0 unknown or over, 1 extended, 2 refused, 3 clock not covered), expiry us, now us, then for each
--        limit of the hold: field, fits, remaining, wait us, reset us.

local raw = redis.call('GET', KEYS[1])
local hold = raw and cmsgpack.unpack(raw)
if not hold or hold.w ~= ARGV[1] or hold.s ~= 'held' or hold.x <= now then
  return {0, 0, now}
end

local input, output = tonumber(ARGV[5]), tonumber(ARGV[6])
local input_price, output_price = tonumber(ARGV[7]), tonumber(ARGV[8])
if input_price < 0 then
  input_price, output_price = hold.pi, hold.po
end
local more = {tonumber(ARGV[4]), input + output, priced(input, output, input_price, output_price)}
local calendars = cjson.decode(ARGV[10])

-- What is added belongs to the window in which the spending began; when that one is the previous window by now,
-- it is the previous cell that must have room.
local function fits(e, s, need)
  if e.algo == GCRA or s.w == e.w then
    return check(e, s, need)
  end
  if s.before ~= e.w then
    return 1, 0
  end
  local then_used = s.prev + need
  if e.algo == SLIDING then
    then_used = s.cur + ceil(then_used * (e.period - s.elapsed) / e.period)
  end
  if then_used <= e.cap then
    return 1, 0
  end
  return 2, 0
end

local rows, allowed = {}, true
for i, e in ipairs(hold.e) do
  local state = view(e, redis.call('HGET', e.key, e.field), calendars)
  if not state then
    return {3, 0, now}
  end
  local fit, wait = 1, 0
  if more[e.unit] > 0 then
    fit, wait = fits(e, state, more[e.unit])
  end
  if fit ~= 1 and not e.observe then
    allowed = false
  end
  rows[i] = {state = state, fit = fit, wait = wait}
end

if allowed then
  for _, e in ipairs(hold.e) do
    adjust(e, more[e.unit], hold.at)
    e.amount = e.amount + more[e.unit]
    e.asked = e.asked + more[e.unit]
  end
  -- Never shorter than it was, never past the longest life of a reservation.
  hold.x = max(hold.x, min(now + tonumber(ARGV[2]), hold.at + tonumber(ARGV[3])))
  local life = int(ceil((hold.x - now) / 1000) + tonumber(ARGV[9]))
  redis.call('SET', KEYS[1], cmsgpack.pack(hold), 'PX', life)
  redis.call('ZADD', KEYS[2], int(hold.x), KEYS[1])
  redis.call('PEXPIRE', KEYS[2], life)
end

local reply = {allowed and 1 or 2, hold.x, now}
for i, e in ipairs(hold.e) do
  local state = rows[i].state
  if allowed then
    state = view(e, redis.call('HGET', e.key, e.field), calendars)
  end
  local left, reset = standing(e, state)
  reply[#reply + 1] = e.field
  reply[#reply + 1] = rows[i].fit
  reply[#reply + 1] = left
  reply[#reply + 1] = rows[i].wait
  reply[#reply + 1] = reset
end
return reply
