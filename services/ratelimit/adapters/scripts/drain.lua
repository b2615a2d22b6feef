-- Entries of the ledger that nobody has written down yet: first those that another consumer took and did not finish.
-- KEYS: the stream. ARGV: consumer, most entries, idle ms after which a consumer is taken for dead.
-- Reply: entries as the stream has them.

if redis.call('EXISTS', KEYS[1]) == 0 then
  return {}
end
local most = tonumber(ARGV[2])
local claimed = redis.pcall('XAUTOCLAIM', KEYS[1], 'ledger', ARGV[1], ARGV[3], '0', 'COUNT', most)
if claimed.err then
  redis.call('XGROUP', 'CREATE', KEYS[1], 'ledger', '0')
  claimed = {'0', {}}
end
local found = {}
for _, entry in ipairs(claimed[2]) do
  if entry and entry[2] then
    found[#found + 1] = entry
  end
end
if #found < most then
  local fresh = redis.call('XREADGROUP', 'GROUP', 'ledger', ARGV[1], 'COUNT', most - #found, 'STREAMS', KEYS[1], '>')
  if fresh then
    for _, entry in ipairs(fresh[1][2]) do
      found[#found + 1] = entry
    end
  end
end
return found
