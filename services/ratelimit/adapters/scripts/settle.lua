-- KEYS: hold, index of holds. The subjects are named in the hold and share its slot.
-- ARGV: workload, commit|release, requests, input tokens, output tokens, input price, output price (-1: the price
--       of the reservation), keep requests (0|1), tombstone ms.
-- Reply: status (0 unknown, 1 settled, 2 settled before, 3 settled after it had expired, 5 this store must be seeded
--        first), micro-USD charged.

if unseeded(KEYS[2]) then
  return {5, 0}
end

local raw = redis.call('GET', KEYS[1])
local hold = raw and cmsgpack.unpack(raw)
if not hold or hold.w ~= ARGV[1] or hold.s == 'taken' then
  return {0, 0}
end
if hold.s == 'committed' or hold.s == 'released' then
  return {2, hold.m}
end

local status = 1
if hold.s == 'held' and hold.x <= now then
  expire(hold, KEYS[1])
  record(KEYS[2], 'expired', KEYS[1], hold)
end
if hold.s == 'expired' then
  status = 3
end

local commit = ARGV[2] == 'commit'
local target = {0, 0, 0, 0, 0, 0}
if commit then
  local input, output = tonumber(ARGV[4]), tonumber(ARGV[5])
  local input_price, output_price = tonumber(ARGV[6]), tonumber(ARGV[7])
  if input_price < 0 then
    input_price, output_price = hold.pi, hold.po
  end
  local tokens, money = input + output, priced(input, output, input_price, output_price)
  target = {tonumber(ARGV[3]), tokens, money, 0, tokens, money}
end

local e, moved = hold.e, {}
for i = 1, #e, ENTRY do
  local amount = target[e[i + UNIT]]
  -- The request happened: it is never given back by a commit, and by a release only when asked.
  if e[i + UNIT] == REQUESTS and (commit or ARGV[8] == '1') then
    amount = max(amount, e[i + ASKED])
  end
  adjust(hold, i, amount - e[i + AMOUNT])
  moved[i] = status == 3 and amount - e[i + AMOUNT] or amount
end

land(hold, KEYS[1])
local settled = {s = commit and 'committed' or 'released', w = hold.w, m = target[MONEY]}
redis.call('SET', KEYS[1], cmsgpack.pack(settled), 'PX', ARGV[9])
redis.call('ZREM', KEYS[2], KEYS[1])
record(KEYS[2], status == 3 and 'late' or settled.s, KEYS[1], hold, nil, moved, target[TOKENS], settled.m)
return {status, settled.m}
