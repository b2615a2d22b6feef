-- The stream that the ledger (`ledger.lua`) is written down from.

local LOG_LIFE = '6048000000' -- 70 days

local function beside(index, name)
  return string.sub(index, 1, -3) .. name -- the index is named `hx`
end

-- `kind`: open (reserved, or added to), taken, committed, released, expired, late (settled after it had expired).
-- `charges` as JSON: what was charged in windows of a calendar.
local function append(index, kind, name, about, charges, packed, tokens, money)
  local log, at = beside(index, 'log'), int(now)
  local opened, expires = about.at == now and at or int(about.at), about.x == now and at or int(about.x)
  redis.call('XADD', log, '*', 'k', kind, 'i', string.sub(name, #index + 1), 'o', opened, 'a', at, 'w', about.w,
    't', int(tokens or about.t), 'm', int(money or about.m), 'x', expires, 'h', packed or '', 'c', charges)
  redis.call('PEXPIRE', log, LOG_LIFE)
end
