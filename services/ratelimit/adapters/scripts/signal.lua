-- Counts one report of abuse against each of its subjects.
-- KEYS: subjects, all in one slot.
-- ARGV: kind, weight (millionths), digest of the event, rules of penalties as MessagePack, most events remembered.
-- Reply: now ms; then for each subject: counted before (0|1), score, strikes, level, until ms, reports by kind as JSON.
--
-- Field `why` of a subject: MessagePack of n (reports by kind) and e (digests of the last events): of fixed size, as
-- kinds come from the policy.

local kind, weight, event = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local rules, remembered = cmsgpack.unpack(ARGV[4]), tonumber(ARGV[5])
local reply = {now_ms}

for _, key in ipairs(KEYS) do
  local kept = redis.call('HMGET', key, 'pen', 'why')
  local why = kept[2] and cmsgpack.unpack(kept[2]) or {n = {}, e = {}}
  local score, strikes, level, till = penalty(kept[1], rules)
  local known = 0
  for _, seen in ipairs(why.e) do
    if seen == event then
      known = 1
    end
  end
  if known == 0 then
    if score == 0 and strikes == 0 and level == 0 then
      why.n = {} -- all of it is forgiven: a history begins
    end
    score, strikes, level, till = penalise(rules, weight, score, strikes, level, till)
    why.n[kind] = (why.n[kind] or 0) + 1
    why.e[#why.e + 1] = event
    while #why.e > remembered do
      table.remove(why.e, 1)
    end
    redis.call('HSET', key, 'why', cmsgpack.pack(why))
    write_penalty(key, rules, score, strikes, level, till)
  end
  reply[#reply + 1] = known
  reply[#reply + 1] = score
  reply[#reply + 1] = strikes
  reply[#reply + 1] = level
  reply[#reply + 1] = till
  reply[#reply + 1] = cjson.encode(why.n)
end
return reply
