-- Holds: what was charged for a request, and how it is moved later.

-- Price in micro-USD, rounded up once over both directions. The product may pass 2^53, so it is taken apart:
-- tokens = a * 10^4 + b.
local function priced(input, output, input_price, output_price)
  local b, c = input % 10000, output % 10000
  local x, y = (input - b) / 10000 * input_price, (output - c) / 10000 * output_price
  local rest = x % 100 * 10000 + b * input_price + y % 100 * 10000 + c * output_price
  return floor(x / 100) + floor(y / 100) + ceil(rest / 1000000)
end

-- Moves what entry i of a hold has charged by delta, in the window where it was charged.
local function adjust(hold, i, delta)
  if delta == 0 then
    return
  end
  local e = hold.e
  local key, field = hold.k[e[i + KEY]], e[i + FIELD]
  local value = redis.call('HGET', key, field)
  if not value and delta < 0 then
    return
  end
  local written, rolled
  if e[i + ALGO] == GCRA then
    local tat = max(tonumber(value or 0), now)
    if delta > 0 then
      tat = tat + delta * e[i + PERIOD]
    else
      -- Time that has passed may already have drained this charge: only the rest is given back.
      tat = tat - max(0, -delta * e[i + PERIOD] - (now - hold.at))
    end
    written = int(tat)
  else
    local own = e[i + WINDOW]
    local w, cur, prev = read_state(value)
    if not w or w < own then
      rolled = true
      -- Not written since the reservation's window began (an entry of 0 writes nothing).
      w, cur, prev = own, 0, (w and w == e[i + BEFORE]) and cur or 0
    end
    if w == own then
      cur = max(0, cur + delta)
    elseif w == e[i + AFTER] then
      prev = max(0, prev + delta)
    else
      return
    end
    written = state(w, cur, prev)
  end
  redis.call('HSET', key, field, written)
  if not value or rolled then
    redis.call('PEXPIRE', key, int(e[i + TTL]))
  end
end

-- No longer in flight.
local function land(hold, name)
  for _, live in ipairs(hold.v) do
    redis.call('ZREM', live, name)
  end
end

-- A hold that nobody settled: its limits say whether the charge stays or goes back.
local function expire(hold, name)
  for i = 1, #hold.e, ENTRY do
    if hold.e[i + KEEP] == 0 then
      adjust(hold, i, -hold.e[i + AMOUNT])
      hold.e[i + AMOUNT] = 0
    end
  end
  land(hold, name)
  hold.s = 'expired'
end

-- Those of the holds in this index that are over, a bounded number: one unlucky caller never pays for a thousand
-- abandoned ones.
local function reap(index, due, tombstone_ms)
  for _, key in ipairs(due) do
    local raw = redis.call('GET', key)
    if raw then
      local hold = cmsgpack.unpack(raw)
      if hold.s == 'held' then
        expire(hold, key)
        record(index, 'expired', key, hold)
        redis.call('SET', key, cmsgpack.pack(hold), 'PX', tombstone_ms)
      end
    end
    redis.call('ZREM', index, key)
  end
end
