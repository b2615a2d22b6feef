-- The ledger: every change of a hold, as a stream in the slot of its partition. What reads it writes it down elsewhere,
-- so that budgets outlive this store. LEDGER, a line before all scripts, is the most that may wait; 0: there is none.
--   seeded   there while the budgets here are known to be whole: without it nothing is decided about them
--   log      the stream; it expires long after the last window that its entries belong to
-- An organisation has no colon in its name, other partitions have one: they hold no budgets.

local function kept_whole(index)
  return LEDGER > 0 and not string.find(index, '{[^}]*:')
end

local function unseeded(index)
  return kept_whole(index) and redis.call('EXISTS', beside(index, 'seeded')) == 0
end

-- A reservation is refused while too much waits. What was reserved can always be settled: nothing is ever dropped.
local function ledger_full(index)
  return kept_whole(index) and redis.call('XLEN', beside(index, 'log')) >= LEDGER
end

-- What a hold has charged in windows of a calendar; `moved` instead, where only the change of each entry counts.
local function charges_of(index, hold, moved)
  local rows, e, from = {}, hold.e, #index - 1
  for i = 1, #e, ENTRY do
    local amount = moved and (moved[i] or 0) or e[i + AMOUNT]
    if e[i + ALGO] == CALENDAR and amount ~= 0 then
      rows[#rows + 1] = {
        string.sub(hold.k[e[i + KEY]], from), e[i + FIELD], int(e[i + WINDOW]), int(e[i + AFTER]), int(amount),
      }
    end
  end
  return rows[1] and cjson.encode(rows) or '[]'
end

local function record(index, kind, name, hold, packed, moved, tokens, money)
  if kept_whole(index) then
    append(index, kind, name, hold, charges_of(index, hold, moved), packed, tokens, money)
  end
end
