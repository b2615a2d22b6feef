-- KEYS: hold, index of holds, then one hash per subject. All in one slot.
-- ARGV: the numbers named below, workload, fingerprint, what will be remembered of an answered TAKE, the limits, the
--       calendars (five boundaries each), rules of penalties as MessagePack (or empty), then the fields that are read
--       of each subject in turn (`pen` first where it may be penalised). Numbers, limits and calendars are doubles, one
--       after the other.
-- Limits: for each subject its life ms, its number of limits, 1 when it may be penalised, 1 when what it has in flight
--       is limited, 1 when its life is renewed by every write (else by the first in a window, which is enough); then
--       for each limit the numbers named below.
-- Reply: integers of 8 bytes: status (0 refused, 1 allowed, 2 request id spent, 3 clock not covered, 5 this store must
--        be seeded first, 6 the ledger is full), replayed, expiry us, now us, the
--        hardest penalty (number of its subject or 0, level, until ms, score); then for each limit: 1 fits, 0 later,
--        2 never (+4 when less was reserved than asked, +8 when the amount of a trusted account counts), remaining,
--        wait us, reset us.
-- Nothing is written on a refusal but what it adds to the score of a subject whose own rate refused.
-- This is run for every request. So: nothing is parsed from text, few commands, and the functions for what is seldom
-- met are made only when it is (by `log`, and by those that `seldom` gives; both are put before this).

local L_ALGO, L_UNIT, L_CAP, L_PERIOD, L_OBSERVE, L_KEEP, L_HOLD, L_TRUSTED, L_BELOW = 0, 1, 2, 3, 4, 5, 6, 7, 8
-- Where the first pass leaves what it finds, for the second: places of what is no longer needed, and three more.
local L_AFTER, L_TAKES, L_PREV, L_BEFORE, L_W, L_CUR = 6, 7, 8, 9, 10, 11
local SPEC = 12
local S_LIFE, S_SIZE, S_PENAL, S_FLIES, S_RENEW, SUBJECT = 0, 1, 2, 3, 4, 5
local FIELDS = 8
local TAKE, PEEK, RESERVE = 1, 2, 3

local keys, args, rep = KEYS, ARGV, string.rep
local index = keys[2]
-- `kept`: 1 when what is spent of this partition is written down.
local mode, remember, kept, hold_life, memory_ms, unsettled_ms, input_price, output_price, c1, c2, c3, c4, c5, c6 =
  from_bytes('<dddddddddddddd', args[1])
