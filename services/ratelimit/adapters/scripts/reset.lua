-- Setting counters to zero. Tokens and money that open reservations hold stay in them, as they are settled later: what was
-- spent is forgiven, nothing is given back twice. A request has happened: it goes with the rest. The ledger is told, so
-- that a counter that is put back is the same.

local MOST_OPEN = 20000 -- each is read, and everybody waits

local function index_of(key)
  return string.match(key, '^(.-}:)') .. 'hx'
end

-- Why it cannot be done now: -1 this store must be seeded first, -2 too many reservations are open; or nothing.
local function hindered(key, budget)
  local index = index_of(key)
  if budget and unseeded(index) then
    return -1
  end
  return redis.call('ZCARD', index) > MOST_OPEN and -2 or nil
end

-- What open reservations hold of this field, in a window and in the one before it; and whether they are requests.
local function held_open(key, field, window)
  local own, earlier, requests = 0, 0, false
  for _, name in ipairs(redis.call('ZRANGE', index_of(key), 0, -1)) do
    local raw = redis.call('GET', name)
    local hold = raw and cmsgpack.unpack(raw)
    if hold and hold.s == 'held' then
      local e = hold.e
      for i = 1, #e, ENTRY do
        if e[i + FIELD] ~= field or hold.k[e[i + KEY]] ~= key then
          -- another limit's
        elseif e[i + UNIT] == REQUESTS then
          requests = true
        else
          own = own + (e[i + WINDOW] == window and e[i + AMOUNT] or 0)
          earlier = earlier + (e[i + AFTER] == window and e[i + AMOUNT] or 0)
        end
      end
    end
  end
  return own, earlier, requests
end

-- Sets the fields of a limit to zero; each with what it was. A counter is never taken away: a missing one would look like
-- one that was lost.
local function zero(key, id)
  local found, rows, index, kind = {}, {}, index_of(key), 'reset'
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, #id + 1) == id .. '|' then
      local value = redis.call('HGET', key, name)
      local w, cur, prev = read_state(value)
      local own, earlier, requests = 0, 0, false
      if w then
        own, earlier, requests = held_open(key, name, w)
        kind = requests and 'cleared' or kind
      end
      redis.call('HSET', key, name, w and state(w, own, earlier) or '0')
      found[#found + 1] = {name, w and format('%.0f:%.0f:%.0f', w, cur, prev) or value}
      local calendar = string.match(name, '|[dwm]$') or string.match(name, '|[dwm]@')
      if w and calendar and cur ~= own then
        rows[#rows + 1] = {string.sub(key, #index - 1), name, int(w), int(w), int(own - cur)}
      end
    end
  end
  if rows[1] and kept_whole(index) then
    append(index, kind, index, {at = now, w = 'operator', t = 0, m = 0, x = now}, cjson.encode(rows))
  end
  return found
end
