-- KEYS: hold, index of holds.
-- ARGV: workload, life us, longest life us, requests, input tokens, output tokens, input price, output price (-1: the
--       price of the reservation), unsettled memory ms, request id (may be empty).
-- Reply: status (0 unknown or over, 1 extended, 2 refused, 4 the request id added something else, 5 this store must be
--        seeded first), replayed, expiry us,
--        now us, then for each limit of the hold: field, fits, remaining, wait us, reset us. What is added belongs to
--        the window in which the spending began, so a calendar's numbers are of that window.

local REMEMBERED = 16

if unseeded(KEYS[2]) then
  return {5, 0, 0, now}
end
local raw = redis.call('GET', KEYS[1])
local hold = raw and cmsgpack.unpack(raw)
if not hold or hold.w ~= ARGV[1] or hold.s ~= 'held' or hold.x <= now then
  return {0, 0, 0, now}
end

local input, output = tonumber(ARGV[5]), tonumber(ARGV[6])
local input_price, output_price = tonumber(ARGV[7]), tonumber(ARGV[8])
if input_price < 0 then
  input_price, output_price = hold.pi, hold.po
end
local requests, tokens, money = tonumber(ARGV[4]), input + output, priced(input, output, input_price, output_price)

-- The last additions by their request ids, in pairs.
local replayed, print = false, requests .. ':' .. int(tokens) .. ':' .. int(money)
for i = 1, #hold.r, 2 do
  if hold.r[i] == ARGV[10] and ARGV[10] ~= '' then
    if hold.r[i + 1] ~= print then
      return {4, 0, hold.x, now}
    end
    replayed = true
  end
end

local e = hold.e
local function more(i)
  local unit = e[i + UNIT]
  if unit == REQUESTS then
    return requests
  elseif unit == TOKENS then
    return tokens
  elseif unit == MONEY then
    return money
  end
  -- The most was reserved already: only what goes beyond it is new.
  local asked = unit == MOST_TOKENS and hold.t + tokens or hold.m + money
  return max(0, asked - e[i + AMOUNT])
end

-- State of entry i as seen from the window in which it was reserved: what is used there, or nil when that is over.
local function within(i, value)
  local w, cur, prev = read_state(value)
  if not w or w < e[i + WINDOW] then
    return 0
  elseif w == e[i + WINDOW] then
    return cur
  elseif w == e[i + AFTER] then
    return prev
  end
  return nil
end

local function calendar(i, need)
  local cap, spent = e[i + CAP], within(i, redis.call('HGET', hold.k[e[i + KEY]], e[i + FIELD])) or 0
  local ends = max(0, e[i + AFTER] * 1000000 - now)
  if spent + need <= cap or need == 0 then
    return 1, 0, max(0, cap - spent), ends
  end
  local never = need > cap or ends == 0
  return never and 2 or 0, never and 0 or ends, max(0, cap - spent), ends
end

local function rolling(i, need)
  local algo, cap, period = e[i + ALGO], e[i + CAP], e[i + PERIOD]
  local value = redis.call('HGET', hold.k[e[i + KEY]], e[i + FIELD])
  local w, cur, prev, _, after
  if algo == GCRA then
    w = whole(value)
  else
    w, cur, prev, _, after = view(algo, period, read_state(value))
  end
  local left, reset = standing(algo, cap, period, w, cur, prev, after)
  local fits, wait = 1, 0
  if need > 0 and (algo == GCRA or w == e[i + WINDOW]) then
    fits, wait = check(algo, cap, period, need, w, cur, prev, after)
  elseif need > 0 and w == e[i + AFTER] and used(algo, period, w, cur, prev + need) > cap then
    fits = 2
  end
  return fits, wait, left, reset
end

local function row(i, need)
  return (e[i + ALGO] == CALENDAR and calendar or rolling)(i, need)
end

local allowed, wanted, fit, waits = true, {}, {}, {}
for i = 1, #e, ENTRY do
  wanted[i] = replayed and 0 or more(i)
  fit[i], waits[i] = row(i, wanted[i])
  if fit[i] ~= 1 and e[i + OBSERVE] == 0 then
    allowed = false
  end
end

if allowed then
  for i = 1, #e, ENTRY do
    adjust(hold, i, wanted[i])
    e[i + AMOUNT] = e[i + AMOUNT] + wanted[i]
    e[i + ASKED] = e[i + ASKED] + wanted[i]
  end
  if not replayed then
    hold.t, hold.m = hold.t + tokens, hold.m + money
    -- Never shorter than it was, never past the longest life of a reservation.
    hold.x = max(hold.x, min(now + tonumber(ARGV[2]), hold.at + tonumber(ARGV[3])))
    if ARGV[10] ~= '' then
      hold.r[#hold.r + 1], hold.r[#hold.r + 2] = ARGV[10], print
    end
    while #hold.r > 2 * REMEMBERED do
      table.remove(hold.r, 1)
    end
    local life = int(ceil((hold.x - now) / 1000) + tonumber(ARGV[9]))
    local packed = cmsgpack.pack(hold)
    redis.call('SET', KEYS[1], packed, 'PX', life)
    record(KEYS[2], 'open', KEYS[1], hold, packed)
    for _, index in ipairs({KEYS[2], unpack(hold.v)}) do
      redis.call('ZADD', index, int(hold.x), KEYS[1])
      redis.call('PEXPIRE', index, life)
    end
  end
end

local reply = {allowed and 1 or 2, replayed and 1 or 0, hold.x, now}
for i = 1, #e, ENTRY do
  local _, _, left, reset = row(i, 0)
  reply[#reply + 1] = e[i + FIELD]
  reply[#reply + 1] = fit[i]
  reply[#reply + 1] = left
  reply[#reply + 1] = waits[i]
  reply[#reply + 1] = reset
end
return reply