local cost = {c1, c2, c3, c4, c5, c6}
local free = input_price == 0 and output_price == 0
local limits, calendars = {from_bytes('<' .. rep('d', #args[5] / 8), args[5])}, nil
if args[6] ~= '' then
  calendars = {from_bytes('<' .. rep('d', #args[6] / 8), args[6])}
end
local groups, now_text = #keys - 2, int(now)
local replayed, expires = 0, 0

local function short(status)
  return to_bytes('<llll', status, 0, 0, now)
end

-- What is spent is spent in an organisation's whole store, or not at all.
local spends = c2 > 0 or c3 > 0
if kept == 1 then
  local prefix = string.sub(index, 1, -3) -- the index is named `hx`
  if (mode ~= TAKE or spends) and call('EXISTS', prefix .. 'seeded') == 0 then
    return short(5)
  end
  if mode == RESERVE and call('XLEN', prefix .. 'log') >= LEDGER then
    return short(6)
  end
end
spends = spends and kept == 1 and mode == TAKE

local record
local function with_ledger()
  if not record then
    record = seldom().ledger(log())
  end
  return record
end

if remember == 1 then
  local due = call('ZRANGEBYSCORE', index, '-inf', now_text, 'LIMIT', '0', '8')
  if due[1] then
    seldom().holds(with_ledger())(index, due, int(memory_ms))
  end
  local raw = mode ~= PEEK and call('GET', keys[1])
  if raw and raw == args[4] then
    replayed = 1
  elseif raw then
    local known = cmsgpack.unpack(raw)
    local alive = known.s == 'taken' or (known.s == 'held' and known.x > now)
    if not alive or known.w ~= args[2] or known.f ~= args[3] then
      return short(2)
    end
    replayed, expires = 1, known.x
  end
end

-- First pass: read everything, decide, write nothing. (The reply has room for as many limits as there usually are, so
-- that the table need not grow on the way.)
local reply = {
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
}
local allowed, refused_by, pens, renew = 1, {}, {}, {}
local worst, worst_level, worst_until, worst_score = 0, 0, 0, 0
local penalty, penalise, write_penalty, rules, in_flight
local function with_penalties()
  if not penalty then
    penalty, penalise, write_penalty = seldom().penalties()
    rules = cmsgpack.unpack(args[7])
  end
end
local r, at, field = 8, 1, FIELDS
for group = 1, groups do
  local key, size, penal = keys[2 + group], limits[at + S_SIZE], limits[at + S_PENAL]
  local values = call('HMGET', key, unpack(args, field, field + size + penal - 1))
  field = field + size + penal
  local weight, score = 1, 0
  if penal == 1 and values[1] and args[7] ~= '' then
    with_penalties()
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
  local renews = limits[at + S_RENEW] == 1
  at = at + SUBJECT
  for i = 1 + penal, size + penal do
    local algo, unit, cap, period = limits[at], limits[at + L_UNIT], limits[at + L_CAP], limits[at + L_PERIOD]
    local code = 0
    if limits[at + L_TRUSTED] > cap and score < limits[at + L_BELOW] then
      cap, code = limits[at + L_TRUSTED], 8
      limits[at + L_CAP] = cap
    end
    local w, cur, prev, before, after
    if algo == GCRA then
      w = whole(values[i])
    elseif algo == LIVE then
      in_flight = in_flight or seldom().flight()
      w, cur, after = in_flight(key .. ':live', cap)
      prev = 0
    else
      local stored
      stored, cur, prev = read_state(values[i])
      w, cur, prev, before, after = view(algo, period, stored, cur, prev, calendars)
      if not w then
        return short(3)
      end
      renews = renews or stored ~= w
    end
    local fits, wait, takes = 1, 0, cost[unit]
    if replayed == 0 then
      local need = takes
      -- A reservation that states no amount still needs room: an exhausted budget must not be entered. What is
      -- free by its price needs no money at all.
      if need == 0 and mode == RESERVE and not (free and (unit == MONEY or unit == MOST_MONEY)) then
        need = 1
      end
      if need > cap then
        fits = 2
      elseif algo == LIVE then
        if need > 0 and w + need > cap then
          fits, wait = 0, after
        end
      elseif need > 0 then
        if weight > 1 and unit == REQUESTS and takes > 0 then
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
    if takes < cost[unit] and fits == 1 then
      code = code + 4
    end
    limits[at + L_W], limits[at + L_CUR], limits[at + L_PREV] = w, cur, prev
    limits[at + L_BEFORE], limits[at + L_AFTER], limits[at + L_TAKES] = before, after, takes
    reply[r + 1], reply[r + 3] = code + fits, wait
    r, at = r + 4, at + SPEC
  end
  renew[group] = renews
end
if worst_level == SUSPENDED and rules[ENFORCED] == 1 and replayed == 0 then
  allowed, refused_by = 0, {}
end

-- Second pass: charge all of them, or none.
if allowed == 1 and mode ~= PEEK and replayed == 0 then
  local reserve = mode == RESERVE
  local entries, subjects, live, charges = {}, {}, {}, {}
  local m = 0
  expires = reserve and now + hold_life or 0
  r, at, field = 8, 1, FIELDS - 1
  for group = 1, groups do
    local key, life, size = keys[2 + group], limits[at + S_LIFE], limits[at + S_SIZE]
    local changes, c = {}, 0
    field = field + limits[at + S_PENAL]
    if reserve then
      subjects[group] = key
      if limits[at + S_FLIES] == 1 then
        live[#live + 1] = key .. ':live'
      end
    end
    at = at + SUBJECT
    for _ = 1, size do
      field = field + 1
      local algo, amount = limits[at], limits[at + L_TAKES]
      -- A limit that only observes is counted as it would be if it were enforced.
      if algo ~= LIVE and reply[r + 1] % 4 == 1 then
        local w, after = limits[at + L_W], limits[at + L_AFTER]
        if amount > 0 then
          changes[c + 1] = args[field]
          c = c + 2
          if algo == GCRA then
            w = w + amount * limits[at + L_PERIOD]
            limits[at + L_W] = w
            changes[c] = int(w)
          else
            local cur = limits[at + L_CUR] + amount
            limits[at + L_CUR] = cur
            changes[c] = to_bytes('<ddd', w, cur, limits[at + L_PREV])
            if spends and algo == CALENDAR then
              charges[#charges + 1] = {string.sub(key, #index - 1), args[field], w, after, amount}
            end
          end
        end
        if reserve then
          local window = algo ~= GCRA
          entries[m + 1], entries[m + 2], entries[m + 3], entries[m + 4] = group, args[field], algo, limits[at + L_UNIT]
          entries[m + 5], entries[m + 6], entries[m + 7] = amount, amount, limits[at + L_CAP]
          entries[m + 8] = limits[at + L_PERIOD]
          entries[m + 9], entries[m + 10], entries[m + 11] = limits[at + L_KEEP], life, limits[at + L_OBSERVE]
          entries[m + 12], entries[m + 13] = window and w or 0, window and limits[at + L_BEFORE] or 0
          entries[m + 14] = window and after or 0
          m = m + ENTRY
        end
      elseif algo == LIVE and reserve then
        limits[at + L_W], limits[at + L_CUR] = limits[at + L_W] + 1, max(limits[at + L_CUR], expires - now)
      end
      r, at = r + 4, at + SPEC
    end
    if c > 0 then
      call('HSET', key, unpack(changes))
      if pens[group] then
        call('PEXPIRE', key, int(max(life, rules[PEN_LIFE])))
      elseif renew[group] then
        call('PEXPIRE', key, int(life))
      end
    end
  end
  if reserve then
    local hold = {
      s = 'held', w = args[2], f = args[3], at = now, x = expires, pi = input_price, po = output_price,
      t = c2, m = c3, k = subjects, v = live, r = {}, e = entries,
    }
    seldom().reserving()(index, keys[1], hold, int(ceil(hold_life / 1000) + unsettled_ms), kept == 1 and with_ledger())
  elseif remember == 1 then
    call('SET', keys[1], args[4], 'PX', int(memory_ms))
  end
  if spends then
    local _, append = log()
    append(index, 'taken', keys[1], {at = now, w = args[2], t = c2, m = c3, x = now},
      charges[1] and cjson.encode(charges) or '[]')
  end
elseif allowed == 0 and mode ~= PEEK and replayed == 0 and args[7] ~= '' then
  with_penalties()
  for struck, yes in pairs(refused_by) do
    if yes and rules[STRIKE] > 0 then
      local score, strikes, level, till = unpack(pens[struck] or {0, 0, 0, 0})
      score, strikes, level, till = penalise(rules, rules[STRIKE], score, strikes, level, till)
      write_penalty(keys[2 + struck], rules, score, strikes, level, till)
    end
  end
end

reply[1], reply[2], reply[3], reply[4] = allowed, replayed, expires, now
reply[5], reply[6], reply[7], reply[8] = worst, worst_level, worst_until, worst_score
r, at = 8, 1
for _ = 1, groups do
  local size = limits[at + S_SIZE]
  at = at + SUBJECT
  for _ = 1, size do
    local algo, cap, w, cur = limits[at], limits[at + L_CAP], limits[at + L_W], limits[at + L_CUR]
    if algo == LIVE then
      reply[r + 2], reply[r + 4] = max(0, cap - w), cur
    else
      reply[r + 2], reply[r + 4] =
        standing(algo, cap, limits[at + L_PERIOD], w, cur, limits[at + L_PREV], limits[at + L_AFTER])
    end
    r, at = r + 4, at + SPEC
  end
end
return to_bytes('<' .. rep('l', r), unpack(reply, 1, r))
